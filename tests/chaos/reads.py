"""Counting what a node reads from the store, from the commands on their way there."""

from __future__ import annotations

from broker.core.cursor import Cursor
from broker.store.scripts import READ

_RUNS = (b"EVALSHA", b"EVAL")
_READING = frozenset(text.encode() for source in READ for text in source)
"""The reading script, by digest and in full."""

_FIXED_ARGUMENTS = 5
"""Of the reading script, before one cursor for each channel."""


class ReadCounter:
    """
    Counts reads of histories, by channel: one call may hold many.

    A look at the end of a channel, as the audit takes it all the time, is no read of its history.

    Args:
        behind: Reads that begin at this cursor or before it count.

    Attributes:
        reads: How many channels' histories were read.
        calls: In how many calls.
    """

    def __init__(self, behind: tuple[int, int]) -> None:
        self.reads = 0
        self.calls = 0
        self._behind = Cursor(*behind)

    def command(self, words: list[bytes]) -> None:
        """Take a command, word by word."""
        if words[0].upper() not in _RUNS or words[1] not in _READING:
            return
        keys = int(words[2])
        first = 3 + keys + _FIXED_ARGUMENTS
        cursors = words[first : first + keys // 2]  # the clock, then two keys a channel
        read = sum(Cursor.parse(text.decode()) <= self._behind for text in cursors)
        self.reads += read
        self.calls += read > 0
