"""A store whose every answer and announcement waits until the test lets it go."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
import asyncio

from broker.core.cursor import Cursor
from broker.core.errors import StoreUnavailable
from broker.core.message import Message
from broker.core.ring import History, Ring
from broker.store.base import Listener, Lookup, Sink
from broker.store.memory import MemoryListener, MemoryStore


@dataclass
class Announcement:
    """
    Something on its way to a sink.

    Attributes:
        tenant: Whose.
        messages: What is announced; empty for anything else.
        tick: The cursor of a tick, and who waits for it.
        deleted: A channel, and up to where it was deleted.
    """

    tenant: str
    messages: Sequence[Message] = ()
    tick: tuple[Cursor, asyncio.Future[Cursor]] | None = None
    deleted: tuple[str, Cursor] | None = None


class SteeredStore(MemoryStore):
    """
    A store in memory that can be slow, fail, and lose announcements.

    Reads take place when they are let go, and their answers leave one loop turn later, so that
    announcements can overtake them.

    Args:
        clock: Seconds since the epoch.

    Attributes:
        is_manual: Whether reads and announcements wait for the test.
        is_down: Whether every call fails.
        room: Messages in one answer at most; what is beyond has to be read again.
        reads: Reads that were made.
        lookups: What was read last.
        ears: The listeners.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(clock)
        self.is_manual = False
        self.is_down = False
        self.room = 1 << 30
        self.reads = 0
        self.lookups: Sequence[Lookup] = ()
        self.ears: list[SteeredListener] = []
        self._gates: deque[asyncio.Future[None]] = deque()

    async def listener(self, sink: Sink) -> Listener:
        ear = SteeredListener(self, sink)
        self.ears.append(ear)
        self._listeners.append(ear)
        return ear

    async def read(
        self, tenant: str, lookups: Sequence[Lookup], limit: int, floor: Cursor
    ) -> list[History]:
        self.reads += 1
        self.lookups = lookups
        await self.pass_gate()
        histories = await super().read(tenant, lookups, limit, floor)
        copies = [*self._cut(lookups, histories)]
        await self.pass_gate()
        return copies

    def _cut(self, lookups: Sequence[Lookup], histories: Sequence[History]) -> Iterable[History]:
        """Yield copies of histories, as far as there is room for them in one answer."""
        room = self.room
        for lookup, history in zip(lookups, histories, strict=True):
            messages = list(history.messages[: max(0, room)])
            if room <= 0 and lookup.after < history.head:
                yield history._replace(messages=[], gap=False, complete=False)
            else:
                is_whole = len(messages) == len(history.messages)
                yield history._replace(messages=messages, complete=history.complete and is_whole)
            room -= len(messages)

    async def pass_gate(self) -> None:
        """
        Wait for the test, if it steers; in any case for a turn of the loop.

        Raises:
            StoreUnavailable: the store is down.
        """
        if self.is_manual:
            gate = asyncio.get_running_loop().create_future()
            self._gates.append(gate)
            await gate
        else:
            await asyncio.sleep(0)
        if self.is_down:
            raise StoreUnavailable("the store is down")

    @property
    def waiting(self) -> int:
        """Calls that wait to be let go."""
        return len(self._gates)

    def let_go(self, count: int = 1) -> None:
        """Let the calls that wait longest go on by one gate."""
        for _ in range(min(count, len(self._gates))):
            gate = self._gates.popleft()
            if not gate.done():
                gate.set_result(None)

    def lose_everything(self) -> None:
        """Forget all tenants, as after a flush."""
        self._tenants.clear()

    def born(self, tenant: str) -> Cursor:
        """Return the cursor before which nothing is known."""
        return self._move(tenant, Cursor(0, 0)).born

    def kept(self, tenant: str, channel: str) -> Sequence[Message]:
        """Return what is kept of a channel."""
        state = self._known(tenant)
        known = state and state.channels.get(channel)
        if not state or not known:
            return ()
        known.ring.expire(state.last.time)
        return known.ring.since(Cursor(0, 0))

    def kept_ring(self, tenant: str, channel: str) -> Ring:
        """Return the ring of a channel that was published to."""
        return self._tenants[tenant].channels[channel].ring


class SteeredListener(MemoryListener):
    """
    Announcements in a queue, in order, ticks among them.

    Attributes:
        queue: What is on its way.
        is_cut: Whether the connection is broken.
        heard: What is listened to.
    """

    def __init__(self, store: SteeredStore, sink: Sink) -> None:
        super().__init__(store, sink)
        self.queue: deque[Announcement] = deque()
        self.is_cut = False
        self._steered = store

    @property
    def heard(self) -> set[tuple[str, str]]:
        """What is listened to."""
        return self._heard

    async def listen(self, tenant: str, channels: Sequence[str]) -> None:
        await self._steered.pass_gate()
        if self.is_cut:
            raise StoreUnavailable("the connection is cut")
        await super().listen(tenant, channels)

    async def tick(self, tenant: str, floor: Cursor) -> Cursor:
        await self._steered.pass_gate()
        if self.is_cut:
            raise StoreUnavailable("the connection is cut")
        cursor = await self._steered.tick(tenant, floor)
        waiting: asyncio.Future[Cursor] = asyncio.get_running_loop().create_future()
        self.queue.append(Announcement(tenant, tick=(cursor, waiting)))
        self._flow()
        return await waiting

    def announce(self, tenant: str, messages: Iterable[Message]) -> None:
        if self.is_cut:
            return
        for message in messages:
            if (tenant, message.channel) in self._heard:
                self.queue.append(Announcement(tenant, [message]))
        self._flow()

    def deleted(self, tenant: str, channel: str, cursor: Cursor) -> None:
        if not self.is_cut and (tenant, channel) in self._heard:
            self.queue.append(Announcement(tenant, deleted=(channel, cursor)))
            self._flow()

    def deliver(self, count: int = 1) -> None:
        """Hand the next announcements over."""
        for _ in range(min(count, len(self.queue))):
            announcement = self.queue.popleft()
            if announcement.deleted is not None:
                self._sink.deleted(announcement.tenant, *announcement.deleted)
            elif announcement.tick is None:
                self._sink.received(announcement.tenant, announcement.messages)
            else:
                cursor, waiting = announcement.tick
                self._sink.ticked(announcement.tenant, cursor)
                if not waiting.done():
                    waiting.set_result(cursor)

    def deliver_all(self) -> None:
        """Hand everything over that is on its way."""
        self.deliver(len(self.queue))

    def drop(self) -> Sequence[Message]:
        """Lose the next announcement, though the connection lasts; a tick is never lost so."""
        if self.queue and self.queue[0].tick is None:
            return self.queue.popleft().messages
        return ()

    def cut(self) -> None:
        """Break the connection: what is on its way is lost."""
        self.is_cut = True
        lost, self.queue = self.queue, deque()
        self._sink.interrupted()
        for announcement in lost:
            if announcement.tick is not None and not announcement.tick[1].done():
                announcement.tick[1].set_exception(StoreUnavailable("the connection is cut"))

    def restore(self) -> None:
        """Connect again; everything is listened to as before."""
        self.is_cut = False
        self._sink.resumed()

    def _flow(self) -> None:
        if not self._steered.is_manual:
            self.deliver_all()
