"""WebSocket subscriptions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple
import asyncio

from aiohttp import hdrs, web

from broker.core.cursor import Cursor
from broker.core.errors import BrokerError
from broker.core.frames import AGREEMENT, text_frame
from broker.core.mounts import SubscriberMount
from broker.core.session import Session
from broker.hub import PING_CHANNEL, ping_message
from broker.protocols.pushstream.admission import Admitted
from broker.protocols.pushstream.answers import ALWAYS
from broker.protocols.pushstream.known import Cut
from broker.protocols.pushstream.modes.lifetime import limit_lifetime
from broker.protocols.pushstream.refresh import Refreshing
from broker.protocols.pushstream.request import Subscription
from broker.protocols.pushstream.services import Services
from broker.protocols.pushstream.wire.encoders import WebSocketEncoder
from broker.protocols.pushstream.wire.writing import Writing
from broker.subscribe import Entry
from broker.transports.front import Seat, hand_over
from broker.transports.handshake import accept, handshake
from broker.transports.takeover import TakenOver, take_over
from broker.transports.websocket import WebSocketConnection

NCHAN_META = "ws+meta.nchan"
"""Subprotocol of nchan's clients: each frame begins with its cursor."""

_GATHER_S = 0.005
"""Longest wait of a newcomer for others: in a storm, 200 ticks a second serve everybody."""


class _Newcomer(NamedTuple):
    """A handshake of a known shape without a cursor: it begins at the store's next tick."""

    admitted: Admitted
    notices: bool
    encoder: WebSocketEncoder
    answer: bytes
    parts: Cut
    seat: Seat


