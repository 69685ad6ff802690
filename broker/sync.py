"""Bringing channels up to date with the store: on attach, after a hole, after a cut."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from functools import partial
from typing import NamedTuple
import asyncio
import logging

from broker.channel import Channel
from broker.core.cursor import START, Cursor
from broker.core.errors import StoreUnavailable
from broker.core.message import Message
from broker.core.recovery import join
from broker.core.ring import History
from broker.core.session import Session
from broker.feed import Feed
from broker.hub import Hub, Tenant
from broker.reader import Reader
from broker.store.base import Listener, Lookup

_log = logging.getLogger(__name__)


class SyncLimits(NamedTuple):
    """
    Bounds of synchronising.

    Attributes:
        wait_s: Longest wait for announcements to come back before an attach is refused.
        retry_s: Pause between attempts of work that nobody waits for.
        pending: Announcements that may wait for a channel's history; beyond, it is read again.
    """

    wait_s: float = 5.0
    retry_s: float = 0.25
    pending: int = 10_000


class Sync:
    """
    Brings channels up to date, so that what a node knows of them is exact.

    Every channel goes the same way, whether it is new to the node, has a hole, or was cut off:
    listen, so that nothing later can be missed; tick, so that everything earlier is at or before
    the high-water mark; read what is kept up to that mark; join what was announced meanwhile
    (P2, P7). A channel is in the hands of one task at a time, however many wait for it.

    Args:
        hub: Whose channels.
        listener: The node's subscription.
        reader: Reads the store, many channels in one call.
        limits: Bounds.
    """

    def __init__(self, hub: Hub, listener: Listener, reader: Reader, limits: SyncLimits) -> None:
        self._hub = hub
        self._listener = listener
        self._reader = reader
        self._limits = limits
        self._working: dict[Channel, asyncio.Task[None]] = {}
        self._filling: dict[Channel, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._cuts = 0
        self._connected = asyncio.Event()
        self._connected.set()

    async def close(self) -> None:
        """Give up everything under way."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

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
        while not self.is_ready(channels, after):
            unsynchronised = [channel for channel in channels if channel.pending is not None]
            if unsynchronised:
                await self._wait(self._open(tenant, unsynchronised, after))
            else:
                behind = [channel for channel in channels if not channel.answers(after)]
                await self._wait(self._fill(tenant, behind))

    async def tick(self, tenant: Tenant) -> Cursor:
        """
        Return the cursor of now: everything stored before this call is at or before it.

        Raises:
            StoreUnavailable: the store did not answer in time.
        """
        return await self._listener.tick(tenant.name, tenant.high_water)

    # --- what the hub asks (Synchroniser) ----------------------------------------------------------

    def heal(self, tenant: Tenant, channels: Sequence[Channel]) -> None:
        """Read what held channels missed, in the background, and release them."""
        idle = [channel for channel in channels if channel not in self._working]
        if idle:
            self._work(idle, self._heal(tenant, idle))

    def refill(self, tenant: Tenant, feed: Feed, session: Session) -> None:
        """Read what a lagging session needs and the local rings no longer hold."""
        if not session.queued:
            session.queued = True  # nothing else gives it a turn until the rings reach back
            self._start(self._refill(tenant, feed, session))

    def forget(self, tenant: Tenant, names: Sequence[str]) -> None:
        """Stop listening to channels."""
        self._listener.forget(tenant.name, names)

    def cut(self) -> None:
        """Take note that announcements are missing from now on."""
        self._cuts += 1
        self._connected.clear()

    def restored(self) -> None:
        """Take note that announcements come again."""
        self._connected.set()

    # --- work ------------------------------------------------------------

    def _open(
        self, tenant: Tenant, channels: Sequence[Channel], after: Cursor
    ) -> set[asyncio.Task[None]]:
        fresh = [channel for channel in channels if channel not in self._working]
        if fresh:
            for channel in fresh:
                channel.restart(min(after, tenant.high_water), bottom=False)
            self._work(fresh, self._bring_up(tenant, fresh))
        return {self._working[channel] for channel in channels}

    def _work(self, channels: Sequence[Channel], work: Coroutine[None, None, None]) -> None:
        task = self._start(work)
        for channel in channels:
            self._working[channel] = task

        def finished(_: asyncio.Task[None]) -> None:
            for channel in channels:
                del self._working[channel]

        task.add_done_callback(finished)

    async def _heal(self, tenant: Tenant, channels: Sequence[Channel]) -> None:
        while True:
            try:
                await self._bring_up(tenant, channels)
            except StoreUnavailable as error:
                _log.warning("channels wait for the store: %s", error)
                await asyncio.sleep(self._limits.retry_s)
            else:
                return

    async def _bring_up(self, tenant: Tenant, channels: Sequence[Channel]) -> None:
        while True:
            await self._until_connected()
            cuts = self._cuts
            await self._listener.listen(tenant.name, [channel.name for channel in channels])
            await self.tick(tenant)
            await self._catch_up(tenant, channels)
            if cuts == self._cuts:
                break
        for channel in channels:
            self._hub.release(channel)

    async def _until_connected(self) -> None:
        try:
            async with asyncio.timeout(self._limits.wait_s):
                await self._connected.wait()
        except TimeoutError as error:
            raise StoreUnavailable("the store's announcements are cut off") from error

    async def _catch_up(self, tenant: Tenant, channels: Sequence[Channel]) -> None:
        behind = list(channels)
        while behind:
            lookups = [Lookup(channel.name, channel.ring.head) for channel in behind]
            histories = await self._reader.read(tenant, lookups)
            behind = [
                channel
                for channel, history in zip(behind, histories, strict=True)
                if not self._take(tenant, channel, history)
            ]

    def _take(self, tenant: Tenant, channel: Channel, history: History) -> bool:
        """Add a history to a held channel's ring; tell whether the channel is now up to date."""
        # What lies behind the mark will be announced, or is pending already.
        mark = tenant.high_water
        messages = [message for message in history.messages if message.cursor <= mark]
        if history.gap:
            floor = messages[0].prev if messages else min(history.head, mark)
            channel.restart(max(floor, channel.ring.head), bottom=True)
        channel.extend(messages)
        if not history.complete and len(messages) == len(history.messages):
            return False
        pending = channel.pending or []
        if len(pending) > self._limits.pending:
            pending.clear()
            return False
        known = history._replace(messages=(), head=channel.ring.head)
        joined = join(known, pending)
        channel.extend(joined.messages)
        pending.clear()
        return joined.hole is None

    def _fill(self, tenant: Tenant, channels: Sequence[Channel]) -> set[asyncio.Task[None]]:
        for channel in channels:
            if channel not in self._filling:
                task = self._start(self._fill_one(tenant, channel))
                self._filling[channel] = task
                task.add_done_callback(partial(self._filled, channel))
        return {self._filling[channel] for channel in channels}

    def _filled(self, channel: Channel, _: asyncio.Task[None]) -> None:
        del self._filling[channel]

    async def _fill_one(self, tenant: Tenant, channel: Channel) -> None:
        # The whole ring is read, not only what one cursor needs: in a storm of resuming clients
        # the next one, with an older cursor, then needs no read of its own.
        ring = channel.ring
        older: list[Message] = []
        cursor = START
        gap = False
        while cursor < ring.floor:
            (history,) = await self._reader.read(tenant, [Lookup(channel.name, cursor)])
            gap = gap or history.gap
            older += history.messages
            if history.complete or not history.messages:
                break
            cursor = history.messages[-1].cursor
        if channel.ring is not ring:
            return
        older = [message for message in older if message.cursor <= ring.floor]
        floor = START if not gap else older[0].prev if older else ring.floor
        channel.fill(older, floor, bottom=True)

    async def _refill(self, tenant: Tenant, feed: Feed, session: Session) -> None:
        try:
            while True:
                try:
                    await self.ready(tenant, feed.channels, session.cursor)
                except StoreUnavailable:
                    await asyncio.sleep(self._limits.retry_s)
                else:
                    break
        finally:
            session.queued = False
        feed.resume(session)

    # --- tasks ------------------------------------------------------------

    def _start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    @staticmethod
    async def _wait(tasks: set[asyncio.Task[None]]) -> None:
        done, _ = await asyncio.wait(tasks)
        for task in done:
            task.result()
