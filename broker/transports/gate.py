"""The gate: how many connections a listener takes, and how it turns others away."""

from __future__ import annotations

from asyncio import BaseProtocol, BaseTransport, Protocol, Transport, get_running_loop
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import cast

from broker.core.errors import BrokerError, TooMany, Unavailable
from broker.transports.front import hand_over
from broker.transports.traffic import Addresses, Traffic
from broker.wheel import Wheel

MOST_TURNED_AWAY = 1024
"""Clients that are given an answer at a time; further ones are cut off without one."""

ANSWER_S = 2.0
"""Time in which a client that is turned away must have sent something, and hung up."""


@dataclass(frozen=True, slots=True)
class GateLimits:
    """
    Bounds of a listener.

    Attributes:
        connections: Connections at most.
        setting: What sets that.
        of_address: Connections of one client address at most; 0 for any number.
    """

    connections: int
    setting: str = "max_connections"
    of_address: int = 0


Refusal = Callable[[BrokerError], bytes]
"""Makes the whole answer to whoever is turned away; counts it as well."""


class Gate:
    """
    Decides about connections before a byte of them is read.

    Args:
        limits: Bounds.
        traffic: Everything that this listener's connections carry.
        addresses: Counts connections by client; only with a bound on that.
        refusal: Makes the answer to whoever is turned away.
        wheel: Ends those who are.

    Attributes:
        accepted: Connections that clients opened, those that were turned away included.
    """

    def __init__(
        self,
        limits: GateLimits,
        traffic: Iterable[Traffic],
        refusal: Refusal,
        wheel: Wheel,
        addresses: Addresses | None = None,
    ) -> None:
        self._limits = limits
        self._traffic = tuple(traffic)
        self._addresses = addresses
        self._refusal = refusal
        self._wheel = wheel
        self._turned_away = 0
        self.accepted = 0

    @property
    def open(self) -> int:
        """How many connections there are, those that were turned away not counted."""
        return sum(traffic.open for traffic in self._traffic)

    def turns_away(self, transport: Transport) -> bool:
        """Tell whether a new connection is one too many; then it is answered and ended here."""
        self.accepted += 1
        error = self._objection(transport)
        if error is None:
            return False
        answer = self._refusal(error)
        if self._turned_away >= MOST_TURNED_AWAY:
            transport.abort()
        else:
            self._turned_away += 1
            hand_over(transport, _TurnedAway(answer, self._wheel, self._ended), b"")
        return True

    def door(self, make: Callable[[], BaseProtocol]) -> BaseProtocol:
        """Return a protocol that has those who may pass go on to another one."""
        return _Door(self, make)

    def _objection(self, transport: Transport) -> BrokerError | None:
        limits = self._limits
        if self.open >= limits.connections:
            return Unavailable(
                f"this process has {limits.connections} connections already ({limits.setting})",
                limit=limits.connections,
                setting=limits.setting,
            )
        if self._addresses is not None and self._addresses.count(transport) >= limits.of_address:
            return TooMany(
                f"this address has {limits.of_address} connections already "
                "(max_address_connections)",
                limit=limits.of_address,
                setting="max_address_connections",
            )
        return None

    def _ended(self) -> None:
        self._turned_away -= 1


class _Door(Protocol):
    """The first protocol of a connection, which only asks the gate."""

    def __init__(self, gate: Gate, make: Callable[[], BaseProtocol]) -> None:
        self._gate = gate
        self._make = make

    def connection_made(self, transport: BaseTransport) -> None:
        known = cast("Transport", transport)
        if not self._gate.turns_away(known):
            hand_over(known, cast("Protocol", self._make()), b"")


class _TurnedAway(Protocol):
    """
    Answers the first thing that is said, whatever it is, and closes.

    Closing with something unread would have the kernel throw the answer away, so the client is to
    hang up first; for a while.
    """

    def __init__(self, answer: bytes, wheel: Wheel, ended: Callable[[], None]) -> None:
        self._answer = answer
        self._wheel = wheel
        self._ended = ended
        self._transport: Transport | None = None

    def connection_made(self, transport: BaseTransport) -> None:
        self._transport = cast("Transport", transport)
        self._wheel.add(self, get_running_loop().time() + ANSWER_S)

    def data_received(self, data: bytes) -> None:  # noqa: ARG002 - it is not looked at
        answer, self._answer = self._answer, b""
        if answer and self._transport is not None:
            self._transport.write(answer)
            self._transport.write_eof()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the cause is no matter
        self._transport = None
        self._ended()

    def due(self, now: float) -> None:  # noqa: ARG002 - visited once
        if self._transport is not None:
            self._transport.abort()
