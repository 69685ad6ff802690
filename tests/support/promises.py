"""What a node promises its subscribers, checked against everything that was ever published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from broker.core.cursor import START, Cursor
from broker.core.encoder import Gap
from broker.core.message import Message
from broker.core.session import State
from tests.support.fanout import TENANT, Attached, Fanout
from tests.support.outlets import End, Frame, RecordingOutlet


@dataclass(eq=False)
class Client:
    """
    One subscriber, and what it has been given.

    Attributes:
        names: Its channels.
        attached: Outlet and session.
        is_poll: Whether one write answers it.
        seen: Bodies of the messages it has read.
        gaps: Gaps it was told.
        checked: Events that were looked at.
        last: Cursor of the last message that it has read.
    """

    names: tuple[str, ...]
    attached: Attached
    is_poll: bool = False
    seen: set[bytes] = field(default_factory=set)
    gaps: list[Gap] = field(default_factory=list)
    checked: int = 0
    last: Cursor = START

    @property
    def outlet(self) -> RecordingOutlet:
        """What it is sent."""
        return self.attached.outlet

    @property
    def begin(self) -> Cursor:
        """Where it began: every later message of its channels is due."""
        return self.attached.begin

    @property
    def cursors(self) -> Sequence[Cursor]:
        """Cursors that it may come back with: of every message, and of every write."""
        events = self.outlet.events
        return [self.begin, *(each.cursor for each in events if isinstance(each, Frame | End))]


class Promises:
    """
    Checks what clients read (P2 to P4, P7).

    Args:
        node: The node, which knows everything that was published.

    Attributes:
        dropped: Bodies of messages whose announcement was lost without a sign.
    """

    def __init__(self, node: Fanout) -> None:
        self._node = node
        self.dropped: set[bytes] = set()

    def check(self, client: Client) -> None:
        """Check what a client has read since the last time."""
        events = client.outlet.events
        fresh, client.checked = events[client.checked :], len(events)
        for event in fresh:
            if isinstance(event, Gap):
                self._check_gap(client, event)
            elif isinstance(event, End):
                self._check_cursor(client, event.cursor)
            else:
                self._check_frame(client, event)

    def check_end(self, client: Client) -> None:
        """Everything has arrived, or is told to be lost, and the client is live (P2, P3, P7)."""
        if client.is_poll and client.outlet.answers:
            assert [client.outlet.cursor] == client.outlet.answers
            assert State.CLOSED is client.attached.session.state
            return
        assert State.LIVE is client.attached.session.state
        for message in self._due(client):
            assert self._is_told(client, message), (client, message)
        assert client.attached.session.cursor == self._node.tenant.high_water

    def _check_gap(self, client: Client, gap: Gap) -> None:
        """A gap is told only where something is lost (P3)."""
        client.gaps.append(gap)
        lost = [each for each in self._due(client) if self._is_covered(each, gap)]
        # Who came after a message was lost on its way may be told of it as well.
        dropped = (self._node.log[int(body)] for body in self.dropped)
        lost += [message for message in dropped if self._is_covered(message, gap)]
        # Of what was before the store lost everything, nobody knows what it was.
        assert lost or gap.after < self._node.store.born(TENANT), (client, gap)

    def _check_frame(self, client: Client, frame: Frame) -> None:
        """A message comes once, in order, with nothing missing before it (P2)."""
        if frame.channel == "ping":
            self._check_cursor(client, frame.cursor)
            return
        message = self._node.log[int(frame.body)]
        assert (message.channel, message.id) == (frame.channel, frame.id)
        assert message.body not in client.seen, (client, frame)
        client.seen.add(message.body)
        if message.body not in self.dropped:
            assert message.cursor == frame.cursor
            assert message.cursor > client.begin, (client, frame)
            assert frame.cursor > client.last, (client, frame)
            client.last = frame.cursor
        self._check_cursor(client, frame.cursor)

    def _check_cursor(self, client: Client, cursor: Cursor) -> None:
        """No cursor is newer than what was written (P4), nor older than a message (P2)."""
        assert cursor >= client.last, (client, cursor)
        for message in self._due(client):
            if message.cursor <= cursor and message.body not in self.dropped:
                assert self._is_told(client, message), (client, cursor, message)

    def _due(self, client: Client) -> list[Message]:
        return [
            message
            for message in self._node.log
            if message.channel in client.names
            and message.cursor > client.begin
            and message.body not in client.seen
        ]

    def _is_told(self, client: Client, message: Message) -> bool:
        return any(self._is_covered(message, gap) for gap in client.gaps)

    def _is_covered(self, message: Message, gap: Gap) -> bool:
        """Tell whether a gap speaks of a message that is in fact lost."""
        if gap.channel not in {"", message.channel}:
            return False
        # What was lost without a sign may lie before where the gap seems to begin.
        if message.cursor <= gap.after and message.body not in self.dropped:
            return False
        if message.cursor > gap.first:
            return False
        kept = self._node.store.kept(TENANT, message.channel)
        return message.body not in {each.body for each in kept}


def check_state(node: Fanout) -> None:
    """What the parts of a node say of each other must agree."""
    memory = sum(channel.memory_bytes for channel in node.tenant.channels.values())
    assert memory == node.hub.ring_bytes
    for feed in node.hub.feeds:
        assert sum(channel.pending is not None for channel in feed.channels) == feed.held
        for cohort in feed.cohorts:
            assert cohort.members
            assert cohort.position <= feed.head
            for session in cohort.members:
                assert session.cohort is cohort
                assert (State.LIVE, False) == (session.state, session.blocked)
        for session in feed.lagging:
            assert State.LAGGING is session.state


def check_forgotten(node: Fanout) -> None:
    """Nothing is left of a node that everyone has gone from, some time later."""
    for feed in node.hub.feeds:
        assert feed.is_empty
        assert 0 == len(feed._run)
    node.loop.advance(100.0)
    with node.loop.inside():
        node.hub.upkeep()
    assert [] == list(node.hub.feeds)
    assert 0 == node.tenant.feeds
    assert {} == node.tenant.channels
    assert 0 == node.hub.ring_bytes
    assert set() == node.ear.heard
    assert {} == node.sync._working
    assert 0 == node.attendance.count
    assert not node.sync._background.is_busy
    assert [] == node.attendance.tokens
