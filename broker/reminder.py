"""The reminder: gives a store back the revocations that it has lost."""

from __future__ import annotations

from collections.abc import Callable
import logging

from broker.background import Background
from broker.core.errors import StoreUnavailable
from broker.core.revocations import Revocations
from broker.store.base import Store

PAGE = 500
"""Revocations of one call: about two milliseconds of the store."""

_log = logging.getLogger(__name__)


class Reminder:
    """
    Looks whether the store may have lost revocations, and has it keep again what this node knows.

    A store that was flushed, or that came back older than it was, would let revoked tokens in at
    every node that starts afterwards (P9). Whichever node looks first restores; what is there
    already stays as it is, so it does no harm when all of them do.

    Stands in the timer wheel.

    Args:
        store: Where revocations are kept.
        revocations: What this node knows.
        wall_clock: Seconds since the epoch.
        interval_s: Seconds between two looks.
    """

    def __init__(
        self,
        store: Store,
        revocations: Revocations,
        wall_clock: Callable[[], float],
        interval_s: float,
    ) -> None:
        self._store = store
        self._revocations = revocations
        self._wall_clock = wall_clock
        self._interval_s = interval_s
        self._background = Background()
        self._life = ""

    async def open(self) -> None:
        """
        Look for the first time; to be called before revocations are read.

        Raises:
            StoreUnavailable: the store did not answer in time.
        """
        self._life = await self._store.life()

    def due(self, now: float) -> float:
        """Look, unless the last look still takes; a node that knows of none need not."""
        is_idle = not self._background.is_busy and not self._background.is_closed
        if is_idle and len(self._revocations):
            self._background.start(self._look())
        return now + self._interval_s

    async def close(self) -> None:
        """Give up the look under way."""
        await self._background.close()

    async def _look(self) -> None:
        try:
            life = await self._store.life()
            if life != self._life:
                await self._remind()
                self._life = life
        except StoreUnavailable:
            return  # the next look finds the same

    async def _remind(self) -> None:
        restored = 0
        for page in self._revocations.pages(self._wall_clock(), PAGE):
            restored += await self._store.restore(page)
        if restored:
            _log.warning("The store had lost %d revocations; it keeps them again.", restored)
