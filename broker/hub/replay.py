"""Replay: what follows a cursor, merged over channels, from the local rings."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from broker.core.cursor import Cursor
from broker.core.encoder import Encoder, Gap
from broker.core.recovery import Span, clip, merge
from broker.core.ring import Ring

_LOOK_AHEAD = 256
"""Messages of each channel that are merged at a time: a small piece of 50 long rings must not cost
the whole of them."""


class Source(Protocol):
    """
    What messages are replayed of: a channel.

    Attributes:
        name: Its name.
        ring: Its messages.
    """

    name: str
    ring: Ring

    def answers(self, after: Cursor) -> bool:
        """Tell whether this node knows what follows the cursor, or that it is lost."""

    def first_after(self, after: Cursor) -> Cursor:
        """Return the cursor of the first kept message after the cursor, else the ring's floor."""

    def span(self, encoder: Encoder, after: Cursor, limit: int | None = None) -> Span[bytes]:
        """Return the messages after the cursor in a dialect, at most `limit`."""


class Piece(NamedTuple):
    """
    What a cursor's holder is to be sent next.

    Attributes:
        frames: Encoded messages, in order; together within the limit.
        cursor: Where the holder stands once it has them.
        gaps: What is missing after the cursor that was asked for.
        complete: Whether the holder then has everything up to now.
    """

    frames: Sequence[bytes]
    cursor: Cursor
    gaps: Sequence[Gap]
    complete: bool


def replay(
    channels: Sequence[Source], encoder: Encoder, after: Cursor, until: Cursor, limit_bytes: int
) -> Piece | None:
    """
    Return what follows a cursor.

    Args:
        channels: Whose messages.
        encoder: The dialect.
        after: The reader's cursor; before `until`.
        until: Everything up to here is in the rings, as far as it is kept.
        limit_bytes: Most that the frames may hold together, one message excepted.

    Returns:
        None when the rings do not reach back to the cursor and the store has to be read.
    """
    if not all(channel.answers(after) for channel in channels):
        return None
    cursors: list[Cursor] = []
    frames: list[bytes] = []
    size = 0
    complete = False
    while size <= limit_bytes and not complete:
        found = _look_ahead(channels, encoder, cursors[-1] if cursors else after, until)
        cursors += found.cursors
        frames += found.items
        size += sum(map(len, found.items))
        complete = found.complete
    found = clip(Span(cursors, frames, complete), limit_bytes)
    cursor = until if found.complete else found.cursors[-1]
    gaps = [
        Gap(channel.name, after, channel.first_after(after), channel.ring.floor)
        for channel in channels
        if channel.ring.floor > after
    ]
    return Piece(found.items, cursor, gaps, found.complete)


def _look_ahead(
    channels: Sequence[Source], encoder: Encoder, after: Cursor, until: Cursor
) -> Span[bytes]:
    """Return the next messages after a cursor, some of each channel."""
    span = merge(
        [
            channel.span(encoder, after, _LOOK_AHEAD)
            for channel in channels
            if channel.ring.head > after
        ]
    )
    if not span.cursors or span.cursors[-1] <= until:
        return span
    count = bisect_right(span.cursors, until)
    return Span(span.cursors[:count], span.items[:count])
