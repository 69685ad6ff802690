"""The ledger: what was stored, and whether somebody heard exactly that."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple
import heapq

from broker.core.cursor import Cursor
from tests.support.target import Published
from tests.support.wire import Envelope

_by_cursor = attrgetter("cursor")


class Note(NamedTuple):
    """
    A message that was stored or heard, without its payload.

    Attributes:
        cursor: Where it stands.
        channel: Where it went.
        id: Its number there.
        number: Its number among all that were sent, which the payload carries.
    """

    cursor: Cursor
    channel: str
    id: int
    number: int


@dataclass
class Heard:
    """
    What one subscriber heard between two moments, on one connection or in one answer.

    Attributes:
        how: Transport.
        node: Number of the node.
        channels: What it asked for.
        after: The cursor that it sent, or None.
        sent: Number of the next message when it was attached; those from there on must come.
        notes: What it heard, in order.
        pings: Cursors of pings, each with the count of messages before it.
        end: Cursor of the last thing that it heard.
    """

    how: str
    node: int
    channels: Sequence[str]
    after: Cursor | None
    sent: int
    notes: list[Note] = field(default_factory=list)
    pings: list[tuple[int, Cursor]] = field(default_factory=list)
    end: Cursor | None = None

    def __str__(self) -> str:
        return f"{self.how} on node {self.node}"

    def take(self, envelope: Envelope) -> None:
        """Note a message or a ping."""
        self.end = envelope.cursor
        if envelope.channel == "ping":
            self.pings.append((len(self.notes), envelope.cursor))
        else:
            number = envelope.message["n"]
            self.notes.append(Note(envelope.cursor, envelope.channel, envelope.id, number))


class Ledger:
    """
    Everything that publishers were told is stored.

    Attributes:
        sent: How many messages were sent so far, answered or not.
        stored: How many of them were answered.
    """

    def __init__(self) -> None:
        self.sent = 0
        self.stored = 0
        self._channels: dict[str, list[Note]] = {}

    def next_number(self) -> int:
        """Return the number of a message that is about to be sent."""
        self.sent += 1
        return self.sent - 1

    def add(self, messages: Iterable[Published]) -> None:
        """Note what a publisher was answered."""
        for message in messages:
            note = Note(message.cursor, message.channel, message.id, message.message["n"])
            insort(self._channels.setdefault(message.channel, []), note)
            self.stored += 1

    def last(self, channels: Iterable[str]) -> Cursor:
        """Return the cursor of the last message of some channels."""
        kept = (self._channels.get(channel) for channel in channels)
        return max((notes[-1].cursor for notes in kept if notes), default=Cursor(0, 0))

    def some(self, channel: str, back: int) -> Cursor | None:
        """Return the cursor of a message that is so many before the last of a channel."""
        notes = self._channels.get(channel, ())
        return notes[-1 - back].cursor if len(notes) > back else None

    def between(self, channels: Iterable[str], after: Cursor, until: Cursor) -> list[Note]:
        """Return what was stored in some channels after a cursor, up to another one."""
        parts = []
        for channel in channels:
            notes = self._channels.get(channel, [])
            first = bisect_right(notes, after, key=_by_cursor)
            parts.append(notes[first : bisect_right(notes, until, key=_by_cursor)])
        return list(heapq.merge(*parts))

    def check(self, heard: Heard) -> None:
        """
        Fail unless somebody heard exactly what was stored: once, in order, nothing left out.

        Only once every publisher has its answers.
        """
        if heard.end is None:
            return
        after = heard.after
        if after is None:
            after = self._beginning(heard)
        expected = self.between(heard.channels, after, heard.end)
        assert expected == heard.notes, _difference(heard, expected)
        for count, cursor in heard.pings:
            before = len(self.between(heard.channels, after, cursor))
            assert before == count, f"{heard}: a ping's cursor runs ahead (P4)"

    def _beginning(self, heard: Heard) -> Cursor:
        """Return where a newcomer began: before all that was sent since it was attached."""
        assert heard.end is not None
        stored = self.between(heard.channels, Cursor(0, 0), heard.end)
        due = next((note for note in stored if note.number >= heard.sent), None)
        first = heard.notes[0] if heard.notes else None
        if first is None:
            assert due is None, f"{heard}: a newcomer missed {due}"
            return heard.end
        assert due is None or first <= due, f"{heard}: a newcomer missed {due}"
        return first.cursor._replace(tag=first.cursor.tag - 1)


def _difference(heard: Heard, expected: Sequence[Note]) -> str:
    lost = [note for note in expected if note not in heard.notes]
    more = [note for note in heard.notes if note not in expected]
    return (
        f"{heard}, after {heard.after} to {heard.end} on {len(heard.channels)} channels: "
        f"{len(lost)} lost {lost[:3]}, {len(more)} too many {more[:3]}, "
        f"{len(heard.notes)} heard of {len(expected)}"
    )
