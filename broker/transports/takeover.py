"""
Taking a connection over from aiohttp, so that nothing of aiohttp stays alive with it.

aiohttp parses, routes and authorises a request; its handler then calls `take_over` and returns
the response that it gets. From that moment the transport belongs to our connection, and request,
task, parser and headers are garbage: 1.5 KiB a connection instead of 14 (`design.md`, section 10).

This is the one file that leans on aiohttp's inside: `RequestHandler._messages` (requests already
parsed behind this one), `_parser` and `_upgraded` (what it is in the middle of), `_close` (whether
it ends behind this one), `_task_handler` (its task) and what `connection_lost` lets go. The tests
of this module watch each of them; run them first when aiohttp moves.
"""

from __future__ import annotations

from asyncio import BaseProtocol, BaseTransport, Transport
from collections.abc import Callable
from typing import Final, TypeVar, cast
from typing import Protocol as Shape

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import HttpProcessingError, WebSocketReader

from broker.core.errors import BadRequest


class Taker(Shape):
    """What takes a connection over: a protocol of the loop that can write."""

    def connection_made(self, transport: BaseTransport) -> None:
        """Take the transport on."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note that the client is gone."""

    def data_received(self, data: bytes) -> None:
        """Take what the client has sent."""

    def write(self, data: bytes) -> bool:
        """Send bytes."""


AnyConnection = TypeVar("AnyConnection", bound=Taker)

_PROBE: Final = b"GET /probe HTTP/1.1\r\nHost: probe\r\n\r\n"
_PROBED: Final = [("GET", "/probe", ((b"Host", b"probe"),))]
_NOT_ALONE: Final = "a subscription must be the last request on its connection"


class TakenOver(web.StreamResponse):
    """What a handler returns for a connection that is no longer aiohttp's: sends nothing."""

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:  # noqa: ARG002
        """Do nothing: the head was written by `take_over`."""
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing: the connection goes on without aiohttp."""


class _EarlyBytes:
    """Stands where aiohttp keeps a WebSocket's reader; collects what came behind the request."""

    __slots__ = ("data",)

    def __init__(self) -> None:
        self.data = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.data += data
        return False, b""

    def feed_eof(self) -> None:
        pass


def take_over(
    request: web.BaseRequest,
    make: Callable[[], AnyConnection],
    head: bytes,
) -> AnyConnection:
    """
    Give a request's connection to a protocol of ours, and send the head of its answer.

    What the client sent behind the request, in the same segment perhaps, reaches the new
    connection before this returns. If the client has gone meanwhile, or has closed its side, the
    new connection is at its end already, and says so to any session that is bound to it.

    The handler then binds the session and returns `TakenOver` without another `await`.

    Args:
        request: The request that is answered, without a body or with one that was read.
        make: Makes the connection; called only if it is taken over.
        head: Status line and headers, with the empty line, and what else comes first.

    Returns:
        The connection, at work.

    Raises:
        BadRequest: more requests came behind this one, whole or in part, or it has a body; answer
            by aiohttp. Behind a part, aiohttp closes after the answer.
    """
    _refuse_company(request)
    protocol, transport = request.protocol, request.transport
    connection = make()
    if transport is None or transport.is_closing() or sends_no_more(request):
        connection.connection_lost(None)
        return connection
    early = _release(protocol, transport, connection)
    connection.connection_made(transport)
    if head:
        connection.write(head)
    if early:
        connection.data_received(early)
    return connection


def sends_no_more(request: web.BaseRequest) -> bool:
    """Tell whether a client has closed its side: aiohttp may answer, then it hangs up."""
    return getattr(request.protocol, "sends_no_more", False)  # of a connection of `server`


def _refuse_company(request: web.BaseRequest) -> None:
    protocol = request.protocol
    if protocol._messages:  # noqa: SLF001  # nothing public tells
        raise BadRequest(_NOT_ALONE)
    if request.body_exists and not request.content.at_eof():
        raise BadRequest("the body has not been read", field="Content-Length")
    if _holds_half_a_request(request):
        protocol.close()  # once this request is answered: what follows can no longer be read
        raise BadRequest(_NOT_ALONE)


def _holds_half_a_request(request: web.BaseRequest) -> bool:
    """
    Tell whether aiohttp's parser has begun to read another request, which would be lost.

    No parser says so; but one that stands between requests reads a probe as nothing but itself.
    """
    protocol = request.protocol
    if protocol._upgraded or not request.keep_alive:  # noqa: SLF001  # then it reads no more anyway
        return False
    parser = protocol._parser  # noqa: SLF001
    if parser is None:
        return False
    try:
        messages, _, _ = parser.feed_data(_PROBE)
    except HttpProcessingError:
        return True
    read = [(message.method, message.path, message.raw_headers) for message, _ in messages]
    return read != _PROBED


def _release(protocol: web.RequestHandler, transport: Transport, connection: Taker) -> bytes:
    """Part aiohttp from its transport; return what it had read beyond the request."""
    early = _EarlyBytes()
    # Hands over what was read behind the request, and resumes reading if aiohttp had paused it.
    protocol.set_parser(cast("WebSocketReader", early))
    transport.set_protocol(cast("BaseProtocol", connection))
    protocol.transport = None  # or it would be closed
    protocol._task_handler = None  # noqa: SLF001  # or, by configuration, it would be cancelled
    protocol.connection_lost(None)
    return early.data
