"""Polls: one answer, now or later, and the connection goes on."""

from __future__ import annotations

from asyncio import BaseProtocol, Protocol, Transport, get_running_loop
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol as Shape
from typing import cast

from broker.core.cursor import Cursor
from broker.core.errors import BrokerError
from broker.core.frames import NORMAL
from broker.transports.connection import NO_FD, Connection, ConnectionLimits
from broker.transports.front import Desk, hand_over
from broker.transports.traffic import Traffic
from broker.wheel import Wheel

VISIT_S = 5.0
"""Longest time between two visits of the wheel, which forgets what was handed on at the next."""

_AT_NEXT_VISIT = 0.0
"""Stands for a deadline that the wheel's next visit sets: no answer asks for the time."""


@dataclass(frozen=True, slots=True)
class PollLimits(ConnectionLimits):
    """
    Bounds of a poll's connection.

    Attributes:
        hold_s: Seconds that a long poll is held (D11).
        idle_s: Seconds that an answered connection waits for the next request.
        max_early_bytes: What a client may send while it is waiting; beyond, reading rests.
    """

    hold_s: float = 25.0
    idle_s: float = 75.0
    max_early_bytes: int = 16_384


class Answers(Shape):
    """Whole answers of a dialect."""

    keep_alive: bool

    def nothing(self, cursor: Cursor) -> bytes:
        """Return the answer of a hold that is over."""

    def refusal(self, error: BrokerError, cursor: Cursor, retry_after_s: float | None) -> bytes:
        """Return the answer of a hold that is cut short."""


class Waiting(Shape):
    """The session of a held poll."""

    def withdraw(self) -> Cursor:
        """Leave the feed; return the cursor to come back with."""


class PollConnection(Connection):
    """
    A connection whose present request is answered by us; the next one the desk may know.

    Args:
        wheel: Ends holds and idle connections.
        limits: Bounds.
        answers: Answers of the dialect.
        desk: Knows requests.
        aiohttp: Makes a protocol of aiohttp, for requests that the desk does not know.
        traffic: Counts polls' connections.

    Attributes:
        early: What the client sent behind the request that is under way.
    """

    __slots__ = (
        "_aiohttp",
        "_answers",
        "_busy",
        "_deadline",
        "_desk",
        "_timed",
        "_waiting",
        "early",
    )

    limits: PollLimits

    def __init__(
        self,
        wheel: Wheel,
        limits: PollLimits,
        answers: Answers,
        desk: Desk,
        aiohttp: Callable[[], BaseProtocol],
        traffic: Traffic | None = None,
    ) -> None:
        super().__init__(wheel, limits, traffic)
        self._answers = answers
        self._desk = desk
        self._aiohttp = aiohttp
        self._waiting: Waiting | None = None
        self._busy = False
        self.early = b""
        self._deadline = 0.0
        self._timed = False

    # --- answering ---------------------------------------------------------------------------

    def respond(self, answer: bytes) -> None:
        """Send the answer and wait for the next request."""
        self.write(answer)
        self._rest()

    def hold(self, session: Waiting) -> None:
        """Wait until the session has an answer, for `hold_s` at most."""
        if self._ending:
            return
        self._waiting = session
        self._busy = True
        self._deadline = get_running_loop().time() + self.limits.hold_s
        if not self._timed:
            self._be_visited()

    def answered(self, cursor: Cursor) -> None:  # noqa: ARG002 - the answer carried it
        """Wait for the next request."""
        self._waiting = None
        self.session = None
        self._rest()

    def _rest(self) -> None:
        self._busy = False
        if not self._answers.keep_alive:
            self._finish(b"")
        elif self.early and not self._paused:
            self._read_early()
        else:
            self._deadline = _AT_NEXT_VISIT
            if not self._timed:
                self._be_visited()

    def _be_visited(self) -> None:
        # A connection stands in the wheel once, and is visited often enough to be dropped from
        # there soon after it was handed on, and to be there when a hold ends that begins later.
        self._timed = True
        self._wheel.add(self, get_running_loop().time() + self._visit_s)

    @property
    def _visit_s(self) -> float:
        return min(VISIT_S, self.limits.hold_s)

    def _read_early(self) -> None:
        early, self.early = self.early, b""
        self.data_received(early)

    # --- the next request (a `Seat`) -----------------------------------------------------------

    def serve_next(self, answers: Answers) -> None:
        """Stay, for a request that is answered in this way."""
        self._answers = answers

    def wait(self) -> None:
        """Keep what comes next until the connection is surrendered or declined."""
        self._busy = True

    def surrender(self) -> Transport | None:
        """Let go of the connection; None when the client is gone."""
        transport = self._transport
        if transport is None or self._ending:
            return None
        self._transport = None
        self._traffic.leave(transport)
        self.fd = NO_FD
        transport.set_write_buffer_limits()
        transport.resume_reading()
        return transport

    def decline(self, head: bytes) -> None:
        """Let aiohttp answer the request after all."""
        transport = self.surrender()
        if transport is None:
            return
        self._desk.expect(transport, head)
        protocol = cast("Protocol", self._aiohttp())
        hand_over(transport, protocol, head + self.early)
        if self._paused:
            protocol.pause_writing()

    def _say_goodbye(
        self, error: BrokerError | None, cursor: Cursor, retry_after_s: float | None
    ) -> None:
        if self._waiting is None:
            self._finish(b"")
        elif error is None:
            self._finish(self._answers.nothing(cursor), NORMAL)
        else:
            self._finish(self._answers.refusal(error, cursor, retry_after_s), error.close_code)
        self._waiting = None

    def _note_loss(self) -> None:
        """Count a hold that ends because its client has gone; without one, nothing ends."""
        if self._waiting is not None:
            super()._note_loss()

    # --- what the loop and the wheel say -------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Keep the next request until this one is answered and taken, then hand it on."""
        if self._ending:
            return
        if not self._busy and not self._paused:
            if not self._desk.serve(data, self):
                self.decline(data)
            return
        self.early += data
        if len(self.early) > self.limits.max_early_bytes and self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Take note that the client has taken its answer; the next request may be there."""
        super().resume_writing()
        if self.early and not self._busy and not self._ending:
            self._read_early()

    def due(self, now: float) -> float | None:
        """End the hold with what there is: nothing; close a connection nobody uses."""
        if self._ending or self._transport is None:
            return None
        if self._deadline == _AT_NEXT_VISIT:
            self._deadline = now + self.limits.idle_s
        if now < self._deadline:
            return min(self._deadline, now + self._visit_s)
        if self._busy and self._waiting is None:  # the desk has it, and deadlines of its own
            return now + self._visit_s
        self._timed = False
        if self._waiting is None:
            self._finish(b"")
            return None
        waiting, self._waiting = self._waiting, None
        self.session = None
        self.write(self._answers.nothing(waiting.withdraw()))
        self._rest()
        return None
