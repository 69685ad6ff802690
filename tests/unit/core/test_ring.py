"""The ring against a model that keeps everything in a plain list."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
import pytest

from broker.core.cursor import START, Cursor
from broker.core.message import Message
from broker.core.ring import MESSAGE_BYTES, History, Retention, Ring, Tally
from tests.support.messages import at, chain

CHANNEL = "conversation.100"
times = st.integers(0, 12)
cursors = st.builds(Cursor, times, st.integers(0, 12))
bodies = st.binary(max_size=9)


def message(cursor: Cursor, body: bytes = b"1") -> Message:
    """Return a message that stands at a cursor."""
    return Message(1, CHANNEL, body, cursor, START)


def filled(count: int, retention: Retention) -> Ring:
    """Return a ring to which messages with tags 1 to `count` of second 1 were added."""
    ring = Ring(retention)
    for tag in range(1, count + 1):
        ring.append(message(Cursor(1, tag)))
    return ring


def tags(ring: Ring, after: Cursor = START, limit: int | None = None) -> list[int]:
    """Return the tags of what the ring keeps after a cursor."""
    return [kept.cursor.tag for kept in ring.since(after, limit)]


class RingMachine(RuleBasedStateMachine):
    """Any sequence of steps leaves the ring as it leaves a list, with the same gaps and bytes."""

    @initialize(count=st.integers(0, 6), age_s=st.integers(0, 8), floor=cursors)
    def begin(self, count: int, age_s: int, floor: Cursor) -> None:
        """Begin with an empty ring."""
        self.tally = Tally()
        self.ring = Ring(Retention(count, age_s), floor, self.tally)
        self.retention = Retention(count, age_s)
        self.kept: list[Message] = []
        self.floor = self.head = floor

    def drop(self, count: int) -> None:
        """Take the oldest out of the list."""
        for gone in self.kept[: max(0, count)]:
            self.floor = max(self.floor, gone.cursor)
        del self.kept[: max(0, count)]

    @rule(cursor=cursors, body=bodies)
    def append(self, cursor: Cursor, body: bytes) -> None:
        """Add a message; one that is not newer is left out."""
        newer = cursor > self.head
        assert newer == self.ring.append(message(cursor, body))
        if newer:
            self.kept.append(message(cursor, body))
            self.head = cursor
            self.drop(len(self.kept) - self.retention.messages)

    @rule(older=st.lists(cursors, unique=True), floor=cursors)
    def prepend(self, older: list[Cursor], floor: Cursor) -> None:
        """Add messages between a lower floor and the present one."""
        floor = min(floor, self.floor)
        messages = [message(each) for each in sorted(older) if floor < each <= self.floor]
        self.ring.prepend(messages, floor)
        self.kept[:0] = messages
        self.floor = floor
        self.drop(len(self.kept) - self.retention.messages)

    @rule(cursor=cursors)
    def reach(self, cursor: Cursor) -> None:
        """Move the head without a message."""
        self.ring.reach(cursor)
        self.head = max(self.head, cursor)

    @rule(count=st.integers(0, 6), age_s=st.integers(0, 8))
    def keep(self, count: int, age_s: int) -> None:
        """Keep more or less from now on."""
        self.retention = Retention(count, age_s)
        self.ring.keep(self.retention)
        self.drop(len(self.kept) - count)

    @rule(now=st.integers(0, 20))
    def expire(self, now: int) -> None:
        """Let time pass."""
        old = [each for each in self.kept if each.cursor.time < now - self.retention.age_s]
        assert bool(old) == self.ring.expire(now)
        self.drop(len(old))

    @rule()
    def clear(self) -> None:
        """Drop everything."""
        self.ring.clear()
        self.drop(len(self.kept))

    @rule(after=cursors, limit=st.none() | st.integers(0, 7))
    def read(self, after: Cursor, limit: int | None) -> None:
        """Read from any cursor."""
        later = [each for each in self.kept if each.cursor > after]
        cut = later if limit is None else later[:limit]
        history = self.ring.history(CHANNEL, after, limit)
        assert cut == list(self.ring.since(after, limit)) == list(history.messages)
        assert (after >= self.floor) == self.ring.covers(after)
        assert History(CHANNEL, cut, after < self.floor, self.head, cut == later) == history

    @invariant()
    def is_like_the_list(self) -> None:
        """Sizes, ends and bytes agree."""
        assert len(self.kept) == len(self.ring)
        assert (self.floor, self.head) == (self.ring.floor, self.ring.head)
        taken = sum(MESSAGE_BYTES + len(each.body) for each in self.kept)
        assert taken == self.tally.bytes == self.ring.memory_bytes


TestRing = RingMachine.TestCase


def test_p3_ring_of_five_after_twenty_messages() -> None:
    """Of twenty messages five are left, and only the cursors before those have a gap."""
    ring = filled(20, Retention(5))
    assert [16, 17, 18, 19, 20] == tags(ring)
    gaps = [ring.history(CHANNEL, Cursor(1, tag)).gap for tag in range(21)]
    assert [True] * 15 + [False] * 6 == gaps


@pytest.mark.parametrize(("limit", "complete"), [(0, False), (4, False), (5, True), (None, True)])
def test_a_history_tells_whether_a_limit_cut_it(limit: int | None, complete: bool) -> None:
    """A history is complete when nothing kept was left out, wherever the head is."""
    ring = filled(20, Retention(5))
    ring.reach(Cursor(2, 0))
    assert complete == ring.history(CHANNEL, START, limit).complete


def test_a_ring_of_nothing_keeps_its_head() -> None:
    """With retention 0 each message moves floor and head and is gone."""
    ring = filled(3, Retention(0))
    assert History(CHANNEL, [], True, Cursor(1, 3)) == ring.history(CHANNEL, Cursor(1, 2))
    assert History(CHANNEL, [], False, Cursor(1, 3)) == ring.history(CHANNEL, Cursor(1, 3))


def test_appending_is_amortised() -> None:
    """A ring through which a hundred thousand messages went holds no more than its share."""
    ring = filled(100_000, Retention(10))
    assert [99_991, 100_000] == [tags(ring)[0], tags(ring)[-1]]
    assert len(ring._messages) <= 20
    assert len(ring._cursors) == len(ring._messages)


def test_what_is_dropped_is_the_oldest() -> None:
    """Messages up to the cursor go and raise the floor; what follows stays, like the head."""
    ring = Ring(Retention(), at(0))
    for each in chain("a", 1, 2, 3):
        ring.append(each)
    assert not ring.drop(at(0))
    assert ring.drop(at(2))
    assert ([at(3)], at(2), at(3)) == (
        [each.cursor for each in ring.since(START)],
        ring.floor,
        ring.head,
    )
    assert ring.drop(at(9))
    assert (0, at(3), at(3)) == (len(ring), ring.floor, ring.head)


def test_a_stretch_between_two_cursors() -> None:
    """The first cursor is left out, the last one is not; what was evicted is not there."""
    ring = filled(10, Retention(messages=4))
    assert [8, 9] == [cursor.tag for cursor in ring.between(Cursor(1, 7), Cursor(1, 9))]
    assert [7] == [cursor.tag for cursor in ring.between(START, Cursor(1, 7))]
    assert [] == ring.between(Cursor(1, 10), Cursor(1, 20))


def test_the_newest_up_to_a_cursor() -> None:
    """It may be the one at the cursor; where all of that is gone, there is none."""
    ring = filled(10, Retention(messages=4))
    newest = [ring.newest(Cursor(1, tag)) for tag in (6, 7, 9, 30)]
    assert [None, 7, 9, 10] == [None if each is None else each.cursor.tag for each in newest]
