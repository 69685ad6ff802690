"""What sessions are owed: messages that turned up behind their cursors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from broker.core.encoder import Encoder
from broker.core.message import Message
from broker.core.session import Session
from broker.hub.channel import Late
from broker.hub.replay import Piece


class Owed:
    """
    What the sessions of one feed are to be sent out of turn.

    An announcement that was dropped on its way shows when a later one names it as predecessor.
    Cursors after it may have been handed out by then, on account of other channels. It still goes
    to everyone attached, stamped with the session's own cursor: that is where the session goes on
    from, so nothing comes twice (P7).

    Args:
        encoder: The dialect.
    """

    __slots__ = ("_encoder", "_late", "_pieces")

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._late: list[Late] = []
        self._pieces: dict[Session, Piece] = {}

    def __bool__(self) -> bool:
        """Tell whether something was noted and not shared out yet."""
        return bool(self._late)

    def note(self, late: Late) -> None:
        """Take note of what turned up in one channel."""
        self._late.append(late)

    def share_out(self, sessions: Iterable[Session]) -> None:
        """Owe every session what was noted, as far as it lies behind its cursor."""
        late, self._late = self._late, []
        messages = sorted(
            (message for each in late for message in each.messages),
            key=lambda message: message.cursor,
        )
        for session in sessions:
            self._owe(session, messages, late)

    def _owe(self, session: Session, messages: Sequence[Message], late: Sequence[Late]) -> None:
        cursor = session.cursor
        gaps = [each.gap for each in late if each.gap is not None and each.gap.last <= cursor]
        frames = [
            self._encoder.message(message._replace(cursor=cursor))
            for message in messages
            if message.cursor <= cursor
        ]
        before = self._pieces.get(session)
        if before is not None:
            frames, gaps = [*before.frames, *frames], [*before.gaps, *gaps]
        if frames or gaps:
            self._pieces[session] = Piece(frames, cursor, gaps, complete=False)

    def take(self, session: Session) -> Piece | None:
        """Return what a session is owed, once."""
        return self._pieces.pop(session, None)
