"""What the handlers of this dialect share."""

from __future__ import annotations

from asyncio import BaseProtocol
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from aiohttp import hdrs, web

from broker.core.channels import shown
from broker.core.cursor import START, Cursor
from broker.core.encoder import Encoder
from broker.core.errors import BrokerError, ChannelForbidden, OriginForbidden
from broker.core.mounts import CursorArguments, SubscriberMount
from broker.core.session import Session
from broker.hub.latest import begin_of_latest, latest
from broker.protocols.pushstream.admission import Admission, Admitted
from broker.protocols.pushstream.known import PARAMETER_NAMES
from broker.protocols.pushstream.narrowing import is_narrow, is_wild, narrow
from broker.protocols.pushstream.recall import Recall
from broker.protocols.pushstream.request import (
    RequestLimits,
    Subscription,
    parse_subscription,
)
from broker.protocols.pushstream.wire.encoders import Encoders
from broker.subscribe import Entry, Subscriber
from broker.transports.connection import Connection
from broker.transports.poll import PollLimits
from broker.transports.stream import StreamLimits
from broker.transports.traffic import Carried
from broker.transports.websocket import TextHook, WebSocketLimits
from broker.wheel import Wheel

ANY_ORIGIN = "*"


@dataclass(frozen=True, slots=True)
class Limits:
    """
    Bounds of the public endpoints.

    Attributes:
        request: Of what a request may ask for.
        websocket: Of a WebSocket.
        stream: Of an event stream.
        poll: Of a poll's connection.
        answer_bytes: Messages in the answer of one poll, one message excepted.
        ping_interval_s: Seconds between two messages of the ping channel.
    """

    request: RequestLimits
    websocket: WebSocketLimits
    stream: StreamLimits
    poll: PollLimits
    answer_bytes: int = 2**20
    ping_interval_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Services:
    """
    What the handlers work with.

    Attributes:
        subscriber: Prepares feeds and attaches sessions.
        admission: Decides who may read what.
        recall: Remembers requests that were served.
        wheel: Times connections.
        limits: Bounds.
        aiohttp: Makes a protocol of aiohttp, for whatever is not known.
        wall_clock: Seconds since the epoch.
        closed: Whether this node serves nobody any more.
        retry_after_s: Gives the wait, in seconds, that a client is asked for.
        traffic: Counts connections.
        refused: Counts refusals.
        origins: Pages that may subscribe; `*` for all.
        token_cookie: Name of the cookie that may carry the token, or empty.
        refuse_by_close: Whether a refused WebSocket is accepted and closed with a code.
        client: Tells who is behind a proxy, where that is counted.
        encoders: Those in use.
        speaker: Makes what hears clients that may publish, of what hears of their tokens.
    """

    subscriber: Subscriber
    admission: Admission
    recall: Recall
    wheel: Wheel
    limits: Limits
    aiohttp: Callable[[], BaseProtocol]
    wall_clock: Callable[[], float]
    closed: Callable[[], bool]
    retry_after_s: Callable[[], float]
    traffic: Carried
    refused: Callable[[BrokerError], None]
    origins: frozenset[str] = frozenset({ANY_ORIGIN})
    token_cookie: str = ""
    refuse_by_close: bool = False
    client: Callable[[web.BaseRequest], str] = lambda _: ""
    encoders: Encoders = field(default_factory=Encoders)
    speaker: Callable[[TextHook], TextHook] = lambda tokens: tokens

    def read(self, request: web.BaseRequest, path: str, mount: SubscriberMount) -> Subscription:
        """
        Read what a request asks for.

        Args:
            request: The request.
            path: Its path behind the mount, still percent-encoded.
            mount: Where it came to.

        Raises:
            BadRequest: it is malformed.
        """
        query = request.raw_path.partition("?")[2]
        subscription = parse_subscription(
            path, query, request.headers, self.limits.request, "", mount
        )
        # Any page may name our answer as a script of its own, and its browser sends the cookie.
        is_script = mount.jsonp and subscription.callback is not None
        if self.token_cookie and not subscription.token and not is_script:
            cookie = request.cookies.get(self.token_cookie, "")
            subscription = subscription._replace(token=cookie)
        client = self.client(request)
        return subscription._replace(client=client) if client else subscription

    async def admit(self, subscription: Subscription, mount: SubscriberMount) -> Admitted:
        """Return the allowed part of what is asked for, or raise the refusal."""
        admitted = await self.admission.admit(subscription)
        return narrow(mount, admitted, strict=self.admission.strict)

    def is_alike(self, subscription: Subscription, mount: SubscriberMount) -> bool:
        """Tell whether a request of the same shape is served as this one, whenever it comes."""
        special = is_narrow(mount) or mount.backlog or mount.cursor != CursorArguments()
        return not (special or subscription.latest or mount.argument in PARAMETER_NAMES)

    async def enter(self, admitted: Admitted, cursor: Cursor | None, encoder: Encoder) -> Entry:
        """
        Return a place in the feed of what was admitted; see `Subscriber.enter`.

        Raises:
            StoreUnavailable: the store did not answer in time.
            Unauthorized: the token counts no longer since it was admitted.
            ChannelForbidden: the channels are no longer all allowed.
        """
        entry = await self.subscriber.enter(admitted.tenant, admitted.channels, cursor, encoder)
        self.admission.confirm(admitted)
        return entry

    async def enter_latest(
        self, admitted: Admitted, subscription: Subscription, encoder: Encoder
    ) -> tuple[Entry, Sequence[bytes]]:
        """
        Return a place in the feed of what was admitted, and the messages that come before it.

        Of a single channel the place is before the last messages that it asks for. Of several,
        with numbers of their own, it is now, and the messages are those asked for: as many as one
        poll may be answered with, the newest.

        Raises:
            StoreUnavailable: the store did not answer in time.
            Unauthorized: the token counts no longer since it was admitted.
            ChannelForbidden: the channels are no longer all allowed.
        """
        await self.enter(admitted, None, encoder)  # what was published before is known from here on
        counts = dict(subscription.latest)
        while True:
            feed = (await self.enter(admitted, START, encoder)).feed
            now = feed.safe_cursor()
            if len(feed.channels) == 1:
                [channel] = feed.channels
                begin = begin_of_latest(channel, counts.get(channel.name, 0), now)
                if begin is not None:
                    return Entry(feed, begin), ()
                continue
            found = latest(feed.channels, encoder, counts, now, self.limits.answer_bytes)
            if found is not None:
                return Entry(feed, now), found

    async def check_stored(
        self, admitted: Admitted, mount: SubscriberMount, encoder: Encoder
    ) -> None:
        """
        Refuse channels that hold no message, where a mount asks for one.

        Raises:
            ChannelForbidden: one of them is empty.
            StoreUnavailable: the store did not answer in time.

        Source: push-stream reference, section 11.
        """
        if not mount.stored_only:
            return
        feed = (await self.enter(admitted, START, encoder)).feed
        for channel in feed.channels:
            channel.expire(feed.safe_cursor().time)
            if not len(channel.ring) and not is_wild(mount, channel.name):
                raise ChannelForbidden(
                    f"the channel {shown(channel.name)} holds no message; here it must",
                    field="channels",
                )

    def attach(
        self, entry: Entry, connection: Connection, admitted: Admitted, *, notices: bool
    ) -> Session:
        """Make a session of a connection; see `Subscriber.attach`."""
        return self.subscriber.attach(
            entry, connection, admitted.grants, notices=notices, client=admitted.client
        )

    def readable_by(self, request: web.BaseRequest) -> str | None:
        """Return the origin that may read the answer: `*`, the page's own, or None."""
        if ANY_ORIGIN in self.origins:
            return ANY_ORIGIN
        origin = request.headers.get(hdrs.ORIGIN)
        return origin if origin in self.origins else None

    def check_origin(self, request: web.BaseRequest) -> None:
        """
        Refuse a page of a site that may not subscribe.

        Needed where the browser does not ask by itself: on WebSockets.

        Raises:
            OriginForbidden: the request names an origin that is not allowed.

        Source: RFC 6455, section 10.2.
        """
        if hdrs.ORIGIN in request.headers and self.readable_by(request) is None:
            raise OriginForbidden("pages of this origin may not subscribe", field=hdrs.ORIGIN)
