"""Polls: one answer, now or later, and the connection goes on."""

from __future__ import annotations

from asyncio import BaseProtocol, Protocol, get_running_loop
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol as Shape
from typing import cast

from broker.core.cursor import Cursor
from broker.core.errors import BrokerError
from broker.transports.connection import NO_FD, Connection, ConnectionLimits
from broker.wheel import Wheel


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
    A connection whose present request is answered by us; the next one is aiohttp's again.

    Args:
        wheel: Ends holds and idle connections.
        limits: Bounds.
        answers: Answers of the dialect.
        successor: Makes the protocol that reads the next request.
    """

    __slots__ = ("_answers", "_deadline", "_early", "_successor", "_timed", "_waiting")

    limits: PollLimits

    def __init__(
        self,
        wheel: Wheel,
        limits: PollLimits,
        answers: Answers,
        successor: Callable[[], BaseProtocol],
    ) -> None:
        super().__init__(wheel, limits)
        self._answers = answers
        self._successor = successor
        self._waiting: Waiting | None = None
        self._early = b""
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
        self._set_deadline(self.limits.hold_s)

    def answered(self, cursor: Cursor) -> None:  # noqa: ARG002 - the answer carried it
        """Wait for the next request."""
        self._waiting = None
        self.session = None
        self._rest()

    def _rest(self) -> None:
        if not self._answers.keep_alive:
            self._finish(b"")
        elif self._early:
            early, self._early = self._early, b""
            self._hand_back(early)
        elif not self._ending:
            self._set_deadline(self.limits.idle_s)

    def _set_deadline(self, wait_s: float) -> None:
        # A connection stands in the wheel once; an earlier visit finds the later deadline.
        self._deadline = get_running_loop().time() + wait_s
        if not self._timed:
            self._timed = True
            self._wheel.add(self, self._deadline)

    def _hand_back(self, data: bytes) -> None:
        transport = self._transport
        if transport is None or self._ending:
            return
        self._transport = None
        self.fd = NO_FD
        successor = cast("Protocol", self._successor())
        transport.set_write_buffer_limits()
        transport.resume_reading()
        transport.set_protocol(successor)
        successor.connection_made(transport)
        if self._paused:
            successor.pause_writing()
        successor.data_received(data)

    def _say_goodbye(
        self, error: BrokerError | None, cursor: Cursor, retry_after_s: float | None
    ) -> None:
        if self._waiting is None:
            self._finish(b"")
        elif error is None:
            self._finish(self._answers.nothing(cursor))
        else:
            self._finish(self._answers.refusal(error, cursor, retry_after_s))
        self._waiting = None

    # --- what the loop and the wheel say -------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Keep the next request until this one is answered, then hand it on."""
        if self._ending:
            return
        if self._waiting is None:
            self._hand_back(data)
            return
        self._early += data
        if len(self._early) > self.limits.max_early_bytes and self._transport is not None:
            self._transport.pause_reading()

    def due(self, now: float) -> float | None:
        """End the hold with what there is: nothing; close a connection nobody uses."""
        if self._ending or self._transport is None:
            return None
        if now < self._deadline:
            return self._deadline
        self._timed = False
        if self._waiting is None:
            self._finish(b"")
            return None
        waiting, self._waiting = self._waiting, None
        self.session = None
        self.write(self._answers.nothing(waiting.withdraw()))
        self._rest()
        return None
