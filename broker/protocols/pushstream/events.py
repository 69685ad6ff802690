"""Server-sent events."""

from __future__ import annotations

from aiohttp import hdrs, web
import orjson

from broker.core.cursor import Cursor
from broker.core.errors import BrokerError
from broker.hub import PING_CHANNEL, ping_message
from broker.protocols.pushstream.answers import ALWAYS, cross_origin
from broker.protocols.pushstream.encoders import EventSourceEncoder
from broker.protocols.pushstream.known import Cut
from broker.protocols.pushstream.services import Services
from broker.transports.stream import StreamConnection, chunk, is_chunked, stream_head
from broker.transports.takeover import TakenOver, take_over

EVENT_TYPE = "text/event-stream; charset=utf-8"

RECONNECT_MS = 3000
"""What event streams ask browsers to wait before they reconnect; the module never said."""

_UNBUFFERED = {"X-Accel-Buffering": "no"}
"""Keeps nginx from holding events back."""


class EventStreams:
    """
    Opens event streams.

    Args:
        services: What it works with.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._encoders = {chunked: EventSourceEncoder(chunked=chunked) for chunked in (False, True)}

    async def open(
        self,
        request: web.BaseRequest,
        path: str,
        parts: Cut | None,  # noqa: ARG002 - browsers rarely come back with the same request
    ) -> web.StreamResponse:
        """
        Open an event stream.

        Args:
            request: GET or HEAD.
            path: The path behind the mode.
            parts: Its bytes, if it came whole and alone.

        Raises:
            BrokerError: the refusal.

        Source: WHATWG HTML, section 9.2; `design.md` section 6.
        """
        services = self._services
        subscription = services.read(request, path)
        admitted = await services.admit(subscription)
        headers = {
            hdrs.CONTENT_TYPE: EVENT_TYPE,
            **ALWAYS,
            **_UNBUFFERED,
            **cross_origin(services.readable_by(request)),
        }
        if request.method == hdrs.METH_HEAD:
            return web.Response(headers=headers)
        chunked = is_chunked(request.version)
        encoder = self._encoders[chunked]
        entry = await services.enter(admitted, subscription.cursor, encoder)
        first = b"retry: %d\n\n" % RECONNECT_MS
        head = stream_head(request.version, headers) + (chunk(first) if chunked else first)
        if PING_CHANNEL in admitted.channels:
            head += encoder.message(ping_message(services.wall_clock(), entry.cursor))
        connection = take_over(
            request,
            lambda: StreamConnection(
                services.wheel,
                services.limits.stream,
                chunked=chunked,
                goodbye=_goodbye,
                traffic=services.traffic.eventsource,
            ),
            head,
        )
        services.attach(entry, connection, admitted, notices=True)
        return TakenOver()


def _goodbye(error: BrokerError | None, cursor: Cursor, retry_after_s: float | None) -> bytes:
    """Return the last event of a stream: why it ends, and when to come back."""
    retry = b"" if retry_after_s is None else b"retry: %d\n" % int(retry_after_s * 1000)
    told: dict[str, object] = {"cursor": str(cursor)}
    if error is not None:
        told |= {"status": int(error.status), "error": error.slug, "message": str(error)}
    return b"%bid: %d-%d\nevent: close\ndata: %b\n\n" % (retry, *cursor, orjson.dumps(told))
