"""The account: whether a subscriber got what the publishers sent, by the publishers' own counts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from broker.core.cursor import START, Cursor

MAX_NOTED = 10_000
"""Strange messages and notices that one account keeps; beyond, they are only counted."""


class Notice(NamedTuple):
    """
    A gap notice that a subscriber was given.

    Attributes:
        channel: Of which channel; None where the transport does not say.
        after: The subscriber's cursor then.
        first: From which cursor on nothing is missing.
        at: How many messages the subscriber had.
    """

    channel: str | None
    after: Cursor
    first: Cursor
    at: int


class Turn(NamedTuple):
    """
    A message that came out of its turn among those of its publisher, for the first time.

    Attributes:
        channel: Its channel.
        number: Its number there, by the publisher.
        cursor: The cursor that it came with.
        delay_s: Seconds since it was first sent.
    """

    channel: str
    number: int
    cursor: Cursor
    delay_s: float


class Account:
    """
    What one subscriber has got.

    Every message tells its publisher's own counts: its number in its channel and its number among
    all that the publisher sent, both from 1 without holes. Publishers send one request after the
    other, so both counts are in the order of acceptance. The broker's ids play no part.

    Args:
        channels: What the subscriber listens to; publishers begin only once it does.

    Attributes:
        cursor: Where it would go on.
        expected: Number of the next message, by channel.
        missing: Numbers that were passed over, by channel, each with how many messages it had.
        messages: How many messages it got.
        repeated: How many of them it had already.
        reordered: How many came after a later one of the same channel, or with an older cursor.
        strange: How many were none of its business, or not what was sent.
        late: Those that came behind later ones of other channels, with the session's own cursor.
        notices: Gap notices.
    """

    __slots__ = (
        "_turns",
        "cursor",
        "expected",
        "late",
        "messages",
        "missing",
        "notices",
        "reordered",
        "repeated",
        "strange",
    )

    def __init__(self, channels: Iterable[str]) -> None:
        self.cursor = START
        self.expected = dict.fromkeys(channels, 1)
        self.missing: dict[str, dict[int, int]] = {}
        self.messages = 0
        self.repeated = 0
        self.reordered = 0
        self.strange = 0
        self.late: list[Turn] = []
        self.notices: list[Notice] = []
        self._turns: dict[int, int] = {}

    def take(self, channel: str, message: dict[str, Any], cursor: Cursor, now: float) -> None:
        """
        Enter one message.

        Args:
            channel: Where it came from, by its envelope.
            message: What the publisher sent.
            cursor: The cursor that it came with.
            now: When it came, on the machine's monotonic clock.
        """
        self.messages += 1
        count = message["count"]
        expected = self.expected.get(channel)
        if expected is None or message["channel"] != channel:
            self.strange += 1
            return
        if count == expected:
            self.expected[channel] = count + 1
        elif not self._is_news(channel, count, expected):
            return
        turn, publisher = message["turn"], message["publisher"]
        if cursor > self.cursor and turn > self._turns.get(publisher, 0):
            self._turns[publisher] = turn
            self.cursor = cursor
        elif cursor < self.cursor:
            self.reordered += 1
        else:
            self._note_late(Turn(channel, count, cursor, now - message["sent"]))
            self.cursor = cursor

    def adopt(self, cursor: Cursor) -> None:
        """Take a cursor from a header, a ping or a goodbye; it must not run ahead (P4)."""
        self.cursor = cursor

    def told(self, channel: str | None, first: Cursor) -> None:
        """Enter a gap notice."""
        if len(self.notices) < MAX_NOTED:
            self.notices.append(Notice(channel, self.cursor, first, self.messages))

    def _is_news(self, channel: str, count: int, expected: int) -> bool:
        """Enter a message that is not the next; tell whether it came for the first time."""
        missing = self.missing.setdefault(channel, {})
        if count > expected:
            missing.update(dict.fromkeys(range(expected, count), self.messages))
            self.expected[channel] = count + 1
        elif missing.pop(count, None) is None:
            self.repeated += 1
            return False
        else:
            self.reordered += 1
        return True

    def _note_late(self, turn: Turn) -> None:
        if len(self.late) < MAX_NOTED:
            self.late.append(turn)
