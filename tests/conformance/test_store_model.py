"""The shared store against the one in memory: whatever is asked of both, they say the same."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from broker.core.cursor import START, Cursor
from broker.core.errors import PreconditionFailed
from broker.core.message import Draft
from broker.core.ring import History, Retention
from broker.store.base import Listener, Lookup, Publication, Store, Stored
from broker.store.memory import MemoryStore
from broker.store.redis import RedisStore
from tests.conformance.store_subjects import Recorder
from tests.support.store_nodes import Connect
from tests.support.stores import StoreServer

CHANNELS = ("a", "b", "c")
KEPT = {"a": 3, "b": 100, "c": 0}
UNKEPT = Retention(0, 0)

_numbers = count()


@dataclass(frozen=True)
class Publish:
    """
    One publication.

    Attributes:
        drafts: Channel and event id of each message, and whether it is kept.
        key: Number of its idempotency key, or None.
        wants: Whether it wants the last message to be that of another id, and how far back.
    """

    drafts: Sequence[tuple[str, str, bool]]
    key: int | None = None
    wants: int | None = None


@dataclass(frozen=True)
class Call:
    """
    Publications of one call.

    Attributes:
        publications: The publications.
        kept: Messages that are kept of each channel from now on; None for as many as usual.
        leap: Cursors that are known to be in use beyond the last one, of the same second.
    """

    publications: Sequence[Publish]
    kept: Sequence[int | None]
    leap: int = 0


@dataclass(frozen=True)
class Read:
    """
    A look at channels.

    Attributes:
        lookups: The channels, each after the message that is so many before its last.
        limit: Messages of each at most.
    """

    lookups: Sequence[tuple[str, int]]
    limit: int


@dataclass(frozen=True)
class Delete:
    """A channel to be deleted."""

    channel: str


Step = Call | Read | Delete

channels = st.sampled_from(CHANNELS)
draft = st.tuples(channels, st.sampled_from(["", "", "e"]), st.sampled_from([True] * 5 + [False]))
publishes = st.one_of(
    st.builds(Publish, st.lists(draft, max_size=6)),
    st.builds(Publish, st.lists(draft, min_size=1, max_size=6), st.integers(0, 2)),
    st.builds(Publish, st.tuples(draft), st.none(), st.integers(0, 2)),
)
calls = st.builds(
    Call,
    st.lists(publishes, min_size=1, max_size=5),
    st.tuples(*[st.sampled_from([None, None, None, 0, 1, 2, 5])] * len(CHANNELS)),
    st.sampled_from([0, 0, 0, 7]),
)
reads = st.builds(
    Read, st.lists(st.tuples(channels, st.integers(0, 8)), max_size=4), st.integers(1, 6)
)
plans = st.lists(st.one_of(calls, calls, reads, st.builds(Delete, channels)), max_size=12)


@dataclass
class Side:
    """
    One of the two stores, and what it said so far.

    Attributes:
        store: The store.
        tenant: A tenant of its own.
        recorder: What was announced.
        listener: Who heard it.
        cursors: Cursor of each message, by channel and id.
    """

    store: Store
    tenant: str
    recorder: Recorder
    listener: Listener
    cursors: dict[str, dict[int, Cursor]] = field(
        default_factory=lambda: {channel: {} for channel in CHANNELS}
    )

    @classmethod
    async def open(cls, store: Store) -> Side:
        """Return an open store's side."""
        tenant = f"m{next(_numbers)}"
        recorder = Recorder()
        await store.open()
        listener = await store.listener(recorder)
        await listener.listen(tenant, CHANNELS)
        return cls(store, tenant, recorder, listener)

    async def close(self) -> None:
        """Close everything."""
        await self.listener.close()
        await self.store.close()

    async def do(self, step: Step, bodies: Sequence[bytes]) -> object:
        """Take a step; return what came of it, without the cursors."""
        if isinstance(step, Delete):
            return (await self.store.delete(self.tenant, step.channel)) is not None
        if isinstance(step, Read):
            return await self._read(step)
        return await self._publish(step, iter(bodies).__next__)

    async def _publish(self, step: Call, body: Callable[[], bytes]) -> object:
        kept = {
            channel: Retention(KEPT[channel] if most is None else most)
            for channel, most in zip(CHANNELS, step.kept, strict=True)
        }
        publications = [self._publication(each, kept, body) for each in step.publications]
        time, tag = max((max(own.values()) for own in self.cursors.values() if own), default=START)
        floor = Cursor(time, tag + step.leap)
        outcomes = await self.store.publish(self.tenant, publications, floor)
        for outcome in [each for each in outcomes if isinstance(each, Stored)]:
            for stamp in outcome.stamps:
                assert outcome.repeated or stamp.cursor > floor
                self.cursors[stamp.channel][stamp.id] = stamp.cursor
        return [
            (outcome.repeated, [(stamp.channel, stamp.id) for stamp in outcome.stamps])
            if isinstance(outcome, Stored)
            else type(outcome)
            for outcome in outcomes
        ]

    def _publication(
        self, publish: Publish, kept: Mapping[str, Retention], body: Callable[[], bytes]
    ) -> Publication:
        if_match = ""
        if publish.wants is not None and publish.drafts:
            known = self.cursors[publish.drafts[0][0]]
            if_match = str(known.get(len(known) - publish.wants, Cursor(1, 1)))
        return Publication(
            [Draft(channel, body(), event) for channel, event, _ in publish.drafts],
            [kept[channel] if is_kept else UNKEPT for channel, _, is_kept in publish.drafts],
            "" if publish.key is None else f"key{publish.key}",
            "" if publish.key is None else str(publish.drafts),
            if_match,
        )

    async def _read(self, step: Read) -> object:
        lookups = [
            Lookup(channel, self.cursors[channel].get(len(self.cursors[channel]) - back, START))
            for channel, back in step.lookups
        ]
        histories = await self.store.read(self.tenant, lookups, step.limit, START)
        return [
            self._history(lookup, each) for lookup, each in zip(lookups, histories, strict=True)
        ]

    def _history(self, lookup: Lookup, history: History) -> object:
        own = self.cursors[history.channel]
        assert all(own[message.id] == message.cursor for message in history.messages)
        assert all(own.get(each.id - 1, each.prev) == each.prev for each in history.messages)
        assert all(message.cursor > lookup.after for message in history.messages)
        if own:
            assert own[len(own)] == history.head
        ids = {cursor: number for number, cursor in own.items()}
        told = [(each.id, each.body, each.event_id) for each in history.messages]
        return told, history.gap, history.complete, ids.get(history.deleted)

    async def end(self) -> object:
        """Return what was announced, and what channels are like."""
        await self.listener.tick(self.tenant, START)
        messages = self.recorder.messages
        assert all(self.cursors[each.channel][each.id] == each.cursor for each in messages)
        assert sorted(messages, key=lambda message: message.cursor) == messages
        for message in messages:
            assert message.prev == self.cursors[message.channel].get(message.id - 1, message.prev)
        infos = await self.store.channels(self.tenant, "", 10)
        return (
            [(each.channel, each.id, each.body, each.event_id) for each in messages],
            [
                (channel, self._id(channel, cursor))
                for _, channel, cursor in self.recorder.deletions
            ],
            [(each.channel, each.last_id, each.stored) for each in infos],
            [self._id(each.channel, each.first) for each in infos],
        )

    def _id(self, channel: str, cursor: Cursor | None) -> int | None:
        return {at: number for number, at in self.cursors[channel].items()}.get(cursor or START)


