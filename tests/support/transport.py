"""A transport in memory, and a session that notes what it is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
import asyncio
import fcntl
import os

PIPE_BYTES = 4096
"""What a `Pipe` holds: one page, the least that Linux allows."""

_F_SETPIPE_SZ = 1031


class Pipe:
    """
    A real descriptor pair that stands for a socket: writes fail for want of room, or of a reader.

    Attributes:
        writer: Descriptor that takes `PIPE_BYTES`, then says that it would block.
    """

    def __init__(self) -> None:
        self._reader, self.writer = os.pipe()
        fcntl.fcntl(self.writer, _F_SETPIPE_SZ, PIPE_BYTES)
        os.set_blocking(self.writer, False)
        os.set_blocking(self._reader, False)

    def fileno(self) -> int:
        """Return the descriptor to write to, like a socket."""
        return self.writer

    def read(self) -> bytes:
        """Return what was written since the last call."""
        with suppress(BlockingIOError):
            return os.read(self._reader, PIPE_BYTES)
        return b""

    def hang_up(self) -> None:
        """Close the reading end: further writes fail."""
        os.close(self._reader)
        self._reader = -1

    def close(self) -> None:
        """Close what is open."""
        for fd in (self._reader, self.writer):
            if fd >= 0:
                os.close(fd)


@contextmanager
def pipe() -> Iterator[Pipe]:
    """Open a pipe for the length of a test."""
    pair = Pipe()
    try:
        yield pair
    finally:
        pair.close()


class MemoryTransport(asyncio.Transport):
    """
    A transport whose peer reads when the test says so.

    Args:
        socket: What `get_extra_info("socket")` gives.
        tls: Whether it says that it is encrypted.
        held: Bytes of an earlier answer that it still holds.

    Attributes:
        room: Bytes that leave at once; what goes beyond is buffered.
        sent: What has left.
        held: What is buffered.
        state: `open`, `closed` or `aborted`.
        protocol: Who is told; set it before the first write.
    """

    def __init__(self, socket: object = None, *, tls: bool = False, held: bytes = b"") -> None:
        super().__init__({"socket": socket, "sslcontext": object() if tls else None})
        self.room = 0
        self.sent = b""
        self.held = held
        self.state = "open"
        self.protocol: asyncio.Protocol | None = None
        self._high = 65536
        self._tls = tls  # pauses at its mark, not above it, as both loops do
        self._paused = False

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """Send what there is room for, buffer the rest."""
        assert self.state == "open", "nothing may be written to a transport that was closed"
        self.held += bytes(data)
        room, self.room = self.room, max(0, self.room - len(self.held))
        self._send(room)
        mark = self._high - self._tls
        if len(self.held) > mark and not self._paused and self.protocol is not None:
            self._paused = True
            self.protocol.pause_writing()

    def take(self, count: int) -> None:
        """Let the peer read so many bytes of what is buffered."""
        self._send(count)
        if self._paused and not self.held and self.protocol is not None:
            self._paused = False
            self.protocol.resume_writing()

    def _send(self, count: int) -> None:
        self.sent += self.held[:count]
        self.held = self.held[count:]

    def get_write_buffer_size(self) -> int:
        """Return how much is buffered."""
        return len(self.held)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set how much may be buffered before the protocol is told to pause."""
        self._high = 65536 if high is None else high

    def close(self) -> None:
        """Take note of an ordinary end."""
        if self.state == "open":
            self.state = "closed"

    def abort(self) -> None:
        """Take note of a cut."""
        self.state = "aborted"

    def is_closing(self) -> bool:
        """Tell whether it was closed."""
        return self.state != "open"


class NotingSession:
    """
    A session that notes what its connection tells it.

    Attributes:
        heard: Names of the calls, in order.
    """

    def __init__(self) -> None:
        self.heard: list[str] = []

    def stalled(self) -> None:
        """Note that bytes had to be buffered."""
        self.heard.append("stalled")

    def drained(self) -> None:
        """Note that the buffer is empty."""
        self.heard.append("drained")

    def lost(self) -> None:
        """Note that the connection is gone."""
        self.heard.append("lost")