class WebSockets:
    """
    Opens WebSockets.

    Args:
        services: What it works with.
        mount: Where it serves.
    """

    def __init__(self, services: Services, mount: SubscriberMount) -> None:
        self._services = services
        self._mount = mount
        self._writing = Writing.of(mount)
        self._deflate_bytes = services.limits.websocket.deflate_bytes
        self._last_words = _frame(self._writing.footer)
        hear = Refreshing(services.admission, services.subscriber).hear
        self._hear = services.speaker(hear) if mount.publish else hear
        self._newcomers: list[_Newcomer] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(
        self, request: web.BaseRequest, path: str, parts: Cut | None
    ) -> web.StreamResponse:
        """
        Open a WebSocket.

        Args:
            request: The handshake.
            path: The path behind the mount.
            parts: Its bytes, if it came whole and alone.

        Raises:
            BrokerError: the refusal; if refusals are by close code, only of what is malformed.

        Source: D5, D17, D43; dashly-rts 2.1 and 2.3; RFC 6455, section 4.2.
        """
        services = self._services
        subscription = services.read(request, path, self._mount)
        services.check_origin(request)
        spoken = (NCHAN_META,) if self._mount.nchan else ()
        answer = handshake(
            request, subprotocols=spoken, deflates=self._deflate_bytes > 0, headers=ALWAYS
        )
        encoder = self._encoder_of(answer)
        try:
            admitted = await services.admit(subscription, self._mount)
            await services.check_stored(admitted, self._mount, encoder)
            self._learn(request, parts, subscription, answer, encoder)
            entry, frames = await self._begin(admitted, subscription, encoder)
        except BrokerError as error:
            if not services.refuse_by_close or error.setting is not None:
                raise  # of limits, nobody pays for an upgrade
            self._close_at_once(request, answer, subscription, error)
            return TakenOver()
        first = _frame(self._writing.header) + b"".join(frames)
        connection = take_over(
            request,
            partial(self._connection, encoder),
            answer + first + self._first_ping(admitted, entry, encoder),
        )
        session = services.attach(entry, connection, admitted, notices=subscription.notices)
        self._limit(session, connection)
        return TakenOver()

    async def _begin(
        self, admitted: Admitted, subscription: Subscription, encoder: WebSocketEncoder
    ) -> tuple[Entry, Sequence[bytes]]:
        if subscription.cursor is None and subscription.latest:
            return await self._services.enter_latest(admitted, subscription, encoder)
        return await self._services.enter(admitted, subscription.cursor, encoder), ()

    def _encoder_of(self, answer: bytes) -> WebSocketEncoder:
        """Return the encoder of a client, by what was agreed on with it."""
        deflate_bytes = self._deflate_bytes if AGREEMENT.encode() in answer else 0
        return self._services.encoders.get(
            WebSocketEncoder, self._writing, self._has_meta(answer), deflate_bytes
        )

    def _has_meta(self, answer: bytes) -> bool:
        return self._mount.nchan and NCHAN_META.encode() in answer

    def _limit(self, session: Session, connection: WebSocketConnection) -> None:
        limit_lifetime(
            self._services.wheel,
            session,
            self._mount.ttl_s,
            lambda: connection.write(self._last_words),
        )

    def _is_alike(self, subscription: Subscription, answer: bytes) -> bool:
        """Tell whether another request of this shape is served in the shortest way."""
        plain = not (self._has_meta(answer) or self._writing.header) and self._mount.ttl_s is None
        return plain and self._services.is_alike(subscription, self._mount)

    def _learn(
        self,
        request: web.BaseRequest,
        parts: Cut | None,
        subscription: Subscription,
        answer: bytes,
        encoder: WebSocketEncoder,
    ) -> None:
        """Have requests of this shape served in the shortest way, those that come now as well."""
        if parts is None or not self._is_alike(subscription, answer):
            return
        if hdrs.SEC_WEBSOCKET_KEY in parts.headers:
            template = answer.split(accept(request.headers[hdrs.SEC_WEBSOCKET_KEY]).encode())
            route = partial(self._open_again, template, encoder, subscription.notices)
            self._services.recall.learn(request, parts, subscription, route)

    def _open_again(
        self,
        template: list[bytes],
        encoder: WebSocketEncoder,
        notices: bool,
        admitted: Admitted,
        cursor: Cursor | None,
        parts: Cut,
        seat: Seat,
    ) -> bool:
        """Open a WebSocket on a handshake of a known shape (a `Route`)."""
        answer = accept(parts.headers[hdrs.SEC_WEBSOCKET_KEY]).encode().join(template)
        newcomer = _Newcomer(admitted, notices, encoder, answer, parts, seat)
        if cursor is None:
            return self._let_in_soon(newcomer)
        entry = self._enter_now(admitted, cursor, encoder)
        if entry is None:
            return False
        self._let_in(newcomer, entry)
        return True

    def _let_in_soon(self, newcomer: _Newcomer) -> bool:
        if not self._services.subscriber.room.take():
            return False
        newcomer.seat.wait()
        self._newcomers.append(newcomer)
        if len(self._newcomers) == 1:
            task = asyncio.get_running_loop().create_task(self._let_all_in())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return True

    async def _let_all_in(self) -> None:
        """Let in everyone who has come within a moment: one tick of the store for all of them."""
        by_tenant: dict[str, list[_Newcomer]] = {}
        for newcomer in await self._gather():
            by_tenant.setdefault(newcomer.admitted.tenant, []).append(newcomer)
        # Side by side: another server of the store may have the next tenant.
        await asyncio.gather(*(self._let_in_of(*each) for each in by_tenant.items()))

    async def _let_in_of(self, tenant: str, newcomers: Sequence[_Newcomer]) -> None:
        """Let in those of one tenant."""
        try:
            now = await self._services.subscriber.now(tenant)
        except BrokerError:
            now = None  # aiohttp's way says what is wrong
        finally:
            self._services.subscriber.room.leave(len(newcomers))
        for newcomer in newcomers:
            entry = None if now is None else self._enter_late(newcomer, now)
            if entry is None:
                newcomer.seat.decline(newcomer.parts.head)
            else:
                self._let_in(newcomer, entry)

    async def _gather(self) -> list[_Newcomer]:
        """Return those who come together: until a turn of the loop brings nobody else."""
        clock = asyncio.get_running_loop().time
        until = clock() + _GATHER_S
        present = 0
        while present < len(self._newcomers) and clock() < until:
            present = len(self._newcomers)
            await asyncio.sleep(0)
        newcomers, self._newcomers = self._newcomers, []
        return newcomers

    def _enter_late(self, newcomer: _Newcomer, now: Cursor) -> Entry | None:
        try:
            self._services.admission.confirm(newcomer.admitted)
        except BrokerError:
            return None
        return self._enter_now(newcomer.admitted, now, newcomer.encoder)

    def _let_in(self, newcomer: _Newcomer, entry: Entry) -> None:
        transport = newcomer.seat.surrender()
        if transport is None:
            return
        connection = self._connection(newcomer.encoder)
        hand_over(transport, connection, b"")
        admitted = newcomer.admitted
        connection.write(newcomer.answer + self._first_ping(admitted, entry, newcomer.encoder))
        if newcomer.seat.early:
            connection.data_received(newcomer.seat.early)
        self._services.attach(entry, connection, admitted, notices=newcomer.notices)

    def _enter_now(
        self, admitted: Admitted, cursor: Cursor, encoder: WebSocketEncoder
    ) -> Entry | None:
        return self._services.subscriber.enter_now(
            admitted.tenant, admitted.channels, cursor, encoder
        )

    def _first_ping(self, admitted: Admitted, entry: Entry, encoder: WebSocketEncoder) -> bytes:
        """Return the ping that opens a stream, at the session's own cursor."""
        if PING_CHANNEL not in admitted.channels:
            return b""
        return encoder.message(ping_message(self._services.wall_clock(), entry.cursor))

    def _connection(self, encoder: WebSocketEncoder) -> WebSocketConnection:
        services = self._services
        return WebSocketConnection(
            services.wheel,
            services.limits.websocket,
            self._hear,
            services.traffic.websocket,
            deflates=encoder.deflate_bytes > 0,
        )

    def _close_at_once(
        self,
        request: web.BaseRequest,
        answer: bytes,
        subscription: Subscription,
        error: BrokerError,
    ) -> None:
        self._services.refused(error)
        retry_after_s = self._services.retry_after_s() if error.retry else None
        connection = take_over(request, partial(self._connection, self._encoder_of(answer)), answer)
        # A client may adopt this cursor; a newcomer's would have begun now.
        cursor = subscription.cursor or Cursor(int(self._services.wall_clock()), 0)
        connection.end(error, cursor, retry_after_s)


def _frame(text: bytes) -> bytes:
    """Return a frame with a text, or nothing."""
    return text_frame(text) if text else b""
