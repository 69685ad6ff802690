"""The board: memory that a supervisor and its workers share, a place for each one's numbers."""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple
import logging
import mmap
import zlib

_log = logging.getLogger(__name__)

SHEET_BYTES = 512 * 1024
"""Room for the numbers of one worker: 4,000 series; pages that nobody writes take no memory."""

_HEAD = Struct("<III")  # how often the place was written, length, checksum
_SHEETS = (0, 1)


class _Sheet(NamedTuple):
    """What stands on a sheet: which time the place was written, and what; 0 for nothing whole."""

    number: int
    data: bytes


class Board:
    """
    Places that each have one writer and any number of readers, without locks.

    Made before the first worker is forked; it ends with the last process that has it. Every place
    has two sheets, written in turns, each with a checksum: whatever moment a worker is killed at,
    one of them is whole.

    Args:
        places: How many.
        sheet_bytes: Room in a place.
    """

    def __init__(self, places: int, sheet_bytes: int = SHEET_BYTES) -> None:
        self.places = places
        self._sheet_bytes = sheet_bytes
        self._memory = mmap.mmap(-1, places * len(_SHEETS) * self._stride)
        self._is_full = False

    @property
    def _stride(self) -> int:
        return _HEAD.size + self._sheet_bytes

    def write(self, place: int, data: bytes) -> None:
        """Put data in a place; what is too long for it is not written, and logged once."""
        if len(data) > self._sheet_bytes:
            if not self._is_full:
                _log.error("the numbers of a worker take %d bytes, too many to share", len(data))
            self._is_full = True
            return
        first, second = (self._read(place, sheet).number for sheet in _SHEETS)
        sheet = int(second < first)  # never the newest whole one
        number = max(first, second) + 1
        at = self._at(place, sheet)
        self._memory[at + _HEAD.size : at + _HEAD.size + len(data)] = data
        _HEAD.pack_into(self._memory, at, number, len(data), zlib.crc32(data, number))

    def read(self, place: int) -> bytes:
        """Return the last whole data of a place; empty when there is none yet."""
        return max(self._read(place, sheet) for sheet in _SHEETS).data

    def _read(self, place: int, sheet: int) -> _Sheet:
        at = self._at(place, sheet)
        number, length, checksum = _HEAD.unpack_from(self._memory, at)
        start = at + _HEAD.size
        data = self._memory[start : start + min(length, self._sheet_bytes)]
        is_whole = number and zlib.crc32(data, number) == checksum
        return _Sheet(number, data) if is_whole else _Sheet(0, b"")

    def _at(self, place: int, sheet: int) -> int:
        return (place * len(_SHEETS) + sheet) * self._stride
