"""
The express: publishes of a known shape, taken without aiohttp.

What a publisher sends again and again is read from its bytes (see `heads`), checked like any
publish, and queued; further requests on the connection are read meanwhile and answered in order.
Everything else is handed to aiohttp as it came. When aiohttp has stored a plain publish, its shape
is remembered and the connection comes back here.
"""

from __future__ import annotations

from asyncio import BaseProtocol, BaseTransport, Future, Protocol, Transport, get_running_loop
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, cast

from aiohttp import hdrs, web

from broker.api.call import Call
from broker.api.headers import RESERVED_EVENT_TYPES, PublishHeaders
from broker.api.heads import PublishHead, cut_publish, plain_head
from broker.api.media import Media
from broker.api.problems import problem, serialise
from broker.core.errors import BodyTimeout, BrokerError, StoreUnavailable
from broker.core.shapes import Shapes
from broker.store.base import Stored
from broker.transports.front import hand_over
from broker.transports.takeover import TakenOver, sends_no_more, take_over
from broker.transports.traffic import Traffic
from broker.wheel import Wheel

MAX_HEAD_BYTES = 8190
"""Longest head that is remembered."""

MAX_UNPARSED = 1024
"""Requests on their way through aiohttp whose heads are kept."""

VISIT_S = 1.0
"""How often waits and idle connections are looked at, in seconds."""

_HEAD_END = b"\r\n\r\n"
_LATE = (
    "the store did not answer within {:g} s; the messages may be stored: the same "
    "Idempotency-Key stores them once"
)
_SLOW = "the body did not arrive within {:g} s"


@dataclass(frozen=True, slots=True)
class ExpressLimits:
    """
    Bounds of an express connection.

    Attributes:
        idle_s: Seconds that it may be silent.
        request_s: Seconds in which a request that has begun must be there.
        wait_s: Seconds in which the store must have answered.
        body_bytes: Body at most; a longer one is aiohttp's to refuse.
        pipelined: Requests that may wait for their answers; beyond, reading rests.
        shapes: Shapes of requests that are remembered.
    """

    idle_s: float = 75.0
    request_s: float = 10.0
    wait_s: float = 5.0
    body_bytes: int = 65_536
    pipelined: int = 64
    shapes: int = 1024


class Known(NamedTuple):
    """
    What aiohttp found out about a shape.

    Attributes:
        publisher: Name of the API key; empty without one.
        tenant: Whose channels.
        media: What the body is.
        if_match: Condition on the last message, or empty.
    """

    publisher: str
    tenant: str
    media: Media
    if_match: str


Submit = Callable[[Known, str, PublishHeaders, bytes], "Future[Stored]"]
"""Queues a message: what is known, channel, headers, body. Raises what is wrong with it."""

Answer = Callable[[Stored], bytes]
"""Makes the whole answer to a publish."""


class Express:
    """
    Knows shapes of publishes, and makes connections that use them.

    Args:
        submit: Queues a message.
        answer: Makes the answer to a publish.
        aiohttp: Makes a protocol of aiohttp.
        wheel: Ends connections and waits.
        limits: Bounds.
        traffic: Counts connections.
        refused: Counts refusals.

    Attributes:
        hits: Publishes that were taken without parsing.
        misses: Requests that went to aiohttp.
    """

    def __init__(
        self,
        submit: Submit,
        answer: Answer,
        aiohttp: Callable[[], BaseProtocol],
        wheel: Wheel,
        limits: ExpressLimits,
        traffic: Traffic,
        refused: Callable[[BrokerError], None],
    ) -> None:
        self.submit = submit
        self.answer = answer
        self.aiohttp = aiohttp
        self.wheel = wheel
        self.limits = limits
        self.traffic = traffic
        self.refused = refused
        self._shapes: Shapes[Known] = Shapes(limits.shapes)
        self._unparsed: OrderedDict[Transport, bytes] = OrderedDict()
        self.hits = 0
        self.misses = 0

    def connection(self, *, is_new: bool = False) -> ExpressConnection:
        """Return the protocol of a connection: of one that was just accepted, or taken back."""
        return ExpressConnection(self, is_new=is_new)

    def find(self, head: PublishHead) -> Known | None:
        """Return what is known of a head's shape."""
        return self._shapes.get(head.shape)

    def expect(self, transport: Transport, head: bytes) -> None:
        """Keep a head that aiohttp is about to parse, until `learn`."""
        self._unparsed[transport] = head
        if len(self._unparsed) > MAX_UNPARSED:
            self._unparsed.popitem(last=False)

    def learn(
        self, call: Call, media: Media, headers: PublishHeaders, response: web.Response
    ) -> web.StreamResponse:
        """
        Remember the shape of a publish that was stored, and take its connection back.

        Returns:
            The response, or, if the connection was taken back, one that says it was sent.
        """
        transport = call.request.transport
        raw = None if transport is None else self._unparsed.pop(transport, None)
        head = None if raw is None else plain_head(raw, call.request)
        if head is None or sends_no_more(call.request):
            return response
        self._shapes.put(head.shape, Known(call.publisher, call.tenant, media, headers.if_match))
        try:
            take_over(call.request, self.connection, serialise(response))
        except BrokerError:  # something is behind the request already
            return response
        return TakenOver()


