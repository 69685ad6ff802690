"""What sessions are owed: messages that turned up behind their cursors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter

from broker.core.cursor import START, Cursor
from broker.core.encoder import Encoder, Gap
from broker.core.message import Message
from broker.core.session import Session
from broker.hub.channel import Channel, Late
from broker.hub.replay import Piece


class Owed:
    """
    What the sessions of one feed are to be sent out of turn.

    An announcement that was dropped on its way shows when a later one names it as predecessor.
    Cursors after it may have been handed out by then, on account of other channels. It still goes
    to everyone attached, stamped with the session's own cursor: that is where the session goes on
    from (P7).

    It also goes to everyone who comes later with such a cursor, polls above all: they are attached
    for the length of an answer, and most have had theirs. A poll's answer goes on to now, behind
    all such cursors, so that the next one is owed nothing. Whoever got the message elsewhere and
    happens to come with such a cursor gets it twice: nobody can tell them apart, and a repeat does
    less harm than a loss.

    Args:
        encoder: The dialect.
        channels: The channels of the feed.

    Attributes:
        until: Who comes with a later cursor is owed nothing.
    """

    __slots__ = ("_channels", "_encoder", "_late", "_pieces", "until")

    def __init__(self, encoder: Encoder, channels: Sequence[Channel]) -> None:
        self._encoder = encoder
        self._channels = channels
        self._late: list[Late] = []
        self._pieces: dict[Session, Piece] = {}
        self.until = max((channel.arrears_until for channel in channels), default=START)

    def __bool__(self) -> bool:
        """Tell whether something was noted and not shared out yet."""
        return bool(self._late)

    def note(self, late: Late) -> None:
        """Take note of what turned up in one channel."""
        self._late.append(late)
        self.until = max(self.until, late.mark)

    def share_out(self, sessions: Iterable[Session]) -> None:
        """Owe every session what was noted, as far as it lies behind its cursor."""
        late, self._late = self._late, []
        if self._encoder.once:
            return  # see `added`
        for session in sessions:
            cursor = session.cursor
            passed = [each for each in late if cursor <= each.mark]
            messages = [message for each in passed for message in each.messages]
            gaps = [each.gap for each in passed if each.gap is not None]
            self._owe(session, messages, [gap for gap in gaps if gap.last <= cursor])

    def greet(self, session: Session) -> bool:
        """Owe a session what turned up late before it came; tell whether there is anything."""
        if self._encoder.once or session.cursor > self.until:
            return False
        noted = {message.cursor for late in self._late for message in late.messages}
        messages, gaps = self._arrears(session.cursor)
        self._owe(session, [each for each in messages if each.cursor not in noted], gaps)
        return session in self._pieces

    def added(self, piece: Piece | None, after: Cursor) -> Piece | None:
        """Return what follows a poll's cursor, and before it what turned up late behind that."""
        if after > self.until or piece is None or not self._encoder.once:
            return piece
        messages, gaps = self._arrears(after)
        frames = self._frames(messages, after)
        return piece._replace(frames=[*frames, *piece.frames], gaps=[*gaps, *piece.gaps])

    def take(self, session: Session) -> Piece | None:
        """Return what a session is owed, once."""
        return self._pieces.pop(session, None)

    def _arrears(self, after: Cursor) -> tuple[list[Message], list[Gap]]:
        found = [channel.arrears(after) for channel in self._channels]
        messages = [message for some, _ in found for message in some]
        return messages, [gap for _, gap in found if gap is not None]

    def _owe(self, session: Session, messages: Sequence[Message], gaps: Sequence[Gap]) -> None:
        cursor = session.cursor
        frames = self._frames(messages, cursor)
        before = self._pieces.get(session)
        if before is not None:
            frames, gaps = [*before.frames, *frames], [*before.gaps, *gaps]
        if frames or gaps:
            self._pieces[session] = Piece(frames, cursor, gaps, complete=False)

    def _frames(self, messages: Sequence[Message], cursor: Cursor) -> list[bytes]:
        """Encode those messages that lie behind a cursor, in order, stamped with it."""
        behind = [message for message in messages if message.cursor <= cursor]
        behind.sort(key=attrgetter("cursor"))
        return [self._encoder.message(message._replace(cursor=cursor)) for message in behind]
