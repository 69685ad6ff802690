"""Recall: serving a request that is known from before without parsing it again."""

from __future__ import annotations

from asyncio import Transport
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from aiohttp import HttpVersion11, web

from broker.core.cursor import Cursor
from broker.core.errors import BrokerError
from broker.core.shapes import Shapes
from broker.protocols.pushstream.admission import Admission, Admitted
from broker.protocols.pushstream.known import Cut, cut
from broker.protocols.pushstream.request import Subscription, read_cursor
from broker.transports.front import Seat

Route = Callable[[Admitted, Cursor | None, Cut, Seat], bool]
"""Serves a known request; False when aiohttp has to."""

MAX_UNPARSED = 4096
"""Requests on their way through aiohttp whose bytes are kept, to be remembered if they succeed."""


MAX_RECENT = 1024
"""Requests that are remembered to the last byte: those who wait together ask alike again."""


class _Known:
    """A shape that was served: what it asks for, how it is served, what it was admitted to."""

    __slots__ = ("admitted", "route", "subscription")

    def __init__(self, subscription: Subscription, route: Route) -> None:
        self.subscription = subscription
        self.route = route
        self.admitted: Admitted | None = None


class _Recent(NamedTuple):
    """A request with its cursor, read."""

    known: _Known
    parts: Cut
    cursor: Cursor | None


class Recall:
    """
    The desk of this dialect: remembers requests that were served, by their shape.

    Everything that can change is checked anew each time: the token, the channel rules, the cursor.
    Whatever is then not plainly served goes to aiohttp, which knows how to refuse.

    Args:
        admission: Decides who may read what.
        size: Requests remembered at most; 0 remembers none.
        closed: Whether this node serves nobody any more.

    Attributes:
        hits: Requests that were served.
        misses: Requests that went to aiohttp.
    """

    def __init__(self, admission: Admission, size: int, closed: Callable[[], bool]) -> None:
        self._admission = admission
        self._closed = closed
        self._memory: Shapes[_Known] = Shapes(size)
        self._recent: dict[bytes, _Recent] = {}
        self._unparsed: OrderedDict[Transport, Cut] = OrderedDict()
        self.hits = 0
        self.misses = 0

    def serve(self, head: bytes, seat: Seat) -> bool:
        """Serve a request that is known; False when it is aiohttp's to answer."""
        recent = self._recent.get(head) or self._read(head)
        if recent is None or self._closed():
            return False
        known, parts, cursor = recent
        try:
            admitted = self._admission.admit_again(known.subscription, known.admitted)
        except BrokerError:
            return False
        known.admitted = admitted
        if not known.route(admitted, cursor, parts, seat):
            return False
        self.hits += 1
        return True

    def _read(self, head: bytes) -> _Recent | None:
        parts = cut(head)
        known = None if parts is None else self._memory.get(parts.shape)
        if parts is None or known is None:
            return None
        try:
            recent = _Recent(known, parts, read_cursor(parts.parameters, parts.headers))
        except BrokerError:
            return None
        if "Sec-WebSocket-Key" not in parts.headers:  # which never comes again
            if len(self._recent) >= MAX_RECENT:
                self._recent.clear()
            self._recent[head] = recent
        return recent

    def expect(self, transport: Transport, head: bytes) -> None:
        """Keep the bytes of a request until `claim`."""
        self.misses += 1
        parts = cut(head)
        if parts is not None:
            self._unparsed[transport] = parts
            if len(self._unparsed) > MAX_UNPARSED:
                self._unparsed.popitem(last=False)

    def claim(self, transport: Transport | None) -> Cut | None:
        """Return the request that aiohttp has just parsed, if it came whole and alone."""
        return None if transport is None else self._unparsed.pop(transport, None)

    def forget(self) -> None:
        """Forget every request: they would be served otherwise by now."""
        self._memory.clear()
        self._recent.clear()

    def learn(
        self, request: web.BaseRequest, parts: Cut | None, subscription: Subscription, route: Route
    ) -> None:
        """
        Remember how a request was served.

        Args:
            request: As aiohttp has parsed it.
            parts: The same, as `claim` gave it.
            subscription: What it asked for.
            route: Serves the next one of its shape.
        """
        if parts is not None and _is_plain(request, parts):
            self._memory.put(parts.shape, _Known(subscription, route))


def _is_plain(request: web.BaseRequest, parts: Cut) -> bool:
    """Tell whether everything that could carry a cursor was cut out, in its plain spelling."""
    if request.version != HttpVersion11 or "Last-Event-ID" in request.headers:
        return False
    names = [pair.partition("=")[0] for pair in request.raw_path.partition("?")[2].split("&")]
    if any("%" in name or "+" in name for name in names):
        return False
    lower = [name.lower() for name in names]
    return all(lower.count(name) == (name in parts.parameters) for name in ("tag", "time")) and all(
        len(request.headers.getall(name, ())) == (name in parts.headers)
        for name in ("If-None-Match", "If-Modified-Since")
    )
