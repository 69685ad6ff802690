"""Encoded forms: what the dialects made of a channel's messages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from broker.core.cursor import Cursor
from broker.core.encoder import Encoder
from broker.core.message import Message
from broker.core.ring import Tally

FORM_BYTES = 150
"""Memory of an encoded message beside its bytes: the object and its entry, measured."""

_SPARE_FORMS = 64
"""Forms of one dialect that may always be kept, however short the ring."""


class Forms:
    """
    The messages of one channel in each dialect, every one encoded once.

    Forms of messages that the ring has dropped go in bulk: there are never many more of them than
    of the others.

    Args:
        floor: Gives the cursor up to which the ring has dropped its messages.
        tally: Where their memory is counted.
    """

    __slots__ = ("_columns", "_floor", "_tally")

    def __init__(self, floor: Callable[[], Cursor], tally: Tally) -> None:
        self._floor = floor
        self._tally = tally
        self._columns: dict[Encoder, _Column] = {}

    @property
    def memory_bytes(self) -> int:
        """Estimate of what they take."""
        return sum(_memory_bytes(column.frames) for column in self._columns.values())

    def encode(self, message: Message, encoder: Encoder) -> bytes:
        """Return the message's bytes in a dialect, made once."""
        column = self._columns.get(encoder)
        if column is None:
            column = self._columns[encoder] = _Column()
        frame = column.frames.get(message.cursor)
        if frame is None:
            frame = column.frames[message.cursor] = encoder.message(message)
            self._tally.bytes += FORM_BYTES + len(frame)
            if len(column.frames) > column.limit:
                self._prune(column)
        return frame

    def encode_all(
        self, cursors: Sequence[Cursor], messages: Sequence[Message], encoder: Encoder
    ) -> list[bytes]:
        """
        Return the messages' bytes in a dialect.

        Args:
            cursors: Those of the messages.
            messages: The messages.
            encoder: The dialect.
        """
        column = self._columns.get(encoder)
        made = [] if column is None else list(map(column.frames.get, cursors))
        if column is None or None in made:
            return [self.encode(message, encoder) for message in messages]
        return cast("list[bytes]", made)

    def prune(self) -> None:
        """Forget the forms of messages that the ring has dropped."""
        for column in self._columns.values():
            self._prune(column)

    def clear(self) -> None:
        """Forget every form."""
        self._tally.bytes -= self.memory_bytes
        self._columns.clear()

    def drop(self, encoder: Encoder) -> None:
        """Forget the forms of a dialect that nobody uses any more."""
        column = self._columns.pop(encoder, None)
        if column is not None:
            self._tally.bytes -= _memory_bytes(column.frames)

    def _prune(self, column: _Column) -> None:
        floor = self._floor()
        dropped = [cursor for cursor in column.frames if cursor <= floor]
        self._tally.bytes -= _memory_bytes({at: column.frames.pop(at) for at in dropped})
        column.limit = 2 * len(column.frames) + _SPARE_FORMS


class _Column:
    """The forms of one dialect by cursor, and their number at which to look for dropped ones."""

    __slots__ = ("frames", "limit")

    def __init__(self) -> None:
        self.frames: dict[Cursor, bytes] = {}
        self.limit = _SPARE_FORMS


def _memory_bytes(frames: dict[Cursor, bytes]) -> int:
    return len(frames) * FORM_BYTES + sum(map(len, frames.values()))
