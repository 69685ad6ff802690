"""The front: first protocol of a public connection, which may spare it aiohttp."""

from __future__ import annotations

from asyncio import BaseProtocol, BaseTransport, Protocol, Transport, get_running_loop
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol as Shape
from typing import cast

from broker.transports.traffic import Traffic
from broker.wheel import Wheel


class Seat(Shape):
    """
    Who holds a connection whose next request has just come.

    Attributes:
        early: What the client sent behind it.
    """

    early: bytes

    def surrender(self) -> Transport | None:
        """Let go of the connection; None when the client is gone."""

    def wait(self) -> None:
        """Keep what comes next until the connection is surrendered or declined."""

    def decline(self, head: bytes) -> None:
        """Let aiohttp answer the request after all."""


class Desk(Shape):
    """Who serves requests that it knows as they stand; see the dialect's `recall`."""

    def serve(self, head: bytes, seat: Seat) -> bool:
        """Serve a request, now or soon; False when it is aiohttp's to answer."""

    def expect(self, transport: Transport, head: bytes) -> None:
        """Take note of the bytes that aiohttp is about to parse."""


class Gatekeeper(Shape):
    """Who decides about connections before a byte of them is read; a `Gate`."""

    def turns_away(self, transport: Transport) -> bool:
        """Tell whether a new connection is one too many; then it is no longer the caller's."""


@dataclass(frozen=True, slots=True)
class FrontLimits:
    """
    Bounds of a connection that has not been served yet.

    Attributes:
        request_s: Seconds until the first bytes must be there.
        max_early_bytes: What a client may send while its request waits; beyond, it is cut.
    """

    request_s: float = 10.0
    max_early_bytes: int = 4096


class Front(Protocol):
    """
    Reads what a client sends first, and hands it to whoever serves it; parses nothing.

    What the desk knows as one whole request is served by it. Everything else, whole or not, goes
    to a fresh protocol of aiohttp, and the connection with it.

    Args:
        desk: Knows requests.
        aiohttp: Makes a protocol of aiohttp.
        wheel: Ends a connection that sends nothing.
        limits: Bounds.
        gate: Turns away who is one too many.
        traffic: Counts connections without a subscription.

    Attributes:
        early: What the client sent behind the request that waits.
    """

    __slots__ = (
        "_aiohttp",
        "_desk",
        "_gate",
        "_limits",
        "_traffic",
        "_transport",
        "_waiting",
        "_wheel",
        "early",
    )

    def __init__(
        self,
        desk: Desk,
        aiohttp: Callable[[], BaseProtocol],
        wheel: Wheel,
        limits: FrontLimits,
        gate: Gatekeeper,
        traffic: Traffic,
    ) -> None:
        self._desk = desk
        self._aiohttp = aiohttp
        self._wheel = wheel
        self._limits = limits
        self._gate = gate
        self._traffic = traffic
        self._transport: Transport | None = None
        self._waiting = False
        self.early = b""

    # --- what the loop and the wheel say -----------------------------------------------------

    def connection_made(self, transport: BaseTransport) -> None:
        """Wait for the first bytes, for a while, unless it is one too many."""
        known = cast("Transport", transport)
        if self._gate.turns_away(known):
            return
        self._transport = known
        self._traffic.enter(known)
        self._wheel.add(self, get_running_loop().time() + self._limits.request_s)

    def data_received(self, data: bytes) -> None:
        """Have a known request served, give anything else to aiohttp."""
        if self._waiting:
            self.early += data
            if len(self.early) > self._limits.max_early_bytes and self._transport is not None:
                self._transport.abort()
        elif not self._desk.serve(data, self):
            self.decline(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the cause is no matter
        """Let go."""
        if self._transport is not None:
            self._traffic.leave(self._transport)
        self._transport = None

    def due(self, now: float) -> None:  # noqa: ARG002 - visited once
        """Close a connection that has sent nothing."""
        if self._transport is not None and not self._waiting:
            self._traffic.timed_out()
            self._transport.close()

    # --- what the desk says --------------------------------------------------------------------

    def wait(self) -> None:
        """Keep what comes next until the connection is surrendered or declined."""
        self._waiting = True

    def surrender(self) -> Transport | None:
        """Let go of the connection; None when the client is gone."""
        transport, self._transport = self._transport, None
        if transport is None:
            return None
        self._traffic.leave(transport)
        return None if transport.is_closing() else transport

    def decline(self, head: bytes) -> None:
        """Let aiohttp answer the request after all."""
        transport = self.surrender()
        if transport is not None:
            self._desk.expect(transport, head)
            hand_over(transport, cast("Protocol", self._aiohttp()), head + self.early)


def hand_over(transport: Transport, protocol: Protocol, data: bytes) -> None:
    """Give a connection to another protocol, with what the client has sent already."""
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    if data and not transport.is_closing():
        protocol.data_received(data)