@dataclass(slots=True)
class _Pending:
    """A publish that waits for the store."""

    stored: Future[Stored]
    since: float


class ExpressConnection(Protocol):
    """
    A connection of the internal listener, until a request comes that the express does not know.

    Args:
        express: Knows shapes.
        is_new: Whether nothing was ever asked on it.
    """

    __slots__ = (
        "_began_at",
        "_buffer",
        "_choked",
        "_ended",
        "_express",
        "_fd_paused",
        "_is_new",
        "_pending",
        "_seen_at",
        "_transport",
    )

    def __init__(self, express: Express, *, is_new: bool = False) -> None:
        self._express = express
        self._is_new = is_new
        self._transport: Transport | None = None
        self._buffer = b""
        self._pending: deque[_Pending] = deque()
        self._seen_at = 0.0
        self._began_at = 0.0  # when the first byte of what is buffered came
        self._fd_paused = False
        self._choked = False  # whether the client does not read its answers
        self._ended = False  # whether it sends no more

    @property
    def ending(self) -> bool:
        """Whether the client is gone, or the connection aiohttp's."""
        return self._transport is None

    # --- what the loop and the wheel say -----------------------------------------------------

    def connection_made(self, transport: BaseTransport) -> None:
        """Wait for requests."""
        self._transport = cast("Transport", transport)
        self._express.traffic.enter(transport)
        self._seen_at = get_running_loop().time()
        self._express.wheel.add(self, self._seen_at + VISIT_S)

    def write(self, data: bytes) -> bool:
        """Send bytes."""
        if self._transport is not None:
            self._transport.write(data)
        return True

    def data_received(self, data: bytes) -> None:
        """Take the publishes that are known, in order."""
        self._seen_at = get_running_loop().time()
        self._is_new = False
        if self._buffer:
            self._buffer += data
        else:
            self._buffer = data
            self._began_at = self._seen_at
        self._read()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the cause is no matter
        """Let go; what was queued is stored all the same."""
        if self._transport is not None:
            self._express.traffic.leave(self._transport)
        self._transport = None
        self._pending.clear()

    def eof_received(self) -> bool:
        """Keep the connection of a client that sends no more until it has its answers."""
        self._ended = bool(self._pending)
        return self._ended

    def pause_writing(self) -> None:
        """Take nothing more from a client that does not read its answers."""
        self._choked = True
        self._pause()

    def resume_writing(self) -> None:
        """Go on: the client has read."""
        self._choked = False
        if self._transport is not None:
            self._resume(self._transport)
            self._read()

    def due(self, now: float) -> float | None:
        """Give up waits that take too long, and connections that nobody uses."""
        transport = self._transport
        if transport is None:
            return None
        limits = self._express.limits
        if self._choked:
            if now - self._seen_at > limits.idle_s:
                transport.abort()
        elif self._pending and now - self._pending[0].since > limits.wait_s:
            self._end(StoreUnavailable(_LATE.format(limits.wait_s)))
        elif self._pending:
            pass
        elif self._buffer and now - self._began_at > limits.request_s:
            self._end(BodyTimeout(_SLOW.format(limits.request_s), setting="request_timeout_s"))
        elif self._is_new and now - self._seen_at >= limits.request_s:
            self._express.traffic.timed_out()
            transport.close()
        elif now - self._seen_at > limits.idle_s:
            transport.close()
        return now + VISIT_S

    # --- requests ------------------------------------------------------------------------------

    def _read(self) -> None:
        while self._buffer and self._transport is not None and not self._choked:
            if len(self._pending) >= self._express.limits.pipelined:
                self._pause()
                return
            end = self._buffer.find(_HEAD_END) + len(_HEAD_END)
            head = None if end < len(_HEAD_END) else cut_publish(self._buffer[:end])
            known = None if head is None else self._express.find(head)
            if head is None or known is None or head.length > self._express.limits.body_bytes:
                self._give_away(b"" if head is None else self._buffer[:end])
                return
            stop = end + head.length
            if len(self._buffer) < stop:
                return  # the rest of the body is on its way
            if not self._publish(head, known, self._buffer[end:stop]):
                self._give_away(self._buffer[:end])
                return
            self._buffer = self._buffer[stop:]
            self._began_at = self._seen_at

    def _publish(self, head: PublishHead, known: Known, body: bytes) -> bool:
        headers = PublishHeaders(
            head.headers.get("Event-Id", ""),
            head.headers.get("Event-Type", ""),
            known.if_match,
            head.headers.get("Idempotency-Key", ""),
        )
        if headers.event_type in RESERVED_EVENT_TYPES:
            return False  # the form of a head does not show it
        try:
            stored = self._express.submit(known, head.channel, headers, body)
        except BrokerError:  # aiohttp's way says what is wrong
            return False
        self._express.hits += 1
        self._pending.append(_Pending(stored, self._seen_at))
        stored.add_done_callback(self._answer)
        return True

    def _give_away(self, head: bytes) -> None:
        """
        Let aiohttp have the connection, once everything before has its answer.

        Args:
            head: That of the next request, if it is one that may be known later; else empty.
        """
        transport = self._transport
        if self._pending or transport is None:
            if len(self._buffer) > self._express.limits.body_bytes + MAX_HEAD_BYTES:
                self._pause()
            return
        if head:
            self._express.expect(transport, head)
        self._express.misses += 1
        self._transport = None
        self._express.traffic.leave(transport)
        self._resume(transport)
        buffer, self._buffer = self._buffer, b""
        protocol = cast("Protocol", self._express.aiohttp())
        hand_over(transport, protocol, buffer)
        if self._ended and not protocol.eof_received():
            transport.close()

    # --- answers ---------------------------------------------------------------------------------

    def _answer(self, _: Future[Stored]) -> None:
        """Send the answers that are there, in the order of their requests."""
        answers: list[bytes] = []
        while self._pending and self._pending[0].stored.done():
            answers.append(self._response(self._pending.popleft().stored))
        transport = self._transport
        if not answers or transport is None:
            return
        transport.write(b"".join(answers))
        if self._choked:
            return
        self._resume(transport)
        self._read()
        if self._ended and not self._pending and self._transport is not None:
            transport.close()

    def _response(self, stored: Future[Stored]) -> bytes:
        try:
            return self._express.answer(stored.result())
        except BrokerError as error:
            self._express.refused(error)
            return serialise(problem(error))

    def _end(self, error: BrokerError) -> None:
        transport = self._transport
        self._pending.clear()
        self._express.refused(error)
        if transport is not None:
            response = problem(error)
            response.headers[hdrs.CONNECTION] = "close"
            transport.write(serialise(response))
            transport.close()

    def _pause(self) -> None:
        if self._transport is not None and not self._fd_paused:
            self._fd_paused = True
            self._transport.pause_reading()

    def _resume(self, transport: Transport) -> None:
        if self._fd_paused:
            self._fd_paused = False
            transport.resume_reading()
