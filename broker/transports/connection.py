"""The connection: one subscriber's socket, once aiohttp has let go of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from asyncio import BaseTransport, Protocol, Transport, get_running_loop
from dataclasses import dataclass
from typing import Protocol as Shape
from typing import cast
import os

from broker.core.cursor import Cursor
from broker.core.errors import BrokerError
from broker.transports.traffic import LOST, Traffic
from broker.wheel import Wheel

NO_FD = -1
"""Stands for a descriptor that must not be written to."""


class Attached(Shape):
    """What a connection tells its session; `core.session.Session` is one."""

    def stalled(self) -> None:
        """Take note that bytes had to be buffered: write nothing until `drained`."""

    def drained(self) -> None:
        """Take note that the buffer is empty again."""

    def lost(self) -> None:
        """Take note that the connection is gone, or about to go at the client's wish."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """
    Bounds of any connection.

    Attributes:
        close_timeout_s: Seconds from the goodbye until the connection is cut: for the client to
            take what is buffered and, on a WebSocket, to answer the close frame.
    """

    close_timeout_s: float = 5.0


class Connection(Protocol, ABC):
    """
    The outlet of one session, and the protocol of its transport.

    Owns no task, no timer and no buffer. Bytes go straight to the descriptor while nothing is
    buffered; what the kernel does not take at once goes to the transport, whose high-water mark
    is 0, so the session is told `stalled` at that moment and `drained` when it is empty again.
    TLS connections have no descriptor: their bytes always go through the transport, which hands
    up to 64 KiB on to the socket's own transport before it counts them as buffered.

    A write that fails cuts the connection, and the session hears `lost` soon after; it never
    raises. After `end`, and once the client is gone, writes are dropped.

    Args:
        wheel: Times the end.
        limits: Bounds.
        traffic: Counts the connections of its kind; one of its own by default.

    Attributes:
        fd: Descriptor of a plain socket; `NO_FD` on TLS, before the start and after the end.
        session: Who is served; None before `bind` and after `lost`.

    Source: `design.md` section 10, rules 1, 2 and 12.
    """

    __slots__ = (
        "_ending",
        "_paused",
        "_traffic",
        "_transport",
        "_wheel",
        "fd",
        "limits",
        "session",
    )

    limits: ConnectionLimits

    def __init__(
        self, wheel: Wheel, limits: ConnectionLimits, traffic: Traffic | None = None
    ) -> None:
        self.fd = NO_FD
        self._traffic = traffic or Traffic()
        self.limits = limits
        self.session: Attached | None = None
        self._wheel = wheel
        self._transport: Transport | None = None
        self._paused = False
        self._ending = False

    @property
    def ending(self) -> bool:
        """Whether the goodbye was said or the client is gone: nothing more is sent."""
        return self._ending

    def bind(self, session: Attached) -> None:
        """Give the connection its session, which hears at once if it came too late."""
        if self._ending:
            session.lost()
            return
        self.session = session
        if self._paused:
            session.stalled()

    # --- what the session says ---------------------------------------------------------------

    def write(self, data: bytes) -> bool:
        """Send bytes, in order; False when a rest is buffered or the connection is over."""
        if self._paused or self.fd < 0:
            return self._buffer(data)
        try:
            sent = os.write(self.fd, data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.abort()
            return False
        return sent == len(data) or self._buffer(memoryview(data)[sent:])

    def spill(self, rest: bytes | memoryview) -> None:
        """Send, by way of the buffer, what a direct write to `fd` could not."""
        self._buffer(rest)

    def answered(self, cursor: Cursor) -> None:
        """Take note that a poll has its answer; streams have none."""

    def end(self, error: BrokerError | None, cursor: Cursor, retry_after_s: float | None) -> None:
        """Say goodbye and close, within `close_timeout_s`; further calls do nothing."""
        if not self._ending:
            self._say_goodbye(error, cursor, retry_after_s)

    @abstractmethod
    def _say_goodbye(
        self, error: BrokerError | None, cursor: Cursor, retry_after_s: float | None
    ) -> None:
        """Call `_finish` with what the dialect says last."""

    def abort(self) -> None:
        """Cut the connection; what is buffered is dropped."""
        if not self._ending:
            self._note_loss()
        self._ending = True
        self.fd = NO_FD
        if self._transport is not None:
            self._transport.abort()

    def _buffer(self, rest: bytes | memoryview) -> bool:
        if self._ending or self._transport is None:
            return False
        self._transport.write(rest)
        return not self._paused

    def _finish(self, last: bytes, code: int | None = None, *, wait: bool = False) -> None:
        """
        Send the last bytes and close within `close_timeout_s`.

        Args:
            last: What is sent after everything that is buffered.
            code: How the subscription ends, as a close code; None where none does.
            wait: Whether the client has the next word, so that only the deadline closes.
        """
        if self._ending or self._transport is None:
            return
        if code is not None:
            self._traffic.closed(code)
        if last:
            self.write(last)
        self._ending = True
        self.fd = NO_FD
        self._wheel.add(_Deadline(self), get_running_loop().time() + self.limits.close_timeout_s)
        if not wait:
            self._transport.close()

    def _note_loss(self) -> None:
        """Count a subscription that ends because its client has gone."""
        self._traffic.closed(LOST)

    def _lose(self) -> None:
        """Tell the session, once, that it is alone."""
        session, self.session = self.session, None
        if session is not None:
            session.lost()

    # --- what the loop says ------------------------------------------------------------------

    def connection_made(self, transport: BaseTransport) -> None:
        """Take a transport on; it may already hold bytes of an earlier answer."""
        self._transport = cast("Transport", transport)
        self._traffic.enter(transport)
        if self._transport.get_extra_info("sslcontext") is None:
            self._transport.set_write_buffer_limits(high=0)
            self.fd = self._transport.get_extra_info("socket").fileno()
        else:
            # A TLS transport pauses at the mark, not above it.
            self._transport.set_write_buffer_limits(high=1, low=0)
        if self._transport.get_write_buffer_size() and not self._paused:
            self.pause_writing()

    def pause_writing(self) -> None:
        """Take note that something is buffered."""
        self._paused = True
        if self.session is not None:
            self.session.stalled()

    def resume_writing(self) -> None:
        """Take note that nothing is buffered any more."""
        self._paused = False
        if self.session is not None and not self._ending:
            self.session.drained()

    def eof_received(self) -> None:
        """Take a half-close for a goodbye; the transport closes once its buffer is empty."""
        if not self._ending:
            self._note_loss()
        self._lose()
        self._finish(b"")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # cause is no matter
        """Let go of everything; the descriptor is closed right after this."""
        if self._transport is not None:
            if not self._ending:
                self._note_loss()
            self._traffic.leave(self._transport)
        self._ending = True
        self.fd = NO_FD
        self._transport = None
        self._lose()


class _Deadline:
    """Cuts a connection that takes too long to end."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def due(self, now: float) -> None:  # noqa: ARG002  # it was asked for one moment only
        """Cut the connection, unless it is gone; comes once."""
        self._connection.abort()