async def compare(server: StoreServer, plan: list[Step]) -> None:
    """Take all steps on both sides."""
    sides = [await Side.open(RedisStore(server.unix_url)), await Side.open(MemoryStore())]
    try:
        for number, step in enumerate(plan):
            bodies = [b"%d.%d" % (number, place) for place in range(60)]
            real, model = [await side.do(step, bodies) for side in sides]
            assert model == real, step
        real, model = [await side.end() for side in sides]
        assert model == real
    finally:
        for side in sides:
            await side.close()


def run(work: Awaitable[None]) -> None:
    """Run a coroutine in a loop of its own."""

    async def wait() -> None:
        await work

    asyncio.run(wait())


@settings(max_examples=40, deadline=None)
@given(plan=plans)
def test_the_shared_store_is_the_one_in_memory(
    valkey_server: StoreServer, plan: list[Step]
) -> None:
    """Ids, bodies, refusals, gaps, deletions and announcements do not depend on the store."""
    run(compare(valkey_server, plan))


async def test_P6_a_refused_publication_ends_nothing(store_url: str, connect: Connect) -> None:
    """What is accepted is kept, though another one of the same call would have kept nothing."""
    node = await connect(store_url)
    await node.publish(b"1")
    kept = Publication([Draft("a", b"2")], [Retention()])
    refused = Publication([Draft("a", b"3")], [UNKEPT], if_match="0")
    (outcome, refusal) = await node.store.publish("main", [kept, refused], START)
    assert isinstance(outcome, Stored)
    assert isinstance(refusal, PreconditionFailed)
    assert [b"1", b"2"] == await node.bodies()


async def test_what_is_not_kept_is_in_no_ring(store_url: str, connect: Connect) -> None:
    """Nor is it where one of the same call is kept; the ring begins behind it, and has an end."""
    node = await connect(store_url)
    await node.publish(b"1")
    drafts = [Draft("a", b"2"), Draft("a", b"3")]
    both = Publication(drafts, [UNKEPT, Retention(10, 60)])
    await node.store.publish("main", [both], START)
    history = await node.history()
    assert ([b"3"], [3], True) == (
        [message.body for message in history.messages],
        [message.id for message in history.messages],
        history.gap,
    )
    await node.listener.tick("main", START)
    assert [b"1", b"2", b"3"] == node.recorder.bodies
    server = Redis.from_url(store_url)
    assert 0 < await server.ttl("broker:{main}:ring:a") <= 61
    await server.aclose()
