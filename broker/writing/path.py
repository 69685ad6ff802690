"""The write path: the same bytes to many connections; and the plain one, a system call each."""

from __future__ import annotations

from collections.abc import Collection
from os import write
from typing import NamedTuple, Protocol

FAILED = -1
"""Stands for the bytes taken where a write failed."""


class Short(NamedTuple):
    """
    A connection that did not take everything.

    Attributes:
        place: Which of those aimed at, counted from 0.
        taken: Bytes that it took; `FAILED` when it took none, or is gone.
    """

    place: int
    taken: int


class Aim(NamedTuple):
    """
    Connections made ready to be written to, as often as they stay the same.

    Attributes:
        descriptors: Of their sockets.
        requests: What the kernel is handed for each, one after the other; empty where every
            write is a call of its own.
    """

    descriptors: tuple[int, ...]
    requests: bytes = b""


class WritePath(Protocol):
    """
    Writes the same bytes to many connections, without ever waiting for one of them.

    Attributes:
        name: Stands in metrics.
    """

    name: str

    def aim(self, descriptors: Collection[int]) -> Aim:
        """
        Make connections ready to be written to.

        Args:
            descriptors: Those of non-blocking stream sockets, or -1: nothing can be written there.
        """

    def write(self, aim: Aim, data: bytes) -> list[Short]:
        """
        Write to each connection once, and tell which did not take all of it.

        Args:
            aim: The connections, all of them still open.
            data: The bytes.
        """

    def close(self) -> None:
        """Free what it holds."""


class PlainPath:
    """One `write` each: works everywhere."""

    name = "plain"

    def aim(self, descriptors: Collection[int]) -> Aim:
        """Return the descriptors."""
        return Aim(tuple(descriptors))

    def write(self, aim: Aim, data: bytes) -> list[Short]:
        """Write to each; see `WritePath.write`."""
        size = len(data)
        short: list[Short] = []
        for place, descriptor in enumerate(aim.descriptors):
            try:
                taken = write(descriptor, data)
            except OSError:
                taken = FAILED
            if taken != size:
                short.append(Short(place, taken))
        return short

    def close(self) -> None:
        """Nothing is held."""
