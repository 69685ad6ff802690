"""The store of a single process: for tests with a clock of their own, and for `--store memory:`."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from heapq import nsmallest
from time import time
from typing import NamedTuple

from broker.core.cursor import START, Cursor
from broker.core.errors import BrokerError, TooManyRevocations
from broker.core.message import Draft, Message, Stamp
from broker.core.revocations import Revocation
from broker.core.ring import History, Retention, Ring
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
from broker.store.checks import (
    idempotency_mismatch,
    line_feed_refusal,
    precondition_failed,
    too_many_revocations,
    wanted_last,
)
from broker.store.options import StoreOptions


class _Answer(NamedTuple):
    """What an idempotency key stands for."""

    fingerprint: str
    stamps: Sequence[Stamp]
    until_s: int


@dataclass(slots=True)
class _Channel:
    """
    A channel.

    Attributes:
        ring: What is kept; its head is the last cursor.
        last_id: Id of the last message.
        deleted: Cursor up to which everything was deleted.
    """

    ring: Ring
    last_id: int = 0
    deleted: Cursor = START


@dataclass(slots=True)
class _Tenant:
    """
    One tenant: its clock and its channels.

    Attributes:
        born: Cursor before which nothing is known.
        last: The last cursor given out.
        channels: By name, the one published to longest ago first.
        once: Answers by idempotency key, oldest first.
    """

    born: Cursor
    last: Cursor
    channels: OrderedDict[str, _Channel] = field(default_factory=OrderedDict)
    once: OrderedDict[str, _Answer] = field(default_factory=OrderedDict)

    def next_cursor(self) -> Cursor:
        """Give out one more cursor in the second that the clock was moved to."""
        self.last = Cursor(self.last.time, self.last.tag + 1)
        return self.last

    def horizon(self, channel_ttl_s: int) -> Cursor:
        """Return the cursor before which nothing is known of a channel without records."""
        return max(self.born, Cursor(self.last.time - channel_ttl_s, 0))


class MemoryStore(Store):
    """
    A store in this process's memory; another process sees nothing of it.

    Announcements reach the sinks before `publish` and `tick` return.

    Args:
        clock: Gives the seconds since the epoch; may step back.
        options: Expiries; the deadline has no meaning here.
    """

    def __init__(
        self, clock: Callable[[], float] = time, options: StoreOptions | None = None
    ) -> None:
        self._clock = clock
        self._options = options or StoreOptions()
        self._tenants: dict[str, _Tenant] = {}
        self._listeners: list[MemoryListener] = []
        self._revocations: dict[str, dict[Revocation, Revocation]] = {}  # by tenant, without end

    async def open(self) -> None:
        """Do nothing: there is nothing to connect to."""

    async def close(self) -> None:
        self._listeners.clear()

    async def listener(self, sink: Sink) -> Listener:
        listener = MemoryListener(self, sink)
        self._listeners.append(listener)
        return listener

    async def publish(
        self, tenant: str, publications: Sequence[Publication], floor: Cursor
    ) -> list[Outcome]:
        state = self._move(tenant, floor)
        self._forget_old(state)
        messages: list[Message] = []
        outcomes = [self._publish_one(state, publication, messages) for publication in publications]
        for listener in self._listeners:
            listener.announce(tenant, messages)
        return outcomes

    async def read(
        self, tenant: str, lookups: Sequence[Lookup], limit: int, floor: Cursor
    ) -> list[History]:
        state = self._move(tenant, floor)
        self._forget_old(state)
        return [self._history(state, lookup, limit) for lookup in lookups]

    async def channels(self, tenant: str, prefix: str, limit: int) -> list[ChannelInfo]:
        state = self._known(tenant)
        names = (name for name in state.channels if name.startswith(prefix)) if state else ()
        return [info for name in nsmallest(limit, names) if (info := await self.info(tenant, name))]

    async def info(self, tenant: str, channel: str) -> ChannelInfo | None:
        state = self._known(tenant)
        known = state and state.channels.get(channel)
        if not state or not known:
            return None
        ring = known.ring
        ring.expire(state.last.time)
        kept = ring.since(START, 1)
        return ChannelInfo(
            channel, known.last_id, ring.head, len(ring), kept[0].cursor if kept else None
        )

    async def delete(self, tenant: str, channel: str) -> Cursor | None:
        state = self._known(tenant)
        known = state and state.channels.get(channel)
        if not known:
            return None
        known.ring.clear()
        known.deleted = known.ring.head
        for listener in self._listeners:
            listener.deleted(tenant, channel, known.deleted)
        return known.deleted

    async def revoke(self, revocation: Revocation) -> None:
        now = self._clock()
        kept = {
            key: each
            for key, each in self._revocations.get(revocation.tenant, {}).items()
            if each.until > now
        }
        kept[revocation._replace(until=0)] = revocation
        limit = self._options.max_revocations
        if len(kept) > limit:
            raise too_many_revocations(limit)
        self._revocations[revocation.tenant] = kept
        for listener in self._listeners:
            listener.revoked([revocation])

    async def restore(self, revocations: Sequence[Revocation]) -> int:
        now = self._clock()
        known = {each._replace(until=0) for each in self.revocations() if each.until > now}
        missing = [
            each for each in revocations if each.until > now and each._replace(until=0) not in known
        ]
        kept = 0
        for each in missing:
            with suppress(TooManyRevocations):
                await self.revoke(each)
                kept += 1
        return kept

    async def life(self) -> str:
        return ""  # it loses nothing before its process ends

    def revocations(self) -> list[Revocation]:
        """Return the revocations of all tenants; some may have ended."""
        return [each for kept in self._revocations.values() for each in kept.values()]

    async def tick(self, tenant: str, floor: Cursor) -> Cursor:
        """Move the tenant's clock to now and return it."""
        return self._move(tenant, floor).last

    def remove(self, listener: MemoryListener) -> None:
        """Stop announcing to a listener."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    def _move(self, tenant: str, floor: Cursor) -> _Tenant:
        """Move a tenant's clock to now and to the floor; begin one where there is none."""
        seconds = self._clock()
        now = int(seconds)
        state = self._tenants.get(tenant)
        if state is None:
            # Why so many: see clock.lua.
            born = max(Cursor(now, 1_000_000 + int(seconds % 1 * 1_000_000)), floor)
            state = self._tenants[tenant] = _Tenant(born, born)
        state.last = max(state.last, Cursor(now, 0), floor)
        return state

    def _known(self, tenant: str) -> _Tenant | None:
        """Return a tenant that has a clock, moved to now."""
        if tenant not in self._tenants:
            return None
        state = self._move(tenant, START)
        self._forget_old(state)
        return state

    def _forget_old(self, state: _Tenant) -> None:
        now = state.last.time
        for name, channel in list(state.channels.items()):
            ring = channel.ring
            kept_s = max(self._options.channel_ttl_s, ring.retention.age_s)
            if ring.head.time + kept_s >= now:
                break
            del state.channels[name]
        while state.once and next(iter(state.once.values())).until_s <= now:
            state.once.popitem(last=False)

    def _publish_one(
        self, state: _Tenant, publication: Publication, messages: list[Message]
    ) -> Outcome:
        refusal: Outcome | None = line_feed_refusal(publication) or self._earlier(
            state, publication
        )
        if refusal is not None:
            return refusal
        stored = [
            self._append(state, draft, retention)
            for draft, retention in zip(publication.drafts, publication.retentions, strict=True)
        ]
        messages += stored
        stamps = [Stamp(message.channel, message.id, message.cursor) for message in stored]
        if publication.idempotency_key and stamps:
            until_s = state.last.time + self._options.idempotency_ttl_s
            answer = _Answer(publication.fingerprint, stamps, until_s)
            state.once[publication.idempotency_key] = answer
        return Stored(stamps)

    def _earlier(self, state: _Tenant, publication: Publication) -> Stored | BrokerError | None:
        """Return the first answer to a repeated publication, or what speaks against a new one."""
        answer = state.once.get(publication.idempotency_key)
        if answer is not None:
            if answer.fingerprint == publication.fingerprint:
                return Stored(answer.stamps, repeated=True)
            return idempotency_mismatch()
        wanted = wanted_last(publication.if_match)
        if wanted and publication.drafts:
            known = state.channels.get(publication.drafts[0].channel)
            if known is None or wanted not in (str(known.ring.head), str(known.ring.head.tag)):
                return precondition_failed()
        return None

    def _append(self, state: _Tenant, draft: Draft, retention: Retention) -> Message:
        channel = state.channels.get(draft.channel)
        if channel is None:
            horizon = state.horizon(self._options.channel_ttl_s)
            channel = state.channels[draft.channel] = _Channel(Ring(retention, horizon))
        ring = channel.ring
        ring.keep(retention)
        channel.last_id += 1
        message = Message(
            channel.last_id,
            draft.channel,
            draft.body,
            state.next_cursor(),
            ring.head,
            draft.event_id,
            draft.event_type,
        )
        ring.append(message)
        ring.expire(message.cursor.time)
        state.channels.move_to_end(draft.channel)
        return message

    def _history(self, state: _Tenant, lookup: Lookup, limit: int) -> History:
        channel = state.channels.get(lookup.channel)
        if channel is None:
            horizon = state.horizon(self._options.channel_ttl_s)
            return History(lookup.channel, [], lookup.after < horizon, horizon)
        channel.ring.expire(state.last.time)
        history = channel.ring.history(lookup.channel, lookup.after, limit)
        return history._replace(deleted=channel.deleted)


