"""
The kernel's submission queue (io_uring), for one purpose: many sends in one system call.

Every send says "do not wait", so all of them are over when the call returns: nothing is ever under
way, and a buffer may go as soon as its send was asked for. The layout of what is shared with the
kernel is the same on every 64-bit little-endian Linux (`linux/io_uring.h`, `io_uring_setup(2)`).
"""

from __future__ import annotations

from array import array
from collections.abc import Collection
from errno import EBUSY, EINTR, ENOSYS
from mmap import MAP_SHARED, mmap
from struct import Struct
import ctypes
import logging
import os
import sys

_log = logging.getLogger(__name__)

_SETUP, _ENTER = 425, 426
"""Numbers of the system calls, on every architecture."""
_AT_RINGS, _AT_REQUESTS = 0, 0x10000000
"""Offsets at which to map the two rings and the requests."""
_MAP_POPULATE = 0x8000
_SINGLE_MAP = 1 << 0
_NO_DROP = 1 << 1
_GET_EVENTS = 1 << 0

_SENDMSG = 9
_DO_NOT_WAIT, _NO_SIGNAL = 0x40, 0x4000

_PARAMETERS = Struct("<10I 10I 10I")
"""`struct io_uring_params`: 10 numbers, then the offsets of the two rings."""
_REQUEST = Struct("<BBHiQQIIQ24x")
"""`struct io_uring_sqe`: opcode, flags, priority, descriptor, offset, address, length, …, tag."""
_DESCRIPTOR = 1
"""Where the descriptor stands in it, counted in numbers of 4 bytes."""
_RESULT_BYTES = 16
"""`struct io_uring_cqe`: tag of the request, result, flags."""

REQUEST_BYTES = _REQUEST.size


class _Piece(ctypes.Structure):
    """`struct iovec`."""

    _fields_ = (("base", ctypes.c_char_p), ("size", ctypes.c_size_t))


