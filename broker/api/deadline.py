"""One deadline for many waits."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar
import asyncio

T = TypeVar("T")


class Deadline:
    """
    Ends waits that take too long, with one timer for all of them.

    A timer of its own for each (`asyncio.timeout`) would cost as much as reading the request.

    Args:
        seconds: Time that each wait may take.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._ends: dict[asyncio.Task[Any], float] = {}  # in the order of their ends
        self._late: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """
        Return what a coroutine returns; once at a time in a task.

        Raises:
            TimeoutError: It took too long, and was cancelled.
        """
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("waits belong to tasks")
        self._begin(task)
        try:
            return await work
        except asyncio.CancelledError as exc:
            if task in self._late and not task.uncancel():
                raise TimeoutError from exc
            raise
        finally:
            self._ends.pop(task, None)
            self._late.discard(task)

    def _begin(self, task: asyncio.Task[Any]) -> None:
        loop = asyncio.get_running_loop()
        end = self._ends[task] = loop.time() + self.seconds
        if self._timer is None:
            self._timer = loop.call_at(end, self._expire)

    def _expire(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._timer = None
        for task, end in list(self._ends.items()):
            if end > now:
                self._timer = loop.call_at(end, self._expire)
                break
            del self._ends[task]
            self._late.add(task)
            task.cancel()
