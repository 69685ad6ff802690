"""A loop whose clock jumps to the next timer as soon as nothing else is to be done."""

from __future__ import annotations

from asyncio import SelectorEventLoop
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from selectors import DefaultSelector, SelectorKey
from typing import Any, TypeVar, TypeVarTuple
import asyncio
import time

import uvloop

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class _JumpingSelector(DefaultSelector):
    """A selector that hands the time it would have waited to `jump`."""

    def __init__(self, grace_s: float) -> None:
        super().__init__()
        self.grace_s = grace_s
        self.busy: Callable[[], bool] = lambda: False
        self.jump: Callable[[float], None] = lambda _: None

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        if timeout is None or timeout <= 0 or self.busy():
            return super().select(timeout)
        ready = super().select(min(timeout, self.grace_s))
        if not ready:
            self.jump(timeout)
        return ready


class JumpingLoop(SelectorEventLoop):
    """
    A loop on which a wait of 25 seconds takes about a millisecond.

    Sockets work as ever, provided that both ends live on this loop: the clock stands still while
    anything can be read, written or run, and while a thread of the loop's executor is at work.
    A peer in another process gets `grace_s` to answer before a timer overtakes it.

    Args:
        grace_s: Real seconds to wait for a socket before the clock jumps.
        start: What `wall` says when the loop is made, in seconds since the epoch; default: now.
    """

    def __init__(self, grace_s: float = 0.001, start: float | None = None) -> None:
        selector = _JumpingSelector(grace_s)
        self._jumped_s = 0.0
        self._threads = 0
        super().__init__(selector)
        selector.busy = lambda: self._threads > 0
        selector.jump = self._jump
        self._wall_offset_s = (time.time() if start is None else start) - self.time()

    def time(self) -> float:
        """Return the loop's clock: the monotonic one, and all jumps so far."""
        return super().time() + self._jumped_s

    def wall(self) -> float:
        """Return seconds since the epoch on this loop's clock; jumps with it."""
        return self.time() + self._wall_offset_s

    def advance(self, seconds: float) -> None:
        """Move the clock on by hand, as if the loop had been busy for so long."""
        self._jump(seconds)

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Run a function in a thread; the clock does not jump until it is done."""
        future = super().run_in_executor(executor, func, *args)
        self._threads += 1
        future.add_done_callback(self._thread_done)
        return future

    def _jump(self, seconds: float) -> None:
        self._jumped_s += seconds

    def _thread_done(self, _: asyncio.Future[Any]) -> None:
        self._threads -= 1


def loop_factories(*, jumping: bool) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Return the loops that an async test runs on, by name."""
    if jumping:
        return {"jumping": JumpingLoop}
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
