"""Bringing channels up to date with the store: on attach, after a hole, after a cut."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple
import asyncio
import logging

from broker.background import Background
from broker.core.cursor import Cursor
from broker.core.errors import StoreUnavailable
from broker.core.ring import History
from broker.core.session import Session
from broker.hub.backfill import Backfill
from broker.hub.channel import Channel
from broker.hub.feed import Feed
from broker.hub.hub import Hub
from broker.hub.reader import Reader
from broker.hub.tenant import Tenant
from broker.store.base import Listener, Lookup

_log = logging.getLogger(__name__)


class SyncLimits(NamedTuple):
    """
    Bounds of synchronising.

    Attributes:
        wait_s: Longest wait of one who wants to attach.
        retry_s: Pause before work that failed is tried again, while sessions need it.
        channels: Channels that are brought up to date together.
    """

    wait_s: float = 5.0
    retry_s: float = 0.25
    channels: int = 256


class Sync:
    """
    Brings channels up to date, so that what a node knows of them is exact.

    Every channel goes the same way, whether it is new to the node, has a hole, or was cut off:
    listen, so that nothing later can be missed; tick, so that everything earlier is at or before
    the high-water mark; read what is kept up to that mark; join what was announced meanwhile
    (P2, P7). A channel is in the hands of one task at a time, however many wait for it, and is
    released in the very step in which it is found to be up to date.

    Args:
        hub: Whose channels.
        listener: The node's subscription.
        reader: Reads the store, many channels in one call; closed with this.
        limits: Bounds.
    """

    def __init__(self, hub: Hub, listener: Listener, reader: Reader, limits: SyncLimits) -> None:
        self._hub = hub
        self._listener = listener
        self._reader = reader
        self._limits = limits
        self._background = Background()
        self._backfill = Backfill(reader, self._background)
        self._working: dict[Channel, asyncio.Task[None]] = {}
        self._has_complained = False

    async def close(self) -> None:
        """Give up everything under way."""
        await self._background.close()
        await self._reader.close()

    # --- what attaching asks ------------------------------------------------------------

    @staticmethod
    def is_ready(channels: Sequence[Channel], after: Cursor) -> bool:
        """Tell whether every channel is synchronised and answers the cursor."""
        return all(channel.pending is None and channel.answers(after) for channel in channels)

    async def ready(self, tenant: Tenant, channels: Sequence[Channel], after: Cursor) -> None:
        """
        Return once every channel is synchronised and answers the cursor.

        Raises:
            StoreUnavailable: the store did not answer in time.
        """
        try:
            async with asyncio.timeout(self._limits.wait_s):
                while not self.is_ready(channels, after):
                    await _done(self._advance(tenant, channels, after))
        except TimeoutError:
            raise StoreUnavailable("the store did not answer in time") from None

    async def tick(self, tenant: Tenant) -> Cursor:
        """
        Return the cursor of now: everything stored before this call is at or before it.

        Raises:
            StoreUnavailable: the store did not answer in time.
        """
        return await self._listener.tick(tenant.name, tenant.high_water)

    # --- what the hub asks (Synchroniser) ------------------------------------------------------

    def heal(self, tenant: Tenant, channels: Sequence[Channel]) -> None:
        """Read what held channels missed, in the background, and release them."""
        held = [each for each in channels if each.pending is not None and tenant.has(each)]
        idle = [channel for channel in held if channel not in self._working]
        for start in range(0, len(idle), self._limits.channels):
            self._begin(tenant, idle[start : start + self._limits.channels])

    def refill(self, tenant: Tenant, feed: Feed, session: Session) -> None:
        """Read what a lagging session needs and the local rings no longer hold."""
        if not session.queued:
            session.queued = True  # nothing else gives it a turn until the rings reach back
            self._background.start(self._refill(tenant, feed, session))

    def forget(self, tenant: Tenant, names: Sequence[str]) -> None:
        """Stop listening to channels."""
        self._listener.forget(tenant.name, names)

    # --- work ------------------------------------------------------------

    def _advance(
        self, tenant: Tenant, channels: Sequence[Channel], after: Cursor
    ) -> set[asyncio.Task[None]]:
        """Begin what channels need next to answer a cursor; return the tasks to wait for."""
        held = [channel for channel in channels if channel.pending is not None]
        if not held:
            behind = (channel for channel in channels if not channel.answers(after))
            return {self._backfill.start(tenant, channel) for channel in behind}
        idle = [channel for channel in held if channel not in self._working]
        for channel in idle:
            if channel.is_fresh:
                channel.restart(min(after, tenant.high_water), bottom=False)
        if idle:
            self._begin(tenant, idle)
        return {self._working[channel] for channel in held}

    def _begin(self, tenant: Tenant, channels: Sequence[Channel]) -> None:
        task = self._background.start(self._work(tenant, channels))
        for channel in channels:
            self._working[channel] = task

    async def _work(self, tenant: Tenant, channels: Sequence[Channel]) -> None:
        task = asyncio.current_task()
        try:
            await self._bring_up(tenant, channels)
            self._has_complained = False
        except StoreUnavailable as error:
            if not self._has_complained:
                _log.warning("channels wait for the store: %s", error)
            self._has_complained = True
            raise
        finally:
            left = [channel for channel in channels if self._working.get(channel) is task]
            for channel in left:
                del self._working[channel]
            self._try_again(tenant, [channel for channel in left if channel.is_wanted])

    def _try_again(self, tenant: Tenant, channels: Sequence[Channel]) -> None:
        if channels and not self._background.is_closed:
            self._background.start(self._heal_later(tenant, channels))

    async def _heal_later(self, tenant: Tenant, channels: Sequence[Channel]) -> None:
        await asyncio.sleep(self._limits.retry_s)
        self.heal(tenant, channels)

    async def _bring_up(self, tenant: Tenant, channels: Sequence[Channel]) -> None:
        behind = list(channels)
        while behind:
            await self._until_connected(tenant)
            cuts = tenant.cuts
            behind = [channel for channel in behind if tenant.has(channel)]
            await self._listen(tenant, [channel.name for channel in behind])
            await self._listener.tick(tenant.name, _beyond(tenant, behind))
            while behind and cuts == tenant.cuts:
                lookups = [Lookup(channel.name, channel.ring.head) for channel in behind]
                histories = await self._reader.read(tenant, lookups)
                if cuts == tenant.cuts:
                    behind = self._take_all(tenant, behind, histories)

    async def _listen(self, tenant: Tenant, names: Sequence[str]) -> None:
        await self._listener.listen(tenant.name, names)
        unwanted = [name for name in names if name not in tenant.channels]
        if unwanted:  # dropped meanwhile
            self._listener.forget(tenant.name, unwanted)

    async def _until_connected(self, tenant: Tenant) -> None:
        try:
            async with asyncio.timeout(self._limits.wait_s):
                await tenant.connected.wait()
        except TimeoutError:
            raise StoreUnavailable("the store's announcements are cut off") from None

    def _take_all(
        self, tenant: Tenant, channels: Iterable[Channel], histories: Iterable[History]
    ) -> list[Channel]:
        """Release the channels that are up to date now; return the others."""
        behind = []
        for channel, history in zip(channels, histories, strict=True):
            if not tenant.has(channel):
                continue
            if _take(tenant, channel, history):
                del self._working[channel]
                self._hub.release(channel)
            else:
                behind.append(channel)
        return behind

    async def _refill(self, tenant: Tenant, feed: Feed, session: Session) -> None:
        try:
            while session.feed is feed:
                try:
                    await self.ready(tenant, feed.channels, session.cursor)
                    break
                except StoreUnavailable:
                    await asyncio.sleep(self._limits.retry_s)
        finally:
            session.queued = False
        if session.feed is feed:
            feed.resume(session)


def _take(tenant: Tenant, channel: Channel, history: History) -> bool:
    """Add a history to a held channel's ring; tell whether the channel is now up to date."""
    # What lies behind the mark will be announced, or is pending already.
    mark = tenant.high_water
    channel.delete(history.deleted)
    messages = [message for message in history.messages if message.cursor <= mark]
    if history.gap:
        channel.skip(_lost_up_to(channel, history, mark))
    channel.extend(messages)
    if not history.complete and len(messages) == len(history.messages):
        return False
    if not channel.settle():
        return False
    channel.ring.reach(mark)
    return True


def _beyond(tenant: Tenant, channels: Sequence[Channel]) -> Cursor:
    """
    Return a cursor that the tick must reach.

    Where something may turn up late it is one that was not handed out yet, so that a cursor tells
    whether its holder was passed over.
    """
    time, tag = tenant.high_water
    return Cursor(time, tag + any(not channel.is_fresh for channel in channels))


def _lost_up_to(channel: Channel, history: History, mark: Cursor) -> Cursor:
    """Return the cursor of the last message that is lost for good; at most the mark."""
    end = min(history.head, mark)
    if history.messages:
        return min(history.messages[0].prev, end)
    head = channel.ring.head
    pending = [message for message in channel.pending or () if message.cursor > head]
    # What was announced is at hand, though the store has dropped it again.
    return min(pending[0].prev, end) if pending and pending[-1].cursor >= end else end


async def _done(tasks: set[asyncio.Task[None]]) -> None:
    """Wait for tasks; raise what one of them failed with."""
    await asyncio.wait(tasks)
    for task in tasks:
        if task.cancelled():
            raise StoreUnavailable("this node is about to stop")
        task.result()
