"""Answers without an end: server-sent events, and messages one after the other."""

from __future__ import annotations

from abc import ABC, abstractmethod

from aiohttp import HttpVersion, hdrs, web

from broker.core.cursor import http_date
from broker.core.mounts import SubscriberMount
from broker.hub import PING_CHANNEL, ping_message
from broker.protocols.pushstream.answers import ALWAYS, cross_origin
from broker.protocols.pushstream.known import Cut
from broker.protocols.pushstream.modes.lifetime import limit_lifetime
from broker.protocols.pushstream.services import Services
from broker.protocols.pushstream.wire.compression import GZIP, choose_coding, vary
from broker.protocols.pushstream.wire.encoders import EventSourceEncoder, StreamEncoder
from broker.protocols.pushstream.wire.writing import Writing
from broker.transports.stream import StreamConnection, is_chunked, stream_head
from broker.transports.takeover import TakenOver, take_over
from broker.transports.traffic import Traffic

EVENT_TYPE = "text/event-stream; charset=utf-8"

_UNBUFFERED = {"X-Accel-Buffering": "no"}
"""Keeps nginx from holding messages back."""


class Streams(ABC):
    """
    Opens streams.

    The head is sent at once, before any message (push-stream reference, 19, change 9).

    Args:
        services: What it works with.
        mount: Where it serves.
    """

    notices = True
    """Whether gaps are always told in the stream."""

    def __init__(self, services: Services, mount: SubscriberMount) -> None:
        self._services = services
        self._mount = mount
        self._writing = Writing.of(mount)

    async def open(
        self,
        request: web.BaseRequest,
        path: str,
        parts: Cut | None,  # noqa: ARG002 - browsers rarely come back with the same request
    ) -> web.StreamResponse:
        """
        Open a stream.

        Args:
            request: GET or HEAD.
            path: The path behind the mount.
            parts: Its bytes, if it came whole and alone.

        Raises:
            BrokerError: the refusal.

        Source: WHATWG HTML, section 9.2; `design.md` section 6; push-stream reference, 8.3 and 8.4.
        """
        services = self._services
        subscription = services.read(request, path, self._mount)
        admitted = await services.admit(subscription, self._mount)
        coding = self._coding(request)
        headers: dict[str, str] = {
            hdrs.DATE: http_date(int(services.wall_clock())),
            hdrs.CONTENT_TYPE: self._content_type(),
            **ALWAYS,
            **_UNBUFFERED,
            **cross_origin(services.readable_by(request)),
        }
        if coding:
            headers[hdrs.CONTENT_ENCODING] = coding
        if self._mount.compress:
            headers[hdrs.VARY] = vary(headers.get(hdrs.VARY))
        if request.method == hdrs.METH_HEAD:
            return web.Response(headers=headers)
        encoder = self._encoder(request.version, coding)
        await services.check_stored(admitted, self._mount, encoder)
        if subscription.cursor is None and subscription.latest:
            entry, frames = await services.enter_latest(admitted, subscription, encoder)
        else:
            entry, frames = await services.enter(admitted, subscription.cursor, encoder), ()
        head = stream_head(request.version, headers) + encoder.opening() + b"".join(frames)
        head += encoder.place(entry.cursor)
        if PING_CHANNEL in admitted.channels:
            head += encoder.message(ping_message(services.wall_clock(), entry.cursor))
        connection = take_over(
            request,
            lambda: StreamConnection(
                services.wheel,
                services.limits.stream,
                chunked=is_chunked(request.version),
                goodbye=encoder.last_words,
                traffic=self._traffic(),
            ),
            head,
        )
        notices = self.notices or subscription.notices
        session = services.attach(entry, connection, admitted, notices=notices)
        limit_lifetime(services.wheel, session, self._mount.ttl_s)
        return TakenOver()

    def _coding(self, request: web.BaseRequest) -> str:
        """Return how the stream is compressed, or nothing."""
        if not self._mount.compress:
            return ""
        return choose_coding(request.headers.get(hdrs.ACCEPT_ENCODING, ""), (GZIP,))

    @abstractmethod
    def _content_type(self) -> str:
        """Return what the stream is."""

    @abstractmethod
    def _encoder(self, version: HttpVersion, coding: str) -> EventSourceEncoder | StreamEncoder:
        """Return the encoder of a client."""

    @abstractmethod
    def _traffic(self) -> Traffic:
        """Return where its connections are counted."""


class EventStreams(Streams):
    """Opens event streams; see `Streams`."""

    def _coding(self, request: web.BaseRequest) -> str:  # noqa: ARG002 - as in the module
        return ""

    def _content_type(self) -> str:
        return EVENT_TYPE

    def _encoder(self, version: HttpVersion, coding: str) -> EventSourceEncoder:  # noqa: ARG002
        return self._services.encoders.get(EventSourceEncoder, is_chunked(version), self._writing)

    def _traffic(self) -> Traffic:
        return self._services.traffic.eventsource


class PlainStreams(Streams):
    """Opens streams of messages one after the other; see `Streams`."""

    notices = False

    def _content_type(self) -> str:
        return self._writing.content_type

    def _encoder(self, version: HttpVersion, coding: str) -> StreamEncoder:
        chunked = is_chunked(version)
        return self._services.encoders.get(StreamEncoder, chunked, coding, self._writing)

    def _traffic(self) -> Traffic:
        return self._services.traffic.stream
