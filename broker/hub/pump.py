"""The pump: whose turn it is to write, and when to let the loop do something else."""

from __future__ import annotations

from collections import deque
from typing import Protocol
import asyncio
import logging

_log = logging.getLogger(__name__)


class Turn(Protocol):
    """Something that writes when it is its turn: a cohort, or a session that catches up."""

    queued: bool

    def flush(self) -> int:
        """Write what there is to write now; return the writes made."""


class Pump:
    """
    Gives queued items their turns in rounds.

    A round visits what was queued when it began. After a slice of writes the loop gets a chance to
    read publishes and announcements. When more is pending at the end of a round already, the pump
    rests as long as the round took: what arrives meanwhile leaves in the same writes, so the cost
    of a delivery falls as the load rises (`design.md` section 10, rule 4).

    Args:
        loop: Where turns run.
        slice_writes: Writes after which the loop gets its chance.
        max_rest_s: Longest rest between two rounds; 0 where waiting would not make writes larger.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, slice_writes: int, max_rest_s: float
    ) -> None:
        self._loop = loop
        self._slice_writes = slice_writes
        self._max_rest_s = max_rest_s
        self._queue: deque[Turn] = deque()
        self._handle: asyncio.Handle | None = None
        self._left = 0
        self._began = 0.0

    def queue(self, item: Turn) -> None:
        """Give the item a turn soon; asking again before that changes nothing."""
        if item.queued:
            return
        item.queued = True
        self._queue.append(item)
        if self._handle is None:
            self._handle = self._loop.call_soon(self._begin)

    def stop(self) -> None:
        """Give no more turns."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        self._queue.clear()

    def _begin(self) -> None:
        self._began = self._loop.time()
        self._left = len(self._queue)
        self._turn()

    def _turn(self) -> None:
        queue = self._queue
        writes = 0
        while self._left and writes < self._slice_writes:
            self._left -= 1
            try:
                writes += queue.popleft().flush()
            except Exception:  # noqa: BLE001 - one dialect's fault must not stop the others
                _log.exception("a turn failed")
        if self._left:
            self._handle = self._loop.call_soon(self._turn)
        elif queue:
            rest_s = min(self._loop.time() - self._began, self._max_rest_s)
            self._handle = self._loop.call_later(rest_s, self._begin)
        else:
            self._handle = None
