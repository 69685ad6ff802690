"""The batched write path: the sends of many connections in one system call."""

from __future__ import annotations

from collections.abc import Collection
from errno import EAGAIN, EBADF, ENOSYS
from socket import SO_SNDBUF, SOL_SOCKET, socketpair
import os

from broker.writing.path import FAILED, Aim, PlainPath, Short, WritePath
from broker.writing.uring import REQUEST_BYTES, Uring

ENTRIES = 256
"""Sends in one system call; as many as the pump makes in one slice."""
_MOST_BYTES = ENTRIES * REQUEST_BYTES
FEW = 4
"""Fewer connections than this are written to one by one: a batch would cost more than it saves."""


class NoUring(OSError):
    """The write path that is asked for does not work on this machine; the text says why."""


class BatchedPath:
    """
    One system call for up to `ENTRIES` connections, where the kernel lets us.

    Should the kernel refuse a call later on, everything is written one by one from there.

    Raises:
        OSError: the kernel has no io_uring, or keeps it from this process.
    """

    name = "io_uring"

    def __init__(self) -> None:
        self._plain = PlainPath()
        self._uring = Uring(ENTRIES)
        try:
            _try(self._uring)
        except BaseException:
            self._uring.close()
            raise

    def aim(self, descriptors: Collection[int]) -> Aim:
        """Return the requests to write to each."""
        if len(descriptors) < FEW:
            return self._plain.aim(descriptors)
        return Aim(tuple(descriptors), self._uring.requests(descriptors))

    def write(self, aim: Aim, data: bytes) -> list[Short]:
        """Write to each; see `WritePath.write`."""
        descriptors, requests = aim
        if not requests:
            return self._plain.write(aim, data)
        uring = self._uring
        short: list[Short] = []
        done = 0
        for begin in range(0, len(requests), _MOST_BYTES):
            if not uring.works():
                break
            some = requests[begin : begin + _MOST_BYTES]
            short += [Short(place, max(taken, FAILED)) for place, taken in uring.send(some, data)]
            done += len(some) // REQUEST_BYTES - uring.unsent
        if done < len(descriptors):
            rest = self._plain.write(Aim(descriptors[done:]), data)
            short += [Short(done + place, taken) for place, taken in rest]
        return short

    def close(self) -> None:
        """Give the queue back."""
        self._uring.close()


def path_of(io_uring: str) -> WritePath:
    """
    Return the write path to use.

    Args:
        io_uring: "on", "off", or "auto": wherever it works.

    Raises:
        NoUring: it is "on", and does not work here.
    """
    if io_uring == "off":
        return PlainPath()
    try:
        return BatchedPath()
    except OSError as error:
        if io_uring == "on":
            raise NoUring(
                f"io_uring is on, but does not work here ({error.strerror}); let it be auto"
            ) from None
        return PlainPath()


def _try(uring: Uring) -> None:
    """
    Send to a socket that takes it, to one that is full, and to none, and compare what comes back.

    Raises:
        OSError: the queue does not do what it should.
    """
    near, far = socketpair()
    with near, far:
        near.setblocking(False)
        near.setsockopt(SOL_SOCKET, SO_SNDBUF, 1)
        try:
            while near.send(bytes(4096)):
                pass
        except BlockingIOError:
            pass
        far.setblocking(False)
        requests = uring.requests((near.fileno(), -1, far.fileno()))
        expected = [(0, -EAGAIN), (1, -EBADF)]
        if uring.send(requests, b"x") != expected or near.recv(2) != b"x":
            raise OSError(ENOSYS, os.strerror(ENOSYS))
