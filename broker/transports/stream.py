"""Answers without an end: server-sent events and chunked streams."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import HttpVersion, HttpVersion11

from broker.core.cursor import Cursor
from broker.core.errors import BrokerError
from broker.core.frames import NORMAL
from broker.transports.connection import Connection, ConnectionLimits
from broker.transports.traffic import Traffic
from broker.wheel import Wheel

LAST_CHUNK = b"0\r\n\r\n"
"""Ends a chunked body (RFC 9112, section 7.1)."""

Goodbye = Callable[[BrokerError | None, Cursor, float | None], bytes]
"""Makes the last words of a dialect, without chunk framing: error, cursor, seconds to wait."""


@dataclass(frozen=True, slots=True)
class StreamLimits(ConnectionLimits):
    """
    Bounds of a stream.

    Attributes:
        max_ignored_bytes: What a client may send after its request; beyond, it is cut.
    """

    max_ignored_bytes: int = 4096


def stream_head(
    version: HttpVersion, headers: Mapping[str, str], status: HTTPStatus = HTTPStatus.OK
) -> bytes:
    """
    Return the head of a streamed answer: chunked, or up to the end of the connection (HTTP/1.0).

    Args:
        version: The client's version of HTTP.
        headers: Headers of the answer, from our own configuration.
        status: Status of the answer.

    Source: RFC 9112, sections 6.1 and 6.3.
    """
    lines = [f"HTTP/1.1 {int(status)} {status.phrase}", "Connection: close"]
    if is_chunked(version):
        lines.append("Transfer-Encoding: chunked")
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def is_chunked(version: HttpVersion) -> bool:
    """Tell whether a client of that version of HTTP reads chunks."""
    return version >= HttpVersion11


def chunk(data: bytes) -> bytes:
    """
    Return data as one chunk of a body; nothing gives nothing, because an empty chunk is the last.

    Source: RFC 9112, section 7.1.
    """
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


class StreamConnection(Connection):
    """
    A streamed answer after its head.

    Who writes frames the data, since writes may go to `fd` directly: the encoder of a chunked
    stream makes chunks. The client has nothing to say; what it sends is dropped.

    Args:
        wheel: Times the end.
        limits: Bounds.
        chunked: Whether the body is chunked.
        goodbye: Makes the last words of the dialect.
        traffic: Counts streams.
    """

    __slots__ = ("_chunked", "_goodbye", "_ignored")

    limits: StreamLimits

    def __init__(
        self,
        wheel: Wheel,
        limits: StreamLimits,
        *,
        chunked: bool,
        goodbye: Goodbye | None = None,
        traffic: Traffic | None = None,
    ) -> None:
        super().__init__(wheel, limits, traffic)
        self._chunked = chunked
        self._goodbye = goodbye
        self._ignored = 0

    def data_received(self, data: bytes) -> None:
        """Drop what the client says, and the client if it says too much."""
        self._ignored += len(data)
        if self._ignored > self.limits.max_ignored_bytes:
            self._lose()
            self.abort()

    def _say_goodbye(
        self, error: BrokerError | None, cursor: Cursor, retry_after_s: float | None
    ) -> None:
        words = b"" if self._goodbye is None else self._goodbye(error, cursor, retry_after_s)
        last = chunk(words) + LAST_CHUNK if self._chunked else words
        self._finish(last, NORMAL if error is None else error.close_code)
