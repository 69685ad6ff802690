"""A loop that stands still until it is told to go on: for tests that look at every step."""

from __future__ import annotations

from asyncio import SelectorEventLoop
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
import asyncio

T = TypeVar("T")

MOST_STEPS = 10_000
"""Steps after which a loop counts as one that never comes to rest."""


class SteppingLoop(SelectorEventLoop):
    """
    A loop whose clock moves by `advance` only, and that runs until nothing is left to run.

    Args:
        start: What the clock says first, in seconds.
    """

    def __init__(self, start: float = 1000.0) -> None:
        self._now = start
        super().__init__()

    def time(self) -> float:
        """Return the loop's clock."""
        return self._now

    def step(self) -> None:
        """Run what is ready now, once."""
        self.call_soon(self.stop)
        self.run_forever()

    def settle(self) -> None:
        """
        Run until nothing is ready and no timer is due.

        Raises:
            AssertionError: it never comes to rest.
        """
        for _ in range(MOST_STEPS):
            self.step()
            if not self._has_work():
                return
        raise AssertionError("the loop does not come to rest")

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Do something as if a callback of the loop did it; nothing else runs meanwhile."""
        asyncio._set_running_loop(self)
        try:
            yield
        finally:
            asyncio._set_running_loop(None)

    def advance(self, seconds: float) -> None:
        """Let time pass, timer by timer."""
        end = self._now + seconds
        self.settle()
        while (timers := self._timers()) and timers[0] <= end:
            self._now = max(self._now, timers[0])
            self.settle()
        self._now = end
        self.settle()

    def pass_time(self, seconds: float) -> None:
        """Let time pass while a callback is busy; timers that are due run afterwards."""
        self._now += seconds

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine that needs no timer to its end."""
        task = self.create_task(work)
        self.settle()
        assert task.done(), "it waits for something that does not come"
        return task.result()

    def _timers(self) -> list[float]:
        handles: list[Any] = self._scheduled  # type: ignore[attr-defined]  # nothing public tells
        return sorted(handle.when() for handle in handles if not handle.cancelled())

    def _has_work(self) -> bool:
        ready: Any = self._ready  # type: ignore[attr-defined]
        timers = self._timers()
        return bool(ready) or bool(timers and timers[0] <= self._now)
