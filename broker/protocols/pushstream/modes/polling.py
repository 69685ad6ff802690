"""Short and long polls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from aiohttp import HttpVersion11, hdrs, web

from broker.core.cursor import Cursor
from broker.core.errors import BadRequest
from broker.core.mounts import SubscriberMount
from broker.hub import PING_CHANNEL, ping_message
from broker.hub.feed import Feed, Piece
from broker.protocols.pushstream.admission import Admitted
from broker.protocols.pushstream.answers import GAP_HEADER, cursor_headers
from broker.protocols.pushstream.known import Cut
from broker.protocols.pushstream.request import Subscription
from broker.protocols.pushstream.services import Services
from broker.protocols.pushstream.wire.compression import choose_coding
from broker.protocols.pushstream.wire.encoders import PollEncoder
from broker.protocols.pushstream.wire.jsonp import ScriptConnection, put_callback
from broker.protocols.pushstream.wire.poll_answers import Form, PollAnswers, is_callback
from broker.protocols.pushstream.wire.writing import Writing
from broker.subscribe import Entry
from broker.transports.front import Seat, hand_over
from broker.transports.poll import PollConnection
from broker.transports.takeover import TakenOver, sends_no_more, take_over


class _Found(NamedTuple):
    """What a poll finds at once, and where it stands then."""

    entry: Entry
    frames: Sequence[bytes] = ()
    gap: Cursor | None = None


class Polling:
    """
    Answers polls: at once with everything pending, or held until there is something.

    Every answer carries the client's next cursor, a first one included (D44, D47).

    Args:
        services: What it works with.
        mount: Where it serves.
        hold: Whether it waits for a message.
    """

    def __init__(self, services: Services, mount: SubscriberMount, *, hold: bool) -> None:
        self._services = services
        self._mount = mount
        self._hold = hold
        self._writing = Writing.of(mount)
        limits = services.limits.poll
        self._limits = limits if mount.hold_s is None else replace(limits, hold_s=mount.hold_s)

    async def answer(
        self, request: web.BaseRequest, path: str, parts: Cut | None
    ) -> web.StreamResponse:
        """
        Answer a poll.

        Args:
            request: GET or HEAD; a HEAD is never held.
            path: The path behind the mount.
            parts: Its bytes, if it came whole and alone.

        Raises:
            BrokerError: the refusal.

        Source: D11, D41 to D48; dashly-rts 2.3.4 and 2.3.5; push-stream reference, 7.4 and 7.5.
        """
        services = self._services
        subscription = services.read(request, path, self._mount)
        callback = self._callback(subscription)
        admitted = await services.admit(subscription, self._mount)
        encoder = self._encoder(request, script=bool(callback))
        if not self._hold:
            await services.subscriber.settle(admitted.tenant)
        await services.check_stored(admitted, self._mount, encoder)
        found = await self._find(admitted, subscription, encoder)
        if request.method == hdrs.METH_HEAD or sends_no_more(request):
            return self._by_aiohttp(encoder, found, callback)
        try:
            connection = take_over(request, lambda: self._connection(encoder, callback), b"")
        except BadRequest:  # another request came behind this one, so this one cannot wait
            return self._by_aiohttp(encoder, found, callback)
        if not callback and services.is_alike(subscription, self._mount):
            services.recall.learn(request, parts, subscription, _Again(self, encoder))
        self._settle(connection, admitted, encoder, found)
        return TakenOver()

    def answer_again(
        self, encoder: PollEncoder, admitted: Admitted, found: _Found, seat: Seat
    ) -> None:
        """
        Answer a poll of a known shape.

        Args:
            encoder: The dialect.
            admitted: What it may read.
            found: What `look_again` found.
            seat: Who holds its connection.
        """
        if isinstance(seat, PollConnection) and seat.limits is self._limits:
            seat.serve_next(encoder.answers)
            self._settle(seat, admitted, encoder, found)
            return
        transport = seat.surrender()
        if transport is not None:
            connection = self._connection(encoder)
            hand_over(transport, connection, b"")
            self._settle(connection, admitted, encoder, found)

    def look_again(
        self, encoder: PollEncoder, admitted: Admitted, cursor: Cursor | None, feed: Feed | None
    ) -> _Found | None:
        """
        Return what a poll of a known shape finds, if that needs no store.

        Args:
            encoder: The dialect.
            admitted: What it may read.
            cursor: Where it wants to go on.
            feed: What served the last one like it, if anything did.
        """
        subscriber = self._services.subscriber
        if not self._hold and not subscriber.is_settled(admitted.tenant):
            return None
        if feed is not None and cursor is not None:
            entry = subscriber.remain(feed, cursor)
            if entry is not None:
                return _Found(entry)
        entry = subscriber.enter_now(admitted.tenant, admitted.channels, cursor, encoder)
        return None if entry is None else self._look(entry, admitted, cursor, encoder)

    def _settle(
        self, connection: PollConnection, admitted: Admitted, encoder: PollEncoder, found: _Found
    ) -> None:
        entry, frames, gap = found
        if self._hold and not frames and gap is None:
            session = self._services.subscriber.attach(
                entry, connection, admitted.grants, notices=False, client=admitted.client
            )
            connection.hold(session)
            return
        answer = encoder.join(frames, entry.cursor, gap)
        flow = entry.feed.flow
        flow.begun += 1
        flow.bytes += len(answer)
        if frames or gap is not None:
            flow.replay(len(frames), gap=gap is not None)
        self._services.subscriber.keep(entry.feed)
        connection.respond(answer)

    async def _find(
        self, admitted: Admitted, subscription: Subscription, encoder: PollEncoder
    ) -> _Found:
        after = cursor = subscription.cursor
        if cursor is None and subscription.latest:
            entry, frames = await self._services.enter_latest(admitted, subscription, encoder)
            if frames:
                return _Found(entry, frames)
            after = entry.cursor
        while True:
            entry = await self._services.enter(admitted, after, encoder)
            found = self._look(entry, admitted, cursor, encoder)
            if found is not None:
                return found
            after = entry.cursor  # the rings lost it meanwhile; read again

    def _look(
        self, entry: Entry, admitted: Admitted, cursor: Cursor | None, encoder: PollEncoder
    ) -> _Found | None:
        piece = entry.feed.collect(entry.cursor, self._services.limits.answer_bytes)
        if piece is None:
            return None
        gap = max(gap.first for gap in piece.gaps) if piece.gaps else None
        frames = piece.frames
        if PING_CHANNEL in admitted.channels:
            frames = [*frames, *self._ping(cursor, piece, encoder)]
        return _Found(Entry(entry.feed, piece.cursor), frames, gap)

    def _ping(self, cursor: Cursor | None, piece: Piece, encoder: PollEncoder) -> list[bytes]:
        """
        Return the ping that is due: one for each interval of the clock that the cursor has missed.

        The answer's cursor then lies in the present interval, so the next poll gets none before
        the next one, without any memory of the client.
        """
        if cursor is None or not piece.complete:
            return []
        now = self._services.wall_clock()
        interval_s = self._services.limits.ping_interval_s
        begun = int(now / interval_s) * interval_s
        if cursor.time >= begun or piece.cursor.time < begun:
            return []
        return [encoder.message(ping_message(now, piece.cursor))]

    def _callback(self, subscription: Subscription) -> str:
        """
        Return the function that the answer has to call, or nothing.

        Raises:
            BadRequest: it is no name of a function.
        """
        name = subscription.callback if self._mount.jsonp else None
        if name is not None and not is_callback(name):
            raise BadRequest(
                "callback must be the name of a function: letters, digits, _ and $, with dots"
                " between names",
                field="callback",
            )
        return name or ""

    def _encoder(self, request: web.BaseRequest, *, script: bool) -> PollEncoder:
        compress = self._mount.compress and not script
        form = Form(
            self._writing,
            self._services.readable_by(request),
            bool(request.keep_alive),
            request.version >= HttpVersion11,
            choose_coding(request.headers.get(hdrs.ACCEPT_ENCODING, "")) if compress else "",
            compress,
            script,
        )
        return self._services.encoders.get(_poll_encoder, form)

    def _connection(self, encoder: PollEncoder, callback: str = "") -> PollConnection:
        services = self._services
        make = partial(ScriptConnection, callback) if callback else PollConnection
        return make(
            services.wheel,
            self._limits,
            encoder.answers,
            services.recall,
            services.aiohttp,
            services.traffic.poll,
        )

    def _by_aiohttp(self, encoder: PollEncoder, found: _Found, callback: str) -> web.Response:
        answers = encoder.answers
        headers = {**answers.fixed, **cursor_headers(found.entry.cursor)}
        if found.gap is not None:
            headers[GAP_HEADER] = str(found.gap)
        if not found.frames and not callback:
            return web.Response(status=304, headers=headers)
        headers[hdrs.CONTENT_TYPE], body = answers.body(found.frames)
        if callback:
            return web.Response(body=put_callback(body, callback, chunked=False), headers=headers)
        coded, body = answers.packed(body)
        return web.Response(body=body, headers={**headers, **coded})


class _Again:
    """
    Answers polls of one shape: they ask for the same channels in the same way (a `Route`).

    Those who wait together come back together, and have missed nothing: the feed that served the
    last one tells so, and nothing is looked for.

    Args:
        polling: Answers them.
        encoder: The dialect.
    """

    __slots__ = ("_admitted", "_encoder", "_feed", "_polling")

    def __init__(self, polling: Polling, encoder: PollEncoder) -> None:
        self._polling = polling
        self._encoder = encoder
        self._admitted: Admitted | None = None
        self._feed: Feed | None = None

    def __call__(
        self,
        admitted: Admitted,
        cursor: Cursor | None,
        parts: Cut,  # noqa: ARG002 - there is nothing else in it
        seat: Seat,
    ) -> bool:
        """Answer a poll; False when aiohttp has to."""
        if admitted is not self._admitted:
            self._admitted, self._feed = admitted, None
        found = self._polling.look_again(self._encoder, admitted, cursor, self._feed)
        if found is None:
            return False
        if PING_CHANNEL not in admitted.channels:  # else there may be a ping to send
            self._feed = found.entry.feed
        self._polling.answer_again(self._encoder, admitted, found, seat)
        return True


def _poll_encoder(form: Form) -> PollEncoder:
    return PollEncoder(PollAnswers(form))
