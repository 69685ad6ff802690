"""A node's subscription to the announcements of a Redis store."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from itertools import count
from secrets import token_hex
from typing import Final, NamedTuple
import asyncio
import logging

from broker.core.cursor import Cursor
from broker.core.errors import StoreUnavailable
from broker.core.message import Message
from broker.core.revocations import Revocation
from broker.store.announcements import REVOKED, AnnouncementProtocol, Route
from broker.store.base import Listener, Revoked, Sink
from broker.store.codec import Tick
from broker.store.commands import Commands
from broker.store.exchange import Exchange
from broker.store.keys import REVOKED_TAG, Keys, RevocationKeys
from broker.store.options import StoreOptions
from broker.store.revoked import RevocationWatch, read_revocations
from broker.store.scripts import TICK
from broker.store.ticks import Ticks
from broker.store.topology import Topology

_log = logging.getLogger(__name__)

_TICKED_TENANTS: Final = 8192
"""
Tenants whose ticks stay subscribed, for some 200 bytes of the server each; beyond, those that
ticked longest ago go.
"""
_PATIENCE: Final = 0.25
"""Part of the deadline after which a tick that was announced ought to have been heard."""


class _Interrupted(Exception):
    """The connection broke while a tick was under way."""


class _TickUnderWay(NamedTuple):
    """A tick that was asked for."""

    tenant: str
    announced: asyncio.Future[Cursor]


class RedisListener(Listener):
    """
    What a node hears, over one announcement connection to each server that has its tenants.

    Args:
        topology: Knows the servers.
        commands: Where ticks are asked for.
        sink: Who hears.
        options: Deadlines.
    """

    def __init__(
        self, topology: Topology, commands: Commands, sink: Sink, options: StoreOptions
    ) -> None:
        self._topology = topology
        self._commands = commands
        self._sink = sink
        self._timeout_s = options.timeout_s
        self._node = token_hex(8)
        self._exchange = Exchange(topology, self, options.timeout_s)
        self._revocations: RevocationWatch | None = None
        self._ticks = Ticks(self._tick)
        self._tick_numbers = count(1)
        self._ticks_under_way: dict[int, _TickUnderWay] = {}
        self._tick_names: dict[str, bytes] = {}  # by last use

    async def open(self) -> None:
        """
        Connect for the first time, and keep connected from then on.

        Raises:
            StoreUnavailable: no server can be reached.
        """
        await self._exchange.open()

    async def listen(self, tenant: str, channels: Sequence[str]) -> None:
        prefix = self._keys(tenant).announcements
        wanted = {(prefix + name).encode(): Route(tenant, name) for name in channels}
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._exchange.want(tenant, wanted)
        except TimeoutError:
            raise self._unavailable("did not confirm a subscription") from None

    def forget(self, tenant: str, channels: Iterable[str]) -> None:
        prefix = self._keys(tenant).announcements
        self._exchange.drop(tenant, ((prefix + name).encode() for name in channels))

    async def tick(self, tenant: str, floor: Cursor) -> Cursor:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._ticks.tick(tenant, floor)
        except TimeoutError:
            raise self._unavailable("did not tick") from None

    async def watch(self, revoked: Revoked) -> None:
        keys = RevocationKeys(self._topology.database)
        watch = RevocationWatch(partial(read_revocations, self._commands, keys), revoked)
        self._revocations = watch
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._exchange.want(REVOKED_TAG, {keys.announcements.encode(): REVOKED})
        except TimeoutError:
            raise self._unavailable("did not confirm a subscription") from None
        await watch.catch_up()  # in calls that have a deadline each, however many there are

    async def close(self) -> None:
        await self._exchange.close()
        await self._ticks.close()

    def announced(self, tenant: str, messages: Sequence[Message]) -> None:
        """Take newly announced messages from the connection."""
        self._sink.received(tenant, messages)

    def deleted(self, tenant: str, channel: str, cursor: Cursor) -> None:
        """Take note of a deletion from the connection."""
        self._sink.deleted(tenant, channel, cursor)

    def ticked(self, tenant: str, tick: Tick) -> None:
        """Take a tick of this node from the connection."""
        self._sink.ticked(tenant, tick.cursor)
        waiting = self._ticks_under_way.get(tick.number)
        if waiting is not None and not waiting.announced.done():
            waiting.announced.set_result(tick.cursor)

    def revoked(self, revocation: Revocation) -> None:
        """Take a new revocation from the connection."""
        if self._revocations is not None:
            self._revocations.announced(revocation)

    def lost(self, connection: AnnouncementProtocol) -> None:
        """Take note that a connection is gone."""
        self._exchange.lost(connection)

    def interrupted(self, tenants: Collection[str]) -> None:
        """Tell the sink that announcements are missing from now on."""
        _tell(self._sink.interrupted, tenants)
        for tick in self._ticks_under_way.values():
            if tick.tenant in tenants and not tick.announced.done():
                tick.announced.set_exception(_Interrupted())

    async def catch_up(self, tenants: Collection[str]) -> None:
        """
        Hand over the revocations that were made meanwhile.

        Raises:
            StoreUnavailable: they cannot be read.
        """
        if REVOKED_TAG in tenants and self._revocations is not None:
            await self._revocations.catch_up()

    def resumed(self, tenants: Collection[str]) -> None:
        """Tell the sink that everything is heard again."""
        _tell(self._sink.resumed, tenants)

    async def _tick(self, tenant: str, floor: Cursor) -> Cursor:
        # While the tick is under way its name is not among those that may be dropped.
        name = self._tick_names.pop(tenant, None) or self._keys(tenant).ticks(self._node).encode()
        try:
            async with asyncio.timeout(self._timeout_s):
                while True:
                    await self._exchange.want(tenant, {name: Route(tenant, "")})
                    try:
                        return await self._tick_once(tenant, floor, name)
                    except _Interrupted:
                        continue
        except TimeoutError:
            raise self._unavailable("did not tick") from None
        finally:
            self._keep_tick_name(tenant, name)

    async def _tick_once(self, tenant: str, floor: Cursor, name: bytes) -> Cursor:
        number = next(self._tick_numbers)
        announced: asyncio.Future[Cursor] = asyncio.get_running_loop().create_future()
        self._ticks_under_way[number] = _TickUnderWay(tenant, announced)
        try:
            keys = (self._keys(tenant).clock,)
            await self._commands.run(TICK, keys, (*floor, name, number))
            await asyncio.wait((announced,), timeout=self._timeout_s * _PATIENCE)
            if not announced.done():
                await self._exchange.doubt(tenant, announced)
            return await announced
        finally:
            del self._ticks_under_way[number]
            announced.cancel()

    def _keep_tick_name(self, tenant: str, name: bytes) -> None:
        names = self._tick_names
        names[tenant] = name
        if len(names) > _TICKED_TENANTS:
            oldest = next(iter(names))
            self._exchange.drop(oldest, [names.pop(oldest)])

    def _keys(self, tenant: str) -> Keys:
        return Keys(tenant, self._topology.database)

    def _unavailable(self, what: str) -> StoreUnavailable:
        return StoreUnavailable(f"the store at {self._topology.name} {what}")


def _tell(note: Callable[[Collection[str]], None], tenants: Collection[str]) -> None:
    """Tell the sink; a fault of its own must not end the listening."""
    try:
        note(tenants)
    except Exception:  # noqa: BLE001 - whatever it is
        _log.exception("The sink failed.")
