"""What a node keeps of one channel that it listens to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from broker.core.cursor import Cursor
from broker.core.encoder import Encoder
from broker.core.message import Message
from broker.core.recovery import Span
from broker.core.ring import Retention, Ring

if TYPE_CHECKING:
    from broker.feed import Feed

_OVERHEAD_BYTES = 400
"""Of a kept message beside its body: the tuples and the list entries, measured."""


class Channel:
    """
    A channel on this node: its local ring, its encoded forms and its feeds.

    While `pending` is a list the channel is being synchronised with the store: announcements wait
    there, and every feed of the channel is held.

    Attributes:
        name: Name of the channel.
        ring: Every message in `(ring.floor, ring.head]` that the retention keeps.
        bottom: Whether the store keeps nothing at or before `ring.floor` either, so that an older
            cursor means a gap and not a read.
        feeds: Feeds that carry this channel, by encoder.
        pending: Announcements that wait for the store's history, or None when synchronised.
    """

    __slots__ = ("_columns", "bottom", "feeds", "name", "pending", "ring")

    def __init__(self, name: str, retention: Retention, floor: Cursor) -> None:
        self.name = name
        self.ring = Ring(retention, floor)
        self.bottom = False
        self.feeds: dict[Encoder, list[Feed]] = {}
        self.pending: list[Message] | None = []
        self._columns: dict[Encoder, dict[Cursor, bytes]] = {}

    @property
    def memory_bytes(self) -> int:
        """Estimate of what the ring and its encoded forms hold."""
        forms = 1 + len(self._columns)
        return forms * (self.ring.body_bytes + len(self.ring) * _OVERHEAD_BYTES)

    def answers(self, after: Cursor) -> bool:
        """Tell whether this node knows what follows the cursor, or that it is lost."""
        return self.bottom or self.ring.covers(after)

    def first_after(self, after: Cursor) -> Cursor:
        """Return the cursor of the first kept message after the cursor, else the ring's floor."""
        kept = self.ring.since(after, 1)
        return kept[0].cursor if kept else self.ring.floor

    def encode(self, message: Message, encoder: Encoder) -> bytes:
        """Return the message's bytes in a dialect, made once."""
        column = self._columns.setdefault(encoder, {})
        frame = column.get(message.cursor)
        if frame is None:
            frame = column[message.cursor] = encoder.message(message)
            if len(column) > 2 * len(self.ring) + 64:
                self._prune(column)
        return frame

    def span(self, encoder: Encoder, after: Cursor, limit: int | None = None) -> Span[bytes]:
        """Return the kept messages after the cursor in a dialect, at most `limit`."""
        messages = self.ring.since(after, limit)
        cursors = [message.cursor for message in messages]
        items = [self.encode(message, encoder) for message in messages]
        return Span(cursors, items, limit is None or len(messages) < limit)

    def carry(self, feed: Feed) -> None:
        """Add a feed that wants this channel's messages."""
        self.feeds.setdefault(feed.encoder, []).append(feed)

    def drop(self, feed: Feed) -> None:
        """Take a feed out."""
        feeds = self.feeds[feed.encoder]
        feeds.remove(feed)
        if not feeds:
            del self.feeds[feed.encoder]
            self._columns.pop(feed.encoder, None)

    def restart(self, floor: Cursor, *, bottom: bool) -> None:
        """Begin anew: nothing is known up to the floor, or, at the bottom, kept anywhere."""
        self.ring = Ring(self.ring.retention, floor)
        self.bottom = bottom
        for column in self._columns.values():
            column.clear()

    def fill(self, messages: Sequence[Message], floor: Cursor, *, bottom: bool) -> None:
        """Add every message in `(floor, ring.floor]`; a full ring leaves nothing below it."""
        self.ring.prepend(messages, floor)
        self.bottom = bottom or len(self.ring) >= self.ring.retention.messages

    def shed(self) -> None:
        """Give the ring's memory back; who needs it again reads it from the store."""
        self.ring.clear()
        self.bottom = False
        for column in self._columns.values():
            column.clear()

    def extend(self, messages: Sequence[Message]) -> None:
        """Add messages to the ring that came by a read or waited in `pending`."""
        for message in messages:
            self.ring.append(message)

    def _prune(self, column: dict[Cursor, bytes]) -> None:
        floor = self.ring.floor
        for cursor in [cursor for cursor in column if cursor <= floor]:
            del column[cursor]
