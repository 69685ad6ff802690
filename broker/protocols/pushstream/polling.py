"""Short and long polls."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from aiohttp import HttpVersion11, hdrs, web

from broker.core.cursor import Cursor
from broker.core.errors import BadRequest
from broker.hub import PING_CHANNEL, ping_message
from broker.hub.feed import Piece
from broker.protocols.pushstream.admission import Admitted
from broker.protocols.pushstream.answers import (
    ALWAYS,
    GAP_HEADER,
    POLL_TYPE,
    PollAnswers,
    cross_origin,
    cursor_headers,
)
from broker.protocols.pushstream.encoders import PollEncoder
from broker.protocols.pushstream.known import Cut
from broker.protocols.pushstream.services import Services
from broker.subscribe import Entry
from broker.transports.front import Seat, hand_over
from broker.transports.poll import PollConnection
from broker.transports.takeover import TakenOver, take_over


class _Form(NamedTuple):
    """What makes two polls share the bytes of an answer."""

    origin: str | None
    keep_alive: bool
    versioned: bool


class _Found(NamedTuple):
    """What a poll finds at once."""

    entry: Entry
    frames: Sequence[bytes]
    cursor: Cursor
    gap: Cursor | None


class Polling:
    """
    Answers polls: at once with everything pending, or held until there is something.

    Every answer carries the client's next cursor, a first one included (D44, D47).

    Args:
        services: What it works with.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._encoders: dict[_Form, PollEncoder] = {}

    async def answer(
        self, request: web.BaseRequest, path: str, parts: Cut | None, *, hold: bool
    ) -> web.StreamResponse:
        """
        Answer a poll.

        Args:
            request: GET or HEAD; a HEAD is never held.
            path: The path behind the mode.
            parts: Its bytes, if it came whole and alone.
            hold: Whether it waits for a message.

        Raises:
            BrokerError: the refusal.

        Source: D11, D41 to D48; dashly-rts 2.3.4 and 2.3.5; push-stream reference, 7.4 and 7.5.
        """
        services = self._services
        subscription = services.read(request, path)
        admitted = await services.admit(subscription)
        encoder = self._encoder(request)
        if not hold:
            await services.subscriber.settle(admitted.tenant)
        found = await self._find(admitted, subscription.cursor, encoder)
        if request.method == hdrs.METH_HEAD:
            return self._by_aiohttp(request, found)
        try:
            connection = take_over(request, lambda: self._connection(encoder), b"")
        except BadRequest:  # another request came behind this one, so this one cannot wait
            return self._by_aiohttp(request, found)
        services.recall.learn(
            request, parts, subscription, partial(self._answer_again, encoder, hold=hold)
        )
        self._settle(connection, admitted, encoder, found, hold=hold)
        return TakenOver()

    def _answer_again(
        self,
        encoder: PollEncoder,
        admitted: Admitted,
        cursor: Cursor | None,
        parts: Cut,  # noqa: ARG002 - there is nothing else in it
        seat: Seat,
        *,
        hold: bool,
    ) -> bool:
        """Answer a poll of a known shape (a `Route`)."""
        services = self._services
        if not hold and not services.subscriber.is_settled(admitted.tenant):
            return False
        entry = services.subscriber.enter_now(admitted.tenant, admitted.channels, cursor, encoder)
        found = None if entry is None else self._look(entry, admitted, cursor, encoder)
        if found is None:
            return False
        if isinstance(seat, PollConnection):
            connection = seat
            connection.serve_next(encoder.answers)
        else:
            transport = seat.surrender()
            if transport is None:
                return True
            connection = self._connection(encoder)
            hand_over(transport, connection, b"")
        self._settle(connection, admitted, encoder, found, hold=hold)
        return True

    def _settle(
        self,
        connection: PollConnection,
        admitted: Admitted,
        encoder: PollEncoder,
        found: _Found,
        *,
        hold: bool,
    ) -> None:
        if not hold or found.frames or found.gap is not None:
            answer = encoder.join(found.frames, found.cursor, found.gap)
            flow = found.entry.feed.flow
            flow.begun += 1
            flow.replay(len(found.frames), gap=found.gap is not None)
            flow.bytes += len(answer)
            connection.respond(answer)
            return
        entry = found.entry._replace(cursor=found.cursor)
        session = self._services.attach(entry, connection, admitted, notices=False)
        connection.hold(session)

    async def _find(
        self, admitted: Admitted, cursor: Cursor | None, encoder: PollEncoder
    ) -> _Found:
        after = cursor
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
        gap = max((gap.first for gap in piece.gaps), default=None)
        frames = [*piece.frames, *self._ping(admitted, cursor, piece, encoder)]
        return _Found(entry, frames, piece.cursor, gap)

    def _ping(
        self, admitted: Admitted, cursor: Cursor | None, piece: Piece, encoder: PollEncoder
    ) -> list[bytes]:
        """
        Return the ping that is due: one for each interval of the clock that the cursor has missed.

        The answer's cursor then lies in the present interval, so the next poll gets none before
        the next one, without any memory of the client.
        """
        if PING_CHANNEL not in admitted.channels or cursor is None or not piece.complete:
            return []
        now = self._services.wall_clock()
        interval_s = self._services.limits.ping_interval_s
        begun = int(now / interval_s) * interval_s
        if cursor.time >= begun or piece.cursor.time < begun:
            return []
        return [encoder.message(ping_message(now, piece.cursor))]

    def _encoder(self, request: web.BaseRequest) -> PollEncoder:
        form = _Form(
            self._services.readable_by(request),
            bool(request.keep_alive),
            request.version >= HttpVersion11,
        )
        encoder = self._encoders.get(form)
        if encoder is None:  # as many as there are allowed origins, times four
            answers = PollAnswers(form.origin, keep_alive=form.keep_alive, versioned=form.versioned)
            encoder = self._encoders[form] = PollEncoder(answers)
        return encoder

    def _connection(self, encoder: PollEncoder) -> PollConnection:
        services = self._services
        return PollConnection(
            services.wheel,
            services.limits.poll,
            encoder.answers,
            services.recall,
            services.aiohttp,
            services.traffic.poll,
        )

    def _by_aiohttp(self, request: web.BaseRequest, found: _Found) -> web.Response:
        headers = {
            **ALWAYS,
            **cross_origin(self._services.readable_by(request)),
            **cursor_headers(found.cursor),
        }
        if found.gap is not None:
            headers[GAP_HEADER] = str(found.gap)
        if not found.frames:
            return web.Response(status=304, headers=headers)
        headers[hdrs.CONTENT_TYPE] = POLL_TYPE
        return web.Response(body=b"".join(found.frames), headers=headers)
