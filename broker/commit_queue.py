"""The commit queue: publications of one tenant that wait for the next store call."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple
import asyncio

from broker.gathering import Gathering
from broker.store.base import Publication, Stored


class Waiting(NamedTuple):
    """
    A publication that waits.

    Attributes:
        publication: What is to be stored.
        answer: What became of it, once that is known.
        size: Bytes of its messages.
    """

    publication: Publication
    answer: asyncio.Future[Stored]
    size: int

    @property
    def messages(self) -> int:
        """How many messages it has."""
        return len(self.publication.drafts)


class CommitQueue:
    """
    Publications in the order in which they came.

    Args:
        gathering: Knows whether others are to be expected.
        linger_s: Seconds that these are waited for; 0: never.
    """

    def __init__(self, gathering: Gathering, linger_s: float) -> None:
        self._gathering = gathering
        self._linger_s = linger_s
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Waiting] = deque()
        self._messages = 0
        self._gathered: asyncio.Future[None] | None = None

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def put(self, waiting: Waiting) -> None:
        """Add a publication; end the wait for others if they are all here now."""
        self._waiting.append(waiting)
        self._messages += waiting.messages
        self._gathering.enter(self._loop.time())
        if self._gathered is not None and self._gathering.is_complete(self._messages):
            _end(self._gathered)

    async def gather(self) -> None:
        """Wait until those who are to be expected are here, or for as long as is allowed."""
        if not self._linger_s or self._gathering.is_complete(self._messages):
            return
        self._gathered = self._loop.create_future()
        limit = self._loop.call_later(self._linger_s, _end, self._gathered)
        try:
            await self._gathered
        finally:
            limit.cancel()
            self._gathered = None

    def take(self, most_messages: int, most_bytes: int) -> list[Waiting]:
        """Remove and return what goes into one call, the first publication however large."""
        batch = [self._waiting.popleft()]
        messages, size = batch[0].messages, batch[0].size
        while self._waiting:
            messages += self._waiting[0].messages
            size += self._waiting[0].size
            if messages > most_messages or size > most_bytes:
                break
            batch.append(self._waiting.popleft())
        self._messages -= sum([waiting.messages for waiting in batch])
        return batch

    def answered(self, batch: list[Waiting]) -> None:
        """Take note that those who waited for a call have their answers, and may come again."""
        self._gathering.leave(len(batch))


def _end(wait: asyncio.Future[None]) -> None:
    if not wait.done():
        wait.set_result(None)
