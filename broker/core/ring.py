"""The ring: the last messages of one channel, bounded by count and age."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from broker.core.cursor import START, Cursor
from broker.core.message import Message

MESSAGE_BYTES = 400
"""Memory of a kept message beside its body: the tuples and the list entries, measured."""

_CUT = 8
"""One in so many entries may be evicted before the lists are cut, in bulk: constant time each."""


class Retention(NamedTuple):
    """
    How much of a channel is kept.

    Attributes:
        messages: Messages kept at most; 0 keeps none.
        age_s: Seconds a message is kept at most.
    """

    messages: int = 1000
    age_s: int = 3600


class History(NamedTuple):
    """
    What is kept of one channel after a cursor.

    Attributes:
        channel: Name of the channel.
        messages: Kept messages after the cursor, oldest first.
        gap: Whether messages after the cursor, before the first of these, are no longer kept.
        head: Cursor of the last message the channel ever had, or where its records begin.
        complete: Whether `messages` reaches the head; False when a limit cut it short.
        deleted: Everything up to here was deleted at some time; the beginning if nothing ever was.
    """

    channel: str
    messages: Sequence[Message]
    gap: bool
    head: Cursor
    complete: bool = True
    deleted: Cursor = START


class Tally:
    """
    Memory that rings and what is made of them take, together.

    Attributes:
        bytes: Estimate of it.
    """

    __slots__ = ("bytes",)

    def __init__(self) -> None:
        self.bytes = 0


class Ring:
    """
    The last messages of one channel.

    Holds every message in `(floor, head]`; what lay at or before `floor` is unknown or dropped.
    Appending is amortised constant time, finding a cursor a binary search.

    Args:
        retention: How many messages are kept, and for how long.
        floor: Cursor after which the ring is complete.
        tally: Where the memory of its messages is counted.
    """

    __slots__ = ("_cursors", "_messages", "_start", "_tally", "floor", "head", "retention")

    def __init__(
        self, retention: Retention, floor: Cursor = START, tally: Tally | None = None
    ) -> None:
        self.retention = retention
        self.floor = floor
        self.head = floor
        self._tally = Tally() if tally is None else tally
        self._messages: list[Message] = []
        self._cursors: list[Cursor] = []
        self._start = 0

    def __len__(self) -> int:
        return len(self._messages) - self._start

    @property
    def memory_bytes(self) -> int:
        """Estimate of what its messages take."""
        return _memory_bytes(self._messages[self._start :])

    def append(self, message: Message) -> bool:
        """
        Add the newest message; evict the oldest beyond the count.

        Returns:
            False when the ring is already past this message, which is then left out.
        """
        if message.cursor <= self.head:
            return False
        self._messages.append(message)
        self._cursors.append(message.cursor)
        self.head = message.cursor
        self._tally.bytes += MESSAGE_BYTES + len(message.body)
        excess = len(self._messages) - self._start - self.retention.messages
        if excess > 0:
            self._evict(excess)
        return True

    def prepend(self, messages: Sequence[Message], floor: Cursor) -> None:
        """
        Add older messages, so that the ring is complete after `floor`.

        Args:
            messages: Every message in `(floor, self.floor]` that is still kept, oldest first.
            floor: The new floor; not after the present one.
        """
        self._messages[: self._start] = messages
        self._cursors[: self._start] = [message.cursor for message in messages]
        self._start = 0
        self.floor = floor
        self._tally.bytes += _memory_bytes(messages)
        self._evict(len(self) - self.retention.messages)

    def reach(self, cursor: Cursor) -> None:
        """Take note that nothing more is to come up to the cursor."""
        self.head = max(self.head, cursor)

    def keep(self, retention: Retention) -> None:
        """Keep as much as another retention says, from now on."""
        self.retention = retention
        self._evict(len(self) - retention.messages)

    def expire(self, now: int) -> bool:
        """
        Evict messages older than the retention at `now`, in seconds since the epoch.

        Returns:
            Whether there were any.
        """
        oldest = now - self.retention.age_s
        if self._start == len(self._cursors) or self._cursors[self._start].time >= oldest:
            return False
        self._evict(bisect_left(self._cursors, Cursor(oldest, 0), self._start) - self._start)
        return True

    def clear(self) -> None:
        """Drop every message; the head stays."""
        self._evict(len(self))

    def drop(self, until: Cursor) -> bool:
        """
        Drop every message up to the cursor.

        Returns:
            Whether there were any.
        """
        count = bisect_right(self._cursors, until, self._start) - self._start
        self._evict(count)
        return count > 0

    def covers(self, after: Cursor) -> bool:
        """Tell whether the ring holds every message after the cursor."""
        return after >= self.floor

    def stretch(
        self, after: Cursor, limit: int | None = None
    ) -> tuple[Sequence[Cursor], Sequence[Message]]:
        """Return the kept messages after the cursor, at most `limit`, and their cursors."""
        first = bisect_right(self._cursors, after, self._start)
        stop = None if limit is None else first + limit
        return self._cursors[first:stop], self._messages[first:stop]

    def between(self, after: Cursor, until: Cursor) -> Sequence[Cursor]:
        """Return the cursors of the kept messages after a cursor and up to another."""
        first = bisect_right(self._cursors, after, self._start)
        return self._cursors[first : bisect_right(self._cursors, until, first)]

    def newest(self, until: Cursor) -> Message | None:
        """Return the last kept message up to a cursor."""
        stop = bisect_right(self._cursors, until, self._start)
        return self._messages[stop - 1] if stop > self._start else None

    def since(self, after: Cursor, limit: int | None = None) -> Sequence[Message]:
        """Return the kept messages after the cursor, oldest first, at most `limit`."""
        first = bisect_right(self._cursors, after, self._start)
        return self._messages[first : None if limit is None else first + limit]

    def history(self, channel: str, after: Cursor, limit: int | None = None) -> History:
        """Return what is kept after the cursor, and whether something before it is not."""
        messages = self.since(after)
        complete = limit is None or len(messages) <= limit
        kept = messages if complete else messages[:limit]
        return History(channel, kept, not self.covers(after), self.head, complete)

    def _evict(self, count: int) -> None:
        if count <= 0:
            return
        start, end = self._start, self._start + count
        self.floor = max(self.floor, self._cursors[end - 1])
        if count == 1:
            self._tally.bytes -= MESSAGE_BYTES + len(self._messages[start].body)
        else:
            self._tally.bytes -= _memory_bytes(self._messages[start:end])
        if end * _CUT > len(self._messages):
            del self._messages[:end], self._cursors[:end]
            end = 0
        self._start = end


def _memory_bytes(messages: Sequence[Message]) -> int:
    return len(messages) * MESSAGE_BYTES + sum(len(message.body) for message in messages)
