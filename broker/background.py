"""Background: tasks that nobody awaits, until they are done or given up."""

from __future__ import annotations

from collections.abc import Coroutine
import asyncio
import logging

from broker.core.errors import BrokerError

_log = logging.getLogger(__name__)


class Background:
    """
    Tasks of one owner.

    What one fails with reaches those who wait for it. If it is no refusal of ours, it is logged
    as well, because maybe nobody does.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False

    @property
    def is_closed(self) -> bool:
        """Whether everything was given up."""
        return self._is_closed

    @property
    def is_busy(self) -> bool:
        """Whether anything is under way."""
        return bool(self._tasks)

    def start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Begin some work."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    async def join(self) -> None:
        """Wait until everything under way is done, well or not."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        """Give up everything under way."""
        self._is_closed = True
        for task in self._tasks:
            task.cancel()
        await self.join()

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, BrokerError):
            _log.error("work in the background failed", exc_info=error)
