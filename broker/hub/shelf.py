"""The shelf: what those who came back were written, for others who come back to the same place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from broker.core.cursor import Cursor
from broker.core.encoder import Gap
from broker.hub.replay import Piece

if TYPE_CHECKING:
    from broker.core.session import Session
    from broker.hub.feed import Feed

MOST_BYTES = 8 * 2**20
"""Bytes on the shelf at most; beyond, it is emptied."""


class Made(NamedTuple):
    """
    A piece as it is written.

    Attributes:
        piece: What it is.
        data: Its bytes.
    """

    piece: Piece
    data: bytes


class Shelf:
    """
    Keeps for a moment what was made of the rings for one who came back.

    Clients that were cut off together come back to one cursor. Between floor and head a ring does
    not change, so what the first of them is written is right for the others, as long as every ring
    reaches back to where it begins. What turns up late is the exception: feeds are held for it,
    and whoever holds one clears the shelf.
    """

    def __init__(self) -> None:
        self._made: dict[tuple[Feed, Cursor], Made] = {}
        self._bytes = 0

    def find(self, feed: Feed, after: Cursor) -> Made | None:
        """Return what follows a cursor in a feed, if it is here and still right."""
        made = self._made.get((feed, after))
        if made is None or feed.held:
            return None
        if made.piece.complete and made.piece.cursor != feed.safe_cursor():
            return None
        return made if all(channel.ring.covers(after) for channel in feed.channels) else None

    def put(self, feed: Feed, after: Cursor, made: Made) -> None:
        """Keep what follows a cursor in a feed that is not held, if nothing is missing there."""
        if self._bytes + len(made.data) > MOST_BYTES:
            self.clear()
        self._made[feed, after] = made
        self._bytes += len(made.data)

    def clear(self) -> None:
        """Keep nothing."""
        self._made.clear()
        self._bytes = 0


def make(feed: Feed, session: Session, *, is_whole: bool) -> Made | None:
    """
    Return what a session is written next from the rings, made once for all who stand there.

    Args:
        feed: The session's.
        session: Who is lagging.
        is_whole: Whether no message is left out for it.

    Returns:
        None when the rings do not reach back to its cursor and the store has to be read.
    """
    after, shelf = session.cursor, feed.around.shelf
    made = shelf.find(feed, after) if is_whole else None
    if made is not None:
        session.untold(())
        feed.flow.replay(len(made.piece.frames), gap=False)
        return made
    piece = feed.collect(after, feed.limit_bytes, session.slow)
    if piece is None:
        return None
    if not piece.frames and not piece.gaps:
        return Made(piece, b"")
    made = Made(piece, encode(feed, session, piece, session.untold(piece.gaps)))
    if is_whole and not piece.gaps and not feed.held:
        shelf.put(feed, after, made)
    return made


def encode(feed: Feed, session: Session, piece: Piece, gaps: Sequence[Gap]) -> bytes:
    """
    Return the bytes of a piece.

    Args:
        feed: Whose dialect.
        session: Who is lagging.
        piece: What it is sent.
        gaps: Those of the piece's gaps that it is told.
    """
    flow, frames = feed.flow, piece.frames
    flow.replay(len(frames), gap=any(not gap.skipped for gap in gaps))
    flow.skipped += sum(gap.skipped for gap in gaps)
    if gaps and session.notices:
        frames = [*map(feed.encoder.gap, gaps), *frames]
    first = max((gap.first for gap in gaps), default=None)
    return feed.encoder.join(frames, piece.cursor, first) if frames or gaps else b""
