"""The store with a meter: every call timed, every failure and every announcement counted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from broker.core.cursor import Cursor
from broker.core.message import Message
from broker.core.revocations import Revocation
from broker.core.ring import History
from broker.metrics import Counter
from broker.metrics.meters import Publishing, Storing
from broker.store.base import (
    ChannelInfo,
    Listener,
    Lookup,
    Outcome,
    Publication,
    Revoked,
    Sink,
    Store,
    Stored,
)

KNOWN_CHANNELS = 16_384
"""Channels whose counters are remembered before all are looked up anew; about 3 MiB."""

_ALL = ("",)
"""Stands for all tenants where none is named."""

Handed = Callable[[str, Cursor], None]
"""Called when everything of a tenant up to a cursor was handed to the hub."""


class MeteredStore(Store):
    """
    A store that is counted.

    Args:
        store: The store itself.
        storing: Where calls and announcements are counted.
        publishing: Where messages are counted.
        pattern: Gives the pattern of channel rules that a channel matches.
        clock: Seconds that never go back.
        handed: Hears how far announcements were handed over.
    """

    def __init__(
        self,
        store: Store,
        storing: Storing,
        publishing: Publishing,
        *,
        pattern: Callable[[str], str],
        clock: Callable[[], float],
        handed: Handed = lambda _tenant, _cursor: None,
    ) -> None:
        self._store = store
        self._storing = storing
        self._publishing = publishing
        self._calls = _Calls(storing, clock)
        self._handed = handed
        self._channels = _Channels(publishing, pattern)

    def forget_patterns(self) -> None:
        """Look up the pattern of every channel anew: the rules have changed."""
        self._channels.clear()

    async def open(self) -> None:
        with self._calls.timed("open"):
            await self._store.open()

    async def close(self) -> None:
        await self._store.close()

    async def listener(self, sink: Sink) -> Listener:
        with self._calls.timed("open"):
            sink = MeteredSink(sink, self._storing, self._handed)
            return MeteredListener(await self._store.listener(sink), self._calls)

    async def publish(
        self, tenant: str, publications: Sequence[Publication], floor: Cursor
    ) -> list[Outcome]:
        self._publishing.calls.observe(sum(len(each.drafts) for each in publications))
        with self._calls.timed("publish"):
            outcomes = await self._store.publish(tenant, publications, floor)
        for publication, outcome in zip(publications, outcomes, strict=True):
            if isinstance(outcome, Stored):
                self._count(publication, outcome)
        return outcomes

    async def read(
        self, tenant: str, lookups: Sequence[Lookup], limit: int, floor: Cursor
    ) -> list[History]:
        with self._calls.timed("read"):
            return await self._store.read(tenant, lookups, limit, floor)

    async def channels(self, tenant: str, prefix: str, limit: int) -> list[ChannelInfo]:
        with self._calls.timed("channels"):
            return await self._store.channels(tenant, prefix, limit)

    async def info(self, tenant: str, channel: str) -> ChannelInfo | None:
        with self._calls.timed("info"):
            return await self._store.info(tenant, channel)

    async def delete(self, tenant: str, channel: str) -> Cursor | None:
        with self._calls.timed("delete"):
            return await self._store.delete(tenant, channel)

    async def revoke(self, revocation: Revocation) -> None:
        with self._calls.timed("revoke"):
            await self._store.revoke(revocation)

    async def restore(self, revocations: Sequence[Revocation]) -> int:
        with self._calls.timed("restore"):
            return await self._store.restore(revocations)

    async def life(self) -> str:
        with self._calls.timed("life"):
            return await self._store.life()

    def _count(self, publication: Publication, stored: Stored) -> None:
        if stored.repeated:
            self._publishing.repeated.add()
            return
        for draft in publication.drafts:
            messages, size = self._channels[draft.channel]
            messages.value += 1
            size.value += len(draft.body)


class MeteredListener(Listener):
    """
    A listener whose calls are counted.

    Args:
        listener: The listener itself.
        calls: Where they are counted.
    """

    def __init__(self, listener: Listener, calls: _Calls) -> None:
        self._listener = listener
        self._calls = calls

    async def listen(self, tenant: str, channels: Sequence[str]) -> None:
        with self._calls.timed("listen"):
            await self._listener.listen(tenant, channels)

    def forget(self, tenant: str, channels: Iterable[str]) -> None:
        self._listener.forget(tenant, channels)

    async def tick(self, tenant: str, floor: Cursor) -> Cursor:
        with self._calls.timed("tick"):
            return await self._listener.tick(tenant, floor)

    async def watch(self, revoked: Revoked) -> None:
        with self._calls.timed("watch"):
            await self._listener.watch(revoked)

    async def close(self) -> None:
        await self._listener.close()


class MeteredSink(Sink):
    """
    A sink that is counted.

    Args:
        sink: The sink itself.
        storing: Where announcements are counted.
        handed: Hears how far they were handed over.
    """

    def __init__(self, sink: Sink, storing: Storing, handed: Handed) -> None:
        self._sink = sink
        self._storing = storing
        self._handed = handed
        self._cut: set[str] = set()
        storing.connected.follow(lambda: not self._cut)

    def received(self, tenant: str, messages: Sequence[Message]) -> None:
        self._storing.received.value += len(messages)
        self._sink.received(tenant, messages)
        if messages:
            self._handed(tenant, messages[-1].cursor)

    def deleted(self, tenant: str, channel: str, cursor: Cursor) -> None:
        self._sink.deleted(tenant, channel, cursor)

    def ticked(self, tenant: str, cursor: Cursor) -> None:
        self._sink.ticked(tenant, cursor)

    def interrupted(self, tenants: Collection[str] | None = None) -> None:
        self._cut.update(_ALL if tenants is None else tenants)
        self._storing.interruptions.add()
        self._sink.interrupted(tenants)

    def resumed(self, tenants: Collection[str] | None = None) -> None:
        self._cut.difference_update(_ALL if tenants is None else tenants)
        self._sink.resumed(tenants)


class _Calls:
    """Times calls of the store, and counts those that fail."""

    def __init__(self, storing: Storing, clock: Callable[[], float]) -> None:
        self._storing = storing
        self._clock = clock

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Time a call."""
        began = self._clock()
        try:
            yield
        except Exception:
            self._storing.errors.of(name).add()
            raise
        finally:
            self._storing.calls.of(name).observe(self._clock() - began)


class _Counted(NamedTuple):
    """Where messages of a channel are counted."""

    messages: Counter
    size: Counter


class _Channels(dict[str, _Counted]):
    """Channels that were published to, each with the counters of its pattern."""

    def __init__(self, publishing: Publishing, pattern: Callable[[str], str]) -> None:
        super().__init__()
        self._publishing = publishing
        self._pattern = pattern

    def __missing__(self, channel: str) -> _Counted:
        if len(self) >= KNOWN_CHANNELS:
            self.clear()
        pattern = self._pattern(channel)
        publishing = self._publishing
        counted = _Counted(publishing.messages.of(pattern), publishing.bytes.of(pattern))
        self[channel] = counted
        return counted
