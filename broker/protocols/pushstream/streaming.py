"""Subscriptions that stay open: WebSocket and server-sent events."""

from __future__ import annotations

from aiohttp import hdrs, web
import orjson

from broker.core.cursor import START, Cursor
from broker.core.encoder import Encoder
from broker.core.errors import BrokerError
from broker.hub import PING_CHANNEL, ping_message
from broker.protocols.pushstream.admission import Admitted
from broker.protocols.pushstream.answers import UNCACHED, cross_origin
from broker.protocols.pushstream.encoders import EventSourceEncoder, WebSocketEncoder
from broker.protocols.pushstream.request import Subscription
from broker.protocols.pushstream.services import Services
from broker.subscribe import Entry
from broker.transports.connection import Connection
from broker.transports.handshake import handshake
from broker.transports.stream import StreamConnection, chunk, is_chunked, stream_head
from broker.transports.takeover import TakenOver, take_over
from broker.transports.websocket import WebSocketConnection

EVENT_TYPE = "text/event-stream; charset=utf-8"

RECONNECT_MS = 3000
"""What event streams ask browsers to wait before they reconnect; the module never said."""

_UNBUFFERED = {"X-Accel-Buffering": "no"}
"""Keeps nginx from holding events back."""


class Streaming:
    """
    Opens WebSockets and event streams.

    Args:
        services: What it works with.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._frames = WebSocketEncoder()
        self._events = {chunked: EventSourceEncoder(chunked=chunked) for chunked in (False, True)}

    async def websocket(self, request: web.Request, path: str) -> web.StreamResponse:
        """
        Open a WebSocket.

        Raises:
            BrokerError: the refusal; if refusals are by close code, only of what is malformed.

        Source: D5, D17, D43; dashly-rts 2.1 and 2.3; RFC 6455, section 4.2.
        """
        services = self._services
        subscription = services.read(request, path)
        services.check_origin(request)
        head = handshake(request, headers=UNCACHED)
        try:
            admitted = await services.admit(subscription)
            entry = await self._enter(admitted, subscription, self._frames)
        except BrokerError as error:
            if not services.refuse_by_close:
                raise
            self._close_at_once(request, head, subscription, error)
            return TakenOver()
        ping = self._ping(admitted, entry, self._frames)
        connection = take_over(request, self._socket, head + ping)
        services.subscriber.attach(entry, connection, admitted.grants, notices=subscription.notices)
        return TakenOver()

    async def events(self, request: web.Request, path: str) -> web.StreamResponse:
        """
        Open an event stream.

        Raises:
            BrokerError: the refusal.

        Source: WHATWG HTML, section 9.2; `design.md` section 6.
        """
        services = self._services
        subscription = services.read(request, path)
        admitted = await services.admit(subscription)
        headers = {
            hdrs.CONTENT_TYPE: EVENT_TYPE,
            **UNCACHED,
            **_UNBUFFERED,
            **cross_origin(services.readable_by(request)),
        }
        if request.method == hdrs.METH_HEAD:
            return web.Response(headers=headers)
        chunked = is_chunked(request.version)
        encoder = self._events[chunked]
        entry = await self._enter(admitted, subscription, encoder)
        first = b"retry: %d\n\n" % RECONNECT_MS
        head = stream_head(request.version, headers) + (chunk(first) if chunked else first)
        connection = take_over(
            request,
            lambda: StreamConnection(
                services.wheel, services.limits.stream, chunked=chunked, goodbye=_goodbye
            ),
            head + self._ping(admitted, entry, encoder),
        )
        services.subscriber.attach(entry, connection, admitted.grants, notices=True)
        return TakenOver()

    async def _enter(
        self, admitted: Admitted, subscription: Subscription, encoder: Encoder
    ) -> Entry:
        return await self._services.subscriber.enter(
            admitted.tenant, admitted.channels, subscription.cursor, encoder
        )

    def _ping(self, admitted: Admitted, entry: Entry, encoder: Encoder) -> bytes:
        """Return the ping that opens a stream, at the session's own cursor."""
        if PING_CHANNEL not in admitted.channels:
            return b""
        return encoder.message(ping_message(self._services.wall_clock(), entry.cursor))

    def _socket(self) -> WebSocketConnection:
        return WebSocketConnection(self._services.wheel, self._services.limits.websocket)

    def _close_at_once(
        self, request: web.Request, head: bytes, subscription: Subscription, error: BrokerError
    ) -> None:
        retry_after_s = self._services.retry_after_s() if error.retry else None
        connection: Connection = take_over(request, self._socket, head)
        connection.end(error, subscription.cursor or START, retry_after_s)


def _goodbye(error: BrokerError | None, cursor: Cursor, retry_after_s: float | None) -> bytes:
    """Return the last event of a stream: why it ends, and when to come back."""
    retry = b"" if retry_after_s is None else b"retry: %d\n" % int(retry_after_s * 1000)
    told: dict[str, object] = {"cursor": str(cursor)}
    if error is not None:
        told |= {"status": int(error.status), "error": error.slug, "message": str(error)}
    return b"%bid: %d-%d\nevent: close\ndata: %b\n\n" % (retry, *cursor, orjson.dumps(told))
