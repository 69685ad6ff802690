"""Backfill: reading what lies before the floor of a local ring."""

from __future__ import annotations

import asyncio

from broker.background import Background
from broker.core.cursor import START
from broker.core.message import Message
from broker.hub.channel import Channel
from broker.hub.reader import Reader
from broker.hub.tenant import Tenant
from broker.store.base import Lookup


class Backfill:
    """
    Fills local rings downwards with everything that the store keeps.

    The whole ring is read, not only what one cursor needs: in a storm of resuming clients the next
    one, with an older cursor, then needs no read of its own. One task per channel at a time.

    Args:
        reader: Reads the store.
        background: Where the tasks run.
    """

    def __init__(self, reader: Reader, background: Background) -> None:
        self._reader = reader
        self._background = background
        self._working: dict[Channel, asyncio.Task[None]] = {}

    def start(self, tenant: Tenant, channel: Channel) -> asyncio.Task[None]:
        """Fill a synchronised channel's ring, unless that is under way."""
        task = self._working.get(channel)
        if task is None:
            task = self._working[channel] = self._background.start(self._work(tenant, channel))
        return task

    async def _work(self, tenant: Tenant, channel: Channel) -> None:
        try:
            await self._fill(tenant, channel)
        finally:
            del self._working[channel]

    async def _fill(self, tenant: Tenant, channel: Channel) -> None:
        ring = channel.ring
        older: list[Message] = []
        cursor = floor = START
        # Eviction may move the ring's floor on meanwhile, past what was read; then read on.
        while cursor < ring.floor:
            mark = tenant.high_water  # everything up to here is stored
            [history] = await self._reader.read(tenant, [Lookup(channel.name, cursor)])
            if channel.ring is not ring or not tenant.has(channel):
                return
            channel.delete(history.deleted)
            if history.gap:
                older.clear()
                floor = history.messages[0].prev if history.messages else history.head
            older += history.messages
            if history.messages:
                cursor = history.messages[-1].cursor
            if history.complete:
                cursor = max(cursor, mark)
        older = [message for message in older if message.cursor <= ring.floor]
        below = [message.prev for message in ring.since(START, 1)]
        channel.fill(older, min(floor, ring.floor, *below))
