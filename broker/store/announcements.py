"""The wire of the announcement connection: our own protocol, since every message passes here."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import repeat
from typing import Final, NamedTuple, Protocol, cast
import asyncio
import logging

from hiredis import ProtocolError, Reader, ReplyError

from broker.core.cursor import Cursor
from broker.core.message import Message
from broker.core.revocations import Revocation
from broker.store.codec import Deletion, Tick, decode_announcement, decode_tick
from broker.store.revoked import decode_news
from broker.store.wire import Reply, pack

_log = logging.getLogger(__name__)

_WORDS: Final = 3
_PONGS: Final = (b"PONG", b"pong")
_CANNOT_SAVE: Final = "MISCONF"
"""Begins the answer to a PING of a server that cannot write to its disk; it still announces."""
_NAMES_PER_COMMAND: Final = 1000
"""Channels in one SUBSCRIBE, so that no command keeps the server busy for long."""


class Route(NamedTuple):
    """
    What an announcement channel of the server carries.

    Attributes:
        tenant: Name of the tenant; empty for the revocations of all of them.
        channel: Name of the broker's channel; empty for the node's ticks.
    """

    tenant: str
    channel: str


REVOKED: Final = Route("", "")
"""Carries revocations."""

_Heard = tuple[Route, list[Message] | Deletion | Tick | Revocation | None]
_ANSWER: Final[_Heard] = (REVOKED, None)
"""Stands for what is no announcement."""


class Ear(Protocol):
    """Who hears an announcement connection: the listener. Calls come in the order of the wire."""

    def announced(self, tenant: str, messages: Sequence[Message]) -> None:
        """Take newly announced messages of one tenant."""

    def deleted(self, tenant: str, channel: str, cursor: Cursor) -> None:
        """Take note that everything of a channel up to the cursor was deleted."""

    def ticked(self, tenant: str, tick: Tick) -> None:
        """Take a tick of this node."""

    def revoked(self, revocation: Revocation) -> None:
        """Take a new revocation."""

    def lost(self, connection: AnnouncementProtocol) -> None:
        """Take note that a connection is gone."""


class AnnouncementProtocol(asyncio.Protocol):
    """
    One connection in the subscribed state.

    Args:
        routes: What each announcement channel carries, kept up to date by the listener. What comes
            on any other channel is dropped.
        ear: Who hears.
        is_sharded: Whether announcements stay within their shard.

    Attributes:
        ready: Done once the server answered a PING.
        lost: Done once the connection is gone.
        heard_at: When bytes came last, in the loop's time.
        refusal: Error that the server answered, if it did; the connection is given up then.
    """

    def __init__(
        self, routes: Mapping[bytes, Route], ear: Ear, *, is_sharded: bool = False
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._prefix = b"s" if is_sharded else b""
        self._message = self._prefix + b"message"
        self._awaited: deque[Callable[[AnnouncementProtocol], None]] = deque()
        self._pings: deque[asyncio.Future[None]] = deque()
        self._given_back = 0
        self._routes = routes
        self._ear = ear
        self._reader = Reader()
        self._transport: asyncio.WriteTransport | None = None
        self.ready: asyncio.Future[None] = self._loop.create_future()
        self.lost: asyncio.Future[None] = self._loop.create_future()
        self.heard_at = self._loop.time()
        self.refusal = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc  # whatever it was, the listener connects again
        self._transport = None
        for future in (self.ready, self.lost):
            if not future.done():
                future.set_result(None)
        self._ear.lost(self)

    def data_received(self, data: bytes) -> None:
        self.heard_at = self._loop.time()
        self._reader.feed(data)
        try:
            self._hear()
        except ProtocolError:
            self._refuse("what the server sent is not the Redis protocol")

    def log_in(self, credentials: Sequence[str]) -> None:
        """Send the credentials, if any, and ask for a sign of life."""
        if credentials:
            self._send("AUTH", *credentials)
        self.ping()

    def ping(self) -> asyncio.Future[None]:
        """
        Ask for a sign of life.

        Returns:
            Done once it came; what the server announced before that was heard by then.
        """
        answered: asyncio.Future[None] = self._loop.create_future()
        self._pings.append(answered)
        self._send("PING")
        return answered

    def subscribe(
        self, names: Sequence[bytes], confirmed: Callable[[AnnouncementProtocol], None]
    ) -> None:
        """Ask for announcement channels; `confirmed` is called once for each."""
        self._awaited.extend(repeat(confirmed, len(names)))
        self._send_names(b"subscribe", names)

    def unsubscribe(self, names: Sequence[bytes]) -> None:
        """Give announcement channels back."""
        self._given_back += len(names)
        self._send_names(b"unsubscribe", names)

    def abort(self) -> None:
        """Give the connection up at once."""
        if self._transport is not None:
            self._transport.abort()

    def _send(self, *words: str | bytes) -> None:
        if self._transport is not None:
            self._transport.write(pack(words))

    def _send_names(self, command: bytes, names: Sequence[bytes]) -> None:
        for start in range(0, len(names), _NAMES_PER_COMMAND):
            self._send(self._prefix + command, *names[start : start + _NAMES_PER_COMMAND])

    def _hear(self) -> None:
        """Read what came; hand messages over in as few calls as their order allows."""
        gets, ear, message = self._reader.gets, self._ear, self._message
        tenant, messages = "", list[Message]()
        while (reply := gets()) is not False:
            if type(reply) is list and len(reply) == _WORDS and reply[0] == message:
                heard = self._read(reply[1], reply[2])
                if heard is None:
                    continue
                route, news = heard
            else:
                route, news = _ANSWER
            if messages and (route.tenant != tenant or type(news) is not list):
                ear.announced(tenant, messages)
                messages = []
            tenant = route.tenant
            if type(news) is list:
                messages += news
            elif type(news) is Tick:
                ear.ticked(tenant, news)
            elif type(news) is Revocation:
                ear.revoked(news)
            elif type(news) is Deletion:
                ear.deleted(tenant, route.channel, news.cursor)
            else:
                self._answered(reply)
        if messages:
            ear.announced(tenant, messages)

    def _read(self, name: bytes, payload: bytes) -> _Heard | None:
        """Return what an announcement says and where it belongs; None where it is dropped."""
        try:
            route = self._routes.get(name)
            if route is None:
                return None
            if route.channel:
                return route, decode_announcement(route.channel, payload)
            return route, decode_tick(payload) if route.tenant else decode_news(payload)
        except (TypeError, ValueError):
            # The next announcement's `prev` shows the hole, and the hub reads what is missing.
            _log.warning("Dropped an announcement that cannot be read.")
            return None

    def _answered(self, reply: Reply) -> None:
        word = reply[0] if isinstance(reply, list) and reply else reply
        if word == self._prefix + b"subscribe":
            self._confirmed()
        elif word == self._prefix + b"unsubscribe":
            self._taken_back()
        elif word in _PONGS or str(word).startswith(_CANNOT_SAVE):
            self._lives()
        elif isinstance(word, ReplyError):
            self._refuse(str(word))

    def _lives(self) -> None:
        if self._pings:
            answered = self._pings.popleft()
            if not answered.done():
                answered.set_result(None)
        if not self.ready.done():
            self.ready.set_result(None)

    def _confirmed(self) -> None:
        if self._awaited:
            self._awaited.popleft()(self)
        else:
            self._refuse("it confirms what nobody asked for")

    def _taken_back(self) -> None:
        if self._given_back:
            self._given_back -= 1
        else:
            # The slot has moved to another shard: nothing of it is announced here any more.
            self._refuse("it gives up channels that are still wanted")

    def _refuse(self, reason: str) -> None:
        self.refusal = reason
        self.abort()
