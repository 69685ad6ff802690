"""Conflated channels: whoever stalls and drains, nothing is out of order, untold or old."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from broker.core.cursor import START, Cursor
from broker.core.encoder import Gap
from broker.core.message import Message
from broker.core.rules import SlowPolicy
from broker.core.session import State
from broker.hub.surroundings import FeedLimits
from tests.support.fanout import Attached, Fanout
from tests.support.outlets import End, Frame, RecordingOutlet
from tests.support.turns import HandPump

CONFLATED = "b"
LISTS = [("a", "b"), ("b",), ("b", "a", "c")]
ANY = st.integers(0, 1 << 16)


@dataclass(eq=False)
class Reader:
    """
    A subscriber and what it has read.

    Attributes:
        names: Its channels.
        attached: Outlet and session.
        came: Cursor of the last message before it came: everything up to there is history.
        was_blocked: Whether its connection was ever full.
        seen: Cursors of messages, in the order in which they came.
        skipped: Messages that it was told are left out.
        checked: Events that were looked at.
    """

    names: tuple[str, ...]
    attached: Attached
    came: Cursor
    was_blocked: bool
    seen: list[Cursor]
    skipped: int = 0
    checked: int = 0

    @property
    def outlet(self) -> RecordingOutlet:
        """What it is sent."""
        return self.attached.outlet


class ConflationMachine(RuleBasedStateMachine):
    """Channel b is conflated, a and c are not; nothing is ever dropped from their rings."""

    def __init__(self) -> None:
        super().__init__()
        self.pump = HandPump()
        self.node = Fanout(
            limits=FeedLimits(3, piece_bytes=60, answer_bytes=60),
            turns=self.pump,
            slow_policy=lambda name: (
                SlowPolicy.CONFLATE if name == CONFLATED else SlowPolicy.CATCH_UP
            ),
        )
        self.readers: list[Reader] = []
        self.has_failed = False

    @contextmanager
    def noticing(self) -> Iterator[None]:
        """Do something as a callback of the loop; a failure keeps the end from being checked."""
        try:
            with self.node.loop.inside():
                yield
        except BaseException:
            self.has_failed = True
            raise

    # --- rules ------------------------------------------------------------

    @rule(channels=st.lists(st.sampled_from("abbbc"), min_size=1, max_size=6))
    def publish(self, channels: list[str]) -> None:
        self.node.publish(*channels)

    @rule(count=st.integers(1, 4))
    def turn(self, count: int) -> None:
        with self.noticing():
            for _ in range(count):
                self.pump.turn()

    @rule(names=st.sampled_from(LISTS), choice=ANY, room=st.one_of(st.none(), st.integers(0, 80)))
    def attach(self, names: tuple[str, ...], choice: int, room: int | None) -> None:
        cursors = [self.node.store.born("main"), *(message.cursor for message in self.node.log)]
        cursor = None if choice % 3 == 0 else cursors[-1 - choice % len(cursors)]
        task = self.node.enter(names, cursor, outlet=RecordingOutlet(room=room))
        self.node.loop.settle()
        came = max((each.cursor for each in self.node.log if each.channel in names), default=START)
        self.readers.append(Reader(names, task.result(), came, room is not None, []))

    @precondition(lambda self: self.readers)
    @rule(which=ANY, room=st.integers(0, 100))
    def block(self, which: int, room: int) -> None:
        reader = self.readers[which % len(self.readers)]
        reader.was_blocked = True
        reader.outlet.block(room)

    @precondition(lambda self: self.readers)
    @rule(which=ANY, room=st.one_of(st.none(), st.integers(0, 80)))
    def drain(self, which: int, room: int | None) -> None:
        reader = self.readers[which % len(self.readers)]
        reader.was_blocked = reader.was_blocked or room is not None
        with self.noticing():
            reader.outlet.drain(room)

    @rule(name=st.sampled_from("ab"))
    def distrust(self, name: str) -> None:
        """Hold a channel until it was read again."""
        channel = self.node.tenant.channels.get(name)
        if channel is not None:
            with self.noticing():
                self.node.hub.distrust(self.node.tenant, [channel])

    @rule(name=st.sampled_from("ab"))
    def shed(self, name: str) -> None:
        """Drop the node's copy of a ring; the store still has everything."""
        with self.noticing():
            channel = self.node.tenant.channels.get(name)
            if channel is not None and channel.pending is None:
                channel.shed()

    @rule()
    def step(self) -> None:
        self.node.loop.step()

    @rule()
    def settle(self) -> None:
        """Let everything be written that can be."""
        self.node.loop.settle()
        while self.pump.waiting:
            self.turn(1)
            self.node.loop.settle()

    # --- what must hold ------------------------------------------------------------

    @invariant()
    def every_message_is_read_or_counted(self) -> None:
        with self.noticing():
            for reader in self.readers:
                self._check(reader)

    def _check(self, reader: Reader) -> None:
        events = reader.outlet.events
        fresh, reader.checked = events[reader.checked :], len(events)
        for event in fresh:
            if isinstance(event, Gap):
                self._check_notice(reader, event)
            elif isinstance(event, Frame):
                assert not reader.seen or reader.seen[-1] < event.cursor, "disorder"
                reader.seen.append(event.cursor)
            else:
                self._check_place(reader, event)

    def _check_notice(self, reader: Reader, gap: Gap) -> None:
        """A notice counts messages of the conflated channel, for readers that were slow (P3)."""
        assert (CONFLATED, True, True) == (gap.channel, gap.skipped > 0, reader.was_blocked)
        assert reader.came <= gap.after, "history comes whole (P2)"
        assert not reader.seen or reader.seen[-1] <= gap.after
        between = [each for each in self._due(reader, gap.first) if each.cursor > gap.after]
        assert gap.skipped <= sum(each.channel == CONFLATED for each in between) - 1
        reader.skipped += gap.skipped

    def _check_place(self, reader: Reader, end: End) -> None:
        """Up to where a write ends, every message was read or is counted (P4, P8)."""
        due = self._due(reader, end.cursor)
        missing = [each for each in due if each.cursor not in set(reader.seen)]
        assert {CONFLATED} >= {each.channel for each in missing}
        assert reader.skipped == len(missing)

    def _due(self, reader: Reader, until: Cursor) -> list[Message]:
        begin = reader.attached.begin
        return [
            message
            for message in self.node.log
            if message.channel in reader.names and begin < message.cursor <= until
        ]

    def teardown(self) -> None:
        try:
            if not self.has_failed:
                self._end()
        finally:
            self.node.close()

    def _end(self) -> None:
        """Everyone drains: the last thing that each reads of its channels is the newest (P8)."""
        for which in range(len(self.readers)):
            self.drain(which, None)
        self.node.loop.run(self.node.sync.tick(self.node.tenant))
        self.settle()
        self.every_message_is_read_or_counted()
        mark = self.node.tenant.high_water
        for reader in self.readers:
            assert State.LIVE is reader.attached.session.state
            due = self._due(reader, mark)
            assert len(due) == len(reader.seen) + reader.skipped
            assert [each.cursor for each in due[-1:]] == reader.seen[-1:]


TestConflation = ConflationMachine.TestCase
TestConflation.settings = settings(
    max_examples=60, stateful_step_count=50, deadline=None, report_multiple_bugs=False
)