class _Envelope(ctypes.Structure):
    """`struct msghdr`."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_size", ctypes.c_uint32),
        ("pieces", ctypes.POINTER(_Piece)),
        ("piece_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_size", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class Uring:
    """
    A submission queue of this process.

    Args:
        entries: Sends in one system call at most; a power of two.

    Raises:
        OSError: the kernel has none, does not let this process have one, or is too old.
    """

    def __init__(self, entries: int) -> None:
        if sys.platform != "linux" or sys.byteorder != "little" or sys.maxsize < 2**32:
            raise OSError(ENOSYS, os.strerror(ENOSYS))
        self.entries = entries
        self._works = True
        library = ctypes.CDLL(None, use_errno=True)
        self._call = library.syscall
        self._call.argtypes = [ctypes.c_long] * 7
        self._call.restype = ctypes.c_long
        parameters = ctypes.create_string_buffer(_PARAMETERS.size)
        self._descriptor = self._call(
            *(_SETUP, entries, ctypes.addressof(parameters), 0, 0, 0, 0),
        )
        if self._descriptor < 0:
            raise _error()
        self._piece = _Piece()
        self._envelope = _Envelope(pieces=ctypes.pointer(self._piece), piece_count=1)
        self._blank = b""
        try:
            self._map(_PARAMETERS.unpack(parameters.raw))
        except BaseException:
            os.close(self._descriptor)
            raise

    def _map(self, numbers: tuple[int, ...]) -> None:
        """Map what is shared with the kernel, by the numbers that it filled in."""
        entries, results, _, _, _, features = numbers[:6]
        if not features & _SINGLE_MAP or not features & _NO_DROP:
            raise OSError(ENOSYS, os.strerror(ENOSYS))
        # Offsets in the submission ring: head, tail, mask, entries, flags, dropped, array, ...
        # and in the completion ring: head, tail, mask, entries, overflow, results, ...
        sent, done = numbers[10:20], numbers[20:30]
        size = max(sent[6] + entries * 4, done[5] + results * _RESULT_BYTES)
        flags = MAP_SHARED | _MAP_POPULATE
        self._rings = mmap(self._descriptor, size, flags, offset=_AT_RINGS)
        self._requests = mmap(self._descriptor, entries * REQUEST_BYTES, flags, offset=_AT_REQUESTS)
        self._numbers = memoryview(self._rings).cast("I")
        self._head, self._tail = sent[0] // 4, sent[1] // 4
        self._done_head, self._done_tail = done[0] // 4, done[1] // 4
        self._mask, self._done_mask = entries - 1, results - 1
        for place in range(entries):
            self._numbers[sent[6] // 4 + place] = place
        table = memoryview(self._rings)[done[5] : done[5] + results * _RESULT_BYTES]
        self._tags, self._results = table.cast("Q")[::2], table.cast("i")[2::4]

    def requests(self, descriptors: Collection[int]) -> bytes:
        """
        Return the requests to send to sockets what `send` will be given, tagged from 0.

        Args:
            descriptors: Those of the sockets.
        """
        count = len(descriptors)
        if count * REQUEST_BYTES > len(self._blank):
            self._blank = b"".join(map(self._blank_request, range(count)))
        made = bytearray(self._blank[: count * REQUEST_BYTES])
        memoryview(made).cast("i")[_DESCRIPTOR :: REQUEST_BYTES // 4] = array("i", descriptors)
        return bytes(made)

    def _blank_request(self, tag: int) -> bytes:
        address = ctypes.addressof(self._envelope)
        return _REQUEST.pack(*(_SENDMSG, 0, 0, -1, 0, address, 1, _DO_NOT_WAIT | _NO_SIGNAL, tag))

    def send(self, requests: bytes, data: bytes) -> list[tuple[int, int]]:
        """
        Send the same bytes to each of some sockets.

        Args:
            requests: What `requests` returned, or some of it; at most `entries`.
            data: The bytes.

        Returns:
            The tag of each socket that did not take all, with the bytes that it took, or the
            negative number of the error. What a broken queue did not send is not among them, see
            `unsent`.
        """
        self._piece.base = data
        self._piece.size = len(data)
        count = len(requests) // REQUEST_BYTES
        place = self._numbers[self._tail] & self._mask
        first = min(count, self.entries - place) * REQUEST_BYTES
        begin = place * REQUEST_BYTES
        self._requests[begin : begin + first] = requests[:first]
        if first < len(requests):
            self._requests[: len(requests) - first] = requests[first:]
        self._numbers[self._tail] = (self._numbers[self._tail] + count) & 0xFFFFFFFF
        try:
            self._submit(count)
        except OSError:
            _log.warning("io_uring refuses to send; every write is a system call from now on")
            self._works = False
        return self._collect(len(data))

    def works(self) -> bool:
        """Tell whether the kernel has taken every call so far."""
        return self._works

    @property
    def unsent(self) -> int:
        """How many of the last requests, counted from their end, a broken queue did not send."""
        return (self._numbers[self._tail] - self._numbers[self._head]) & 0xFFFFFFFF

    def close(self) -> None:
        """Give everything back; sends nothing any more. Closing again does nothing."""
        self._works = False
        if self._descriptor < 0:
            return
        for view in (self._tags, self._results, self._numbers):
            view.release()
        os.close(self._descriptor)
        self._descriptor = -1

    def _submit(self, count: int) -> None:
        """
        Have the kernel make so many sends.

        Raises:
            OSError: it does not.
        """
        enter, descriptor = self._call, self._descriptor
        left = count
        while left:
            sent = enter(_ENTER, descriptor, left, 0, 0, 0, 0)
            if sent == 0:
                raise OSError(EBUSY, os.strerror(EBUSY))
            if sent > 0:
                left -= sent
            elif ctypes.get_errno() != EINTR:
                raise _error()
        while self._arrived < count:  # not seen, but nothing says that it cannot be
            seen = enter(_ENTER, descriptor, 0, count - self._arrived, _GET_EVENTS, 0, 0)
            if seen < 0 and ctypes.get_errno() != EINTR:
                raise _error()

    @property
    def _arrived(self) -> int:
        return (self._numbers[self._done_tail] - self._numbers[self._done_head]) & 0xFFFFFFFF

    def _collect(self, size: int) -> list[tuple[int, int]]:
        """Take every result; return those that are not `size`."""
        count = self._arrived
        head = self._numbers[self._done_head]
        begin = head & self._done_mask
        end = begin + count
        results = self._results[begin:end].tolist()
        if len(results) < count:
            results += self._results[: count - len(results)].tolist()
        short = []
        if results.count(size) != count:
            short = [
                (self._tags[(begin + place) & self._done_mask], result)
                for place, result in enumerate(results)
                if result != size
            ]
        self._numbers[self._done_head] = (head + count) & 0xFFFFFFFF
        return short


def _error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
