"""Following a channel: its messages as they come, for operators."""

from __future__ import annotations

from time import time

from aiohttp import hdrs, web

from broker.api.call import Call, read_limit, read_query
from broker.api.channels import channel_name, read_cursor
from broker.api.rows import message_row
from broker.api.services import Services
from broker.core.cursor import START, Cursor, http_date
from broker.core.encoder import INTERNAL
from broker.core.errors import Draining, Unavailable
from broker.core.message import Message
from broker.core.session import Session
from broker.hub.latest import begin_of_latest
from broker.protocols.pushstream.modes.streams import EVENT_TYPE
from broker.protocols.pushstream.wire.encoders import EventSourceEncoder
from broker.subscribe import Entry, Subscriber
from broker.transports.stream import StreamConnection, StreamLimits, is_chunked, stream_head
from broker.transports.takeover import TakenOver, take_over

MAX_FOLLOWERS = 100
"""Streams of one process: many more than people look at one; each costs what a subscriber does."""

MAX_LAST = 1000
"""Messages that a stream begins with: as many as a page of them holds."""

_HEADERS = {
    hdrs.CONTENT_TYPE: EVENT_TYPE,
    hdrs.CACHE_CONTROL: "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Accel-Buffering": "no",
    hdrs.SERVER: "broker",
}


class RowEncoder(EventSourceEncoder):
    """One message, one event with the cursor as its id; the data is what operators are shown."""

    transport = INTERNAL

    def message(self, message: Message) -> bytes:
        """Return the message as an event; its own type is in the data."""
        return self._event(message.cursor, b"", b"data: %b\n" % message_row(message))


class Follow:
    """
    The endpoint that streams a channel.

    Whoever follows is served like a subscriber, at the speed that it reads, and is none: it stands
    in no list of sessions, and counts in no channel.

    Args:
        services: What it works with.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._encoders = {chunked: RowEncoder(chunked) for chunked in (False, True)}
        self._followers: set[Session] = set()

    async def open(self, call: Call) -> web.StreamResponse:
        """
        Stream the messages of a channel from a cursor on, or the last ones and what follows.

        Source: WHATWG HTML, section 9.2.
        """
        query = read_query(call.request, ("after", "last"))
        resumed = call.request.headers.get("Last-Event-ID", "")
        after = read_cursor(resumed or query.get("after", ""))  # browsers repeat the URL
        last = read_limit(query.get("last"), 0, MAX_LAST, "last")
        channel = channel_name(call, self._services.settings)
        await self._check(call.tenant, channel)
        if call.request.method == hdrs.METH_HEAD:
            return web.Response(headers=_HEADERS)
        encoder = self._encoders[is_chunked(call.request.version)]
        subscriber = self._serving()
        entry = await _enter(subscriber, call.tenant, channel, encoder, after, last)
        self._check_room()
        self._attach(call.request, subscriber, entry, encoder)
        return TakenOver()

    def _attach(
        self,
        request: web.BaseRequest,
        subscriber: Subscriber,
        entry: Entry,
        encoder: RowEncoder,
    ) -> None:
        services = self._services
        begin = encoder.opening() + encoder.place(entry.cursor)
        connection = take_over(
            request,
            lambda: StreamConnection(
                services.wheel,
                StreamLimits(),
                chunked=is_chunked(request.version),
                goodbye=encoder.last_words,
                traffic=services.traffic,
            ),
            stream_head(request.version, {hdrs.DATE: http_date(int(time())), **_HEADERS}) + begin,
        )
        session = subscriber.show(entry, connection, self._followers.discard)
        if not connection.ending:
            self._followers.add(session)

    async def _check(self, tenant: str, channel: str) -> None:
        """Refuse a channel that no rule names and nothing is known of."""
        catalog, store = self._services.catalog(), self._services.store
        if catalog.match(channel) is None and await store.info(tenant, channel) is None:
            catalog.require(channel)

    def _serving(self) -> Subscriber:
        subscriber = self._services.subscriber()
        if subscriber is None or self._services.draining():
            raise Draining("this node is about to stop, or has not begun to serve")
        self._check_room()
        return subscriber

    def _check_room(self) -> None:
        if len(self._followers) >= MAX_FOLLOWERS:
            raise Unavailable(
                f"{MAX_FOLLOWERS} streams of this process are open already", limit=MAX_FOLLOWERS
            )


async def _enter(
    subscriber: Subscriber,
    tenant: str,
    channel: str,
    encoder: RowEncoder,
    after: Cursor | None,
    last: int,
) -> Entry:
    """Return a place behind a cursor, or before the last messages that are kept."""
    entry = await subscriber.enter(tenant, (channel,), after, encoder)
    if after is not None or not last:
        return entry
    if not entry.feed.channels:  # that of pings, of which none is kept
        return entry
    while True:  # what is kept is read from the store, unless it is here already
        feed = (await subscriber.enter(tenant, (channel,), START, encoder)).feed
        begin = begin_of_latest(feed.channels[0], last, feed.safe_cursor())
        if begin is not None:
            return Entry(feed, begin)
