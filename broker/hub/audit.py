"""The audit: looking for dropped announcements that no later message of the channel reveals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from broker.background import Background
from broker.core.cursor import Cursor
from broker.core.errors import StoreUnavailable
from broker.core.ring import History
from broker.hub.channel import Channel
from broker.hub.hub import Hub
from broker.hub.reader import Reader
from broker.hub.sync import Sync
from broker.hub.tenant import Tenant
from broker.store.base import Lookup


class Audit:
    """
    Compares the heads of local rings with the store's, a few channels at a time, in turns.

    A hole shows when the next message of its channel names another predecessor; on a quiet channel
    that may take for ever. The audit bounds it (P7).

    Args:
        hub: Whose channels.
        sync: Knows the time of the store.
        reader: Reads the store.
        channels: Channels of one step.
    """

    def __init__(self, hub: Hub, sync: Sync, reader: Reader, channels: int = 64) -> None:
        self._hub = hub
        self._sync = sync
        self._reader = reader
        self._channels = channels
        self._background = Background()
        self._unvisited: Iterator[tuple[Tenant, Channel]] = iter(())

    def step(self) -> None:
        """Look at the next channels, in the background, unless the last ones still take."""
        if self._background.is_busy:
            return
        batch = list(islice(self._unvisited, self._channels))
        if not batch:
            self._unvisited = iter(self._all())
            batch = list(islice(self._unvisited, self._channels))
        for tenant in {tenant for tenant, _ in batch}:
            channels = [channel for owner, channel in batch if owner is tenant]
            self._background.start(self._check(tenant, channels))

    async def join(self) -> None:
        """Wait until the step under way is done."""
        await self._background.join()

    async def close(self) -> None:
        """Give up the step under way."""
        await self._background.close()

    def _all(self) -> list[tuple[Tenant, Channel]]:
        tenants = self._hub.tenants
        return [(tenant, channel) for tenant in tenants for channel in tenant.channels.values()]

    async def _check(self, tenant: Tenant, channels: Sequence[Channel]) -> None:
        mark = tenant.high_water
        lookups = [Lookup(channel.name, channel.ring.head) for channel in channels]
        try:
            histories = await self._reader.read(tenant, lookups)
            ahead = self._compare(tenant, mark, channels, histories)
            if ahead:
                await self._sync.tick(tenant)
        except StoreUnavailable:
            return
        # Whatever was stored before the tick has now been announced, if it ever is.
        holes = [each for each, last in ahead if each.ring.head < last and _is_live(tenant, each)]
        if holes:
            self._hub.distrust(tenant, holes)

    def _compare(
        self,
        tenant: Tenant,
        mark: Cursor,
        channels: Sequence[Channel],
        histories: Sequence[History],
    ) -> list[tuple[Channel, Cursor]]:
        """Return the channels of which the store has more, and the cursor of its last message."""
        ahead = []
        for channel, history in zip(channels, histories, strict=True):
            last = history.messages[-1].cursor if history.messages else history.head
            if not _is_live(tenant, channel):
                continue
            channel.delete(history.deleted)
            if last > channel.ring.head:
                ahead.append((channel, last))
            else:
                channel.ring.reach(mark)
        return ahead


def _is_live(tenant: Tenant, channel: Channel) -> bool:
    return channel.pending is None and tenant.has(channel)
