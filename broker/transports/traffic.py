"""Traffic: the open connections of a listener, by what they carry and by whom."""

from __future__ import annotations

from asyncio import BaseTransport
from collections import Counter as Multiset
from collections.abc import Callable
from typing import NamedTuple

from broker.metrics import Counters

LOST = 1006
"""Close code of a connection whose client went without a word (RFC 6455, section 7.1.5)."""

CODES = frozenset(
    {1000, 1001, 1002, 1003, LOST, 1007, 1008, 1009, 1011, 1013, 3401, 3403, 3500, 3502, 3503}
)
"""Close codes that are told by themselves; a client may send any of four thousand."""

Who = Callable[[BaseTransport], str]
"""Tells whose connection it is: what all addresses of one client have in common, or nothing."""


class Addresses:
    """
    How many connections each client address has.

    Args:
        who: Tells whose a connection is; connections of nobody are not counted.
    """

    def __init__(self, who: Who) -> None:
        self._who = who
        self._owners: dict[BaseTransport, str] = {}
        self._counts: Multiset[str] = Multiset()

    def count(self, transport: BaseTransport) -> int:
        """Return how many connections the client of this one has, this one not counted."""
        return self._counts[self._who(transport)]

    def enter(self, transport: BaseTransport) -> None:
        """Take note of a connection."""
        owner = self._who(transport)
        if owner:
            self._owners[transport] = owner
            self._counts[owner] += 1

    def leave(self, transport: BaseTransport) -> None:
        """Take note that a connection is gone."""
        owner = self._owners.pop(transport, "")
        if owner:
            self._counts[owner] -= 1
            if not self._counts[owner]:
                del self._counts[owner]


class Traffic:
    """
    The connections that carry one thing.

    Whoever holds a connection enters it when it is given it, and leaves once, when it hands it on
    or loses it.

    Args:
        transport: What they carry, as metrics name it.
        closes: Counts closes by transport and code.
        addresses: Counts them by client; None where nobody asks for that.

    Attributes:
        timed_out: Called for each connection that is closed because its first request did not come
            in time; does nothing until it is said what.
    """

    __slots__ = ("_addresses", "_closes", "_connections", "_transport", "timed_out")

    def __init__(
        self,
        transport: str = "",
        closes: Counters | None = None,
        addresses: Addresses | None = None,
    ) -> None:
        self._transport = transport
        self._closes = closes
        self._addresses = addresses
        self._connections: set[BaseTransport] = set()
        self.timed_out: Callable[[], None] = _do_nothing

    @property
    def open(self) -> int:
        """How many there are."""
        return len(self._connections)

    def enter(self, transport: BaseTransport) -> None:
        """Take note of a connection."""
        self._connections.add(transport)
        if self._addresses is not None:
            self._addresses.enter(transport)

    def leave(self, transport: BaseTransport) -> None:
        """Take note that a connection is gone, or another's."""
        self._connections.discard(transport)
        if self._addresses is not None:
            self._addresses.leave(transport)

    def closed(self, code: int) -> None:
        """Count how a subscription ended."""
        if self._closes is not None:
            self._closes.of(self._transport, str(code) if code in CODES else "other").add()

    def hang_up(self) -> None:
        """Close every connection, once what is buffered has left."""
        for transport in list(self._connections):
            transport.close()


def _do_nothing() -> None:
    """Stand for what nobody asks for."""


class Carried(NamedTuple):
    """
    What the connections of a public listener carry.

    Attributes:
        http: Nothing yet: a request is on its way or being answered.
        websocket: WebSockets.
        eventsource: Event streams.
        stream: Streams of messages one after the other.
        poll: Polls, and what follows on their connections.
    """

    http: Traffic
    websocket: Traffic
    eventsource: Traffic
    stream: Traffic
    poll: Traffic

    @classmethod
    def of(cls, closes: Counters, addresses: Addresses | None) -> Carried:
        """Return the traffic of a listener, counted by client as well if that is asked for."""
        return cls(*(Traffic(name, closes, addresses) for name in cls._fields))

    def open(self) -> dict[str, float]:
        """Return how many connections there are, by what they carry."""
        return {name: traffic.open for name, traffic in zip(self._fields, self, strict=True)}

    def hang_up(self) -> None:
        """Close every connection, once what is buffered has left."""
        for traffic in self:
            traffic.hang_up()
