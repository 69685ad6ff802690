"""A node's subscription to announcements on a Redis server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import count
from random import uniform
from secrets import token_hex
from typing import Final
import asyncio
import logging

from broker.core.cursor import Cursor
from broker.core.errors import StoreUnavailable
from broker.core.message import Message
from broker.core.revocations import Revocation
from broker.store.address import Address
from broker.store.announcements import REVOKED, AnnouncementProtocol, Route
from broker.store.base import Listener, Revoked, Sink
from broker.store.codec import Tick
from broker.store.commands import Commands
from broker.store.keys import Keys, RevocationKeys
from broker.store.options import StoreOptions
from broker.store.revoked import RevocationWatch, read_revocations
from broker.store.scripts import TICK
from broker.store.subscriptions import Subscriptions
from broker.store.ticks import Ticks

_log = logging.getLogger(__name__)

_FIRST_BACKOFF_S: Final = 0.05
_LONGEST_BACKOFF_S: Final = 2.0
_LONGEST_PING_S: Final = 1.0
_TICKED_TENANTS: Final = 1024
"""Tenants whose ticks stay subscribed; beyond, those that ticked longest ago go."""


class _Interrupted(Exception):
    """The connection broke while a tick was under way."""


class RedisListener(Listener):
    """
    One announcement connection, kept up by one task.

    A connection that is silent is asked for a sign of life every second, and given up when none
    comes within the deadline: that is how a half-open one shows.

    Args:
        address: The server.
        commands: Where ticks are asked for.
        sink: Who hears.
        options: Deadlines.
    """

    def __init__(
        self, address: Address, commands: Commands, sink: Sink, options: StoreOptions
    ) -> None:
        self._address = address
        self._commands = commands
        self._sink = sink
        self._timeout_s = options.timeout_s
        self._ping_s = min(_LONGEST_PING_S, options.timeout_s / 2)
        self._node = token_hex(8)
        self._subscriptions = Subscriptions()
        self._connection: AnnouncementProtocol | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._revocations: RevocationWatch | None = None
        self._ticks = Ticks(self._tick)
        self._tick_numbers = count(1)
        self._ticks_under_way: dict[int, asyncio.Future[Cursor]] = {}
        self._tick_names: dict[str, bytes] = {}  # by last use

    async def open(self) -> None:
        """
        Connect for the first time, and keep connected from then on.

        Raises:
            StoreUnavailable: the server cannot be reached.
        """
        connection = await self._connect()
        self._subscriptions.attach(connection)
        self._keeper = asyncio.create_task(self._keep(connection))

    async def listen(self, tenant: str, channels: Sequence[str]) -> None:
        prefix = self._keys(tenant).announcements
        wanted = {(prefix + name).encode(): Route(tenant, name) for name in channels}
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._subscriptions.want(wanted)
        except TimeoutError:
            raise self._unavailable("did not confirm a subscription") from None

    def forget(self, tenant: str, channels: Iterable[str]) -> None:
        prefix = self._keys(tenant).announcements
        self._subscriptions.drop((prefix + name).encode() for name in channels)

    async def tick(self, tenant: str, floor: Cursor) -> Cursor:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._ticks.tick(tenant, floor)
        except TimeoutError:
            raise self._unavailable("did not tick") from None

    async def watch(self, revoked: Revoked) -> None:
        keys = RevocationKeys(self._address.database)
        watch = RevocationWatch(partial(read_revocations, self._commands, keys), revoked)
        self._revocations = watch
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._subscriptions.want({keys.announcements.encode(): REVOKED})
                await watch.catch_up()
        except TimeoutError:
            raise self._unavailable("did not give its revocations") from None

    async def close(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        self._subscriptions.close()
        await self._ticks.close()
        if self._connection is not None:
            self._connection.abort()
            await self._connection.lost

    def announced(self, tenant: str, messages: Sequence[Message]) -> None:
        """Take newly announced messages from the connection."""
        self._sink.received(tenant, messages)

    def ticked(self, tenant: str, tick: Tick) -> None:
        """Take a tick of this node from the connection."""
        self._sink.ticked(tenant, tick.cursor)
        waiting = self._ticks_under_way.get(tick.number)
        if waiting is not None and not waiting.done():
            waiting.set_result(tick.cursor)

    def revoked(self, revocation: Revocation) -> None:
        """Take a new revocation from the connection."""
        if self._revocations is not None:
            self._revocations.announced(revocation)

    def confirmed(self) -> None:
        """Take a confirmation from the connection."""
        self._subscriptions.confirmed()

    async def _connect(self) -> AnnouncementProtocol:
        connection = AnnouncementProtocol(self._subscriptions.routes, self)
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._address.connect(asyncio.get_running_loop(), connection)
                connection.log_in(self._address.credentials)
                await connection.ready
        except BaseException as error:
            connection.abort()
            if isinstance(error, OSError):  # a TimeoutError is one
                raise self._unavailable(f"cannot be reached ({type(error).__name__})") from None
            raise
        if connection.lost.done():
            raise self._unavailable(connection.refusal or "closed the connection")
        self._connection = connection
        return connection

    async def _keep(self, connection: AnnouncementProtocol) -> None:
        while True:
            await self._watch(connection)
            self._subscriptions.detach()
            reason = connection.refusal or "it was closed"
            _log.warning("The connection to %s broke: %s.", self._address.name, reason)
            _tell(self._sink.interrupted)
            for tick in self._ticks_under_way.values():
                if not tick.done():
                    tick.set_exception(_Interrupted())
            connection = await self._reconnect()
            _log.info("The connection to %s is back.", self._address.name)
            _tell(self._sink.resumed)

    async def _watch(self, connection: AnnouncementProtocol) -> None:
        """Wait until the connection is lost; give it up when it is dead."""
        loop, pinged_at = asyncio.get_running_loop(), 0.0
        while not connection.lost.done():
            await asyncio.wait([connection.lost], timeout=self._ping_s)
            now = loop.time()
            if now - connection.heard_at < self._ping_s:
                continue
            if connection.heard_at >= pinged_at:  # it has answered since, if it was asked at all
                connection.ping()
                pinged_at = now
            elif now - pinged_at > self._timeout_s:
                connection.refusal = "it gave no sign of life"
                connection.abort()
                await connection.lost

    async def _reconnect(self) -> AnnouncementProtocol:
        backoff_s = _FIRST_BACKOFF_S
        while True:
            await asyncio.sleep(backoff_s * uniform(0.5, 1.0))  # noqa: S311 - only spreads load
            backoff_s = min(2 * backoff_s, _LONGEST_BACKOFF_S)
            try:
                connection = await self._connect()
            except StoreUnavailable as error:
                _log.debug("%s", error)
                continue
            settled = self._subscriptions.attach(connection)
            await asyncio.wait(
                (settled, connection.lost),
                timeout=self._timeout_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if settled.done() and await self._has_caught_up():
                return connection
            self._subscriptions.detach()
            connection.abort()

    async def _has_caught_up(self) -> bool:
        """Hand over the revocations that were made meanwhile; tell whether that went well."""
        if self._revocations is None:
            return True
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._revocations.catch_up()
        except (StoreUnavailable, TimeoutError) as error:
            _log.debug("the revocations cannot be read: %s", error)
            return False
        return True

    async def _tick(self, tenant: str, floor: Cursor) -> Cursor:
        name = self._tick_name(tenant)
        try:
            async with asyncio.timeout(self._timeout_s):
                while True:
                    await self._subscriptions.want({name: Route(tenant, "")})
                    try:
                        return await self._tick_once(tenant, floor, name)
                    except _Interrupted:
                        continue
        except TimeoutError:
            raise self._unavailable("did not tick") from None

    async def _tick_once(self, tenant: str, floor: Cursor, name: bytes) -> Cursor:
        number = next(self._tick_numbers)
        announced: asyncio.Future[Cursor] = asyncio.get_running_loop().create_future()
        self._ticks_under_way[number] = announced
        try:
            keys = (self._keys(tenant).clock,)
            await self._commands.run(TICK, keys, (*floor, name, number))
            return await announced
        finally:
            del self._ticks_under_way[number]
            announced.cancel()

    def _tick_name(self, tenant: str) -> bytes:
        names = self._tick_names
        name = names.pop(tenant, None) or self._keys(tenant).ticks(self._node).encode()
        names[tenant] = name
        if len(names) > _TICKED_TENANTS:
            self._subscriptions.drop([names.pop(next(iter(names)))])
        return name

    def _keys(self, tenant: str) -> Keys:
        return Keys(tenant, self._address.database)

    def _unavailable(self, what: str) -> StoreUnavailable:
        return StoreUnavailable(f"the store at {self._address.name} {what}")


def _tell(note: Callable[[], None]) -> None:
    """Tell the sink; a fault of its own must not end the keeping of the connection."""
    try:
        note()
    except Exception:  # noqa: BLE001 - whatever it is
        _log.exception("The sink failed.")