class MemoryListener(Listener):
    """
    A sink's subscription to a store of the same process.

    Args:
        store: The store.
        sink: Who hears.
    """

    def __init__(self, store: MemoryStore, sink: Sink) -> None:
        self._store = store
        self._sink = sink
        self._heard: set[tuple[str, str]] = set()
        self.revoked: Revoked = _ignore

    async def listen(self, tenant: str, channels: Sequence[str]) -> None:
        self._heard.update((tenant, channel) for channel in channels)

    def forget(self, tenant: str, channels: Iterable[str]) -> None:
        self._heard.difference_update((tenant, channel) for channel in channels)

    async def tick(self, tenant: str, floor: Cursor) -> Cursor:
        cursor = await self._store.tick(tenant, floor)
        self._sink.ticked(tenant, cursor)
        return cursor

    async def watch(self, revoked: Revoked) -> None:
        self.revoked = revoked
        revoked(self._store.revocations())

    async def close(self) -> None:
        self._heard.clear()
        self._store.remove(self)

    def deleted(self, tenant: str, channel: str, cursor: Cursor) -> None:
        """Announce a deletion, if the channel is listened to."""
        if (tenant, channel) in self._heard:
            self._sink.deleted(tenant, channel, cursor)

    def announce(self, tenant: str, messages: Iterable[Message]) -> None:
        """Hand over those messages whose channel is listened to."""
        heard = [message for message in messages if (tenant, message.channel) in self._heard]
        if heard:
            self._sink.received(tenant, heard)


def _ignore(revocations: Sequence[Revocation]) -> None:
    del revocations
