"""The run: the frames of a feed that are still to be written, and where each one stands."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from broker.core.cursor import Cursor
from broker.core.recovery import Span

_TRIM = 1024
"""Written frames that may still be held before they are cut off, in bulk."""


class Run:
    """
    Frames in a row. A position counts frames since the beginning, written and dropped ones too.

    Args:
        cursor: Where the feed begins.

    Attributes:
        base: Position of the first frame that is held.
        cursor: Of the last frame, or a later one: everything up to it has been in the run.
        joined: The last bytes that were made of frames: from where, up to where at most, the
            bytes, and up to where they go.
    """

    __slots__ = ("_base_cursor", "_cursors", "_frames", "base", "cursor", "joined")

    def __init__(self, cursor: Cursor) -> None:
        self.base = 0
        self.cursor = cursor
        self._base_cursor = cursor
        self._frames: list[bytes] = []
        self._cursors: list[Cursor] = []
        self.joined: tuple[int, int, bytes, int] | None = None

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def head(self) -> int:
        """Position behind the last frame."""
        return self.base + len(self._frames)

    def has(self, position: int) -> bool:
        """Tell whether every frame from the position on is held."""
        return self.base <= position

    def cursor_at(self, position: int) -> Cursor:
        """Return the cursor of someone who has everything before the position."""
        if position > self.base:
            return self._cursors[position - self.base - 1]
        return self._base_cursor

    def append(self, frame: bytes, cursor: Cursor) -> None:
        """Add a frame."""
        self._frames.append(frame)
        self._cursors.append(cursor)
        self.cursor = cursor

    def rise(self, cursor: Cursor) -> None:
        """Take note that nothing else is to come up to the cursor."""
        self.cursor = cursor
        if not self._frames:
            self._base_cursor = cursor

    def extend(self, span: Span[bytes]) -> None:
        """Add what follows `cursor`."""
        self._frames.extend(span.items)
        self._cursors.extend(span.cursors)

    def frames(self, position: int, end: int, limit_bytes: int) -> Sequence[bytes]:
        """Return the frames from a position up to the end, as many as fit but at least one."""
        frames = self._frames[position - self.base : end - self.base]
        if len(frames) > 1:
            ends = list(accumulate(map(len, frames)))
            if ends[-1] > limit_bytes:
                del frames[max(1, bisect_right(ends, limit_bytes)) :]
        return frames

    def trim(self, position: int) -> None:
        """Drop the frames before a position, once they are many or the last ones."""
        written = position - self.base
        if written == len(self._frames):
            self.clear()
        elif written > _TRIM:
            self._base_cursor = self._cursors[written - 1]
            del self._frames[:written], self._cursors[:written]
            self.base = position

    def clear(self) -> None:
        """Drop every frame; the positions go on."""
        self.base = self.head
        self._base_cursor = self.cursor
        self._frames.clear()
        self._cursors.clear()
        self.joined = None

    def leap(self) -> None:
        """Drop every frame and every position: what follows does not join on."""
        self.clear()
        self.base += 1
