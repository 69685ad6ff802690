"""Having every tenant heard on the announcement connection of its server, whatever moves."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import uniform
from typing import Final, Protocol
import asyncio
import logging

from broker.core.cursor import Cursor
from broker.core.errors import StoreUnavailable
from broker.store.address import Address
from broker.store.announcements import AnnouncementProtocol, Ear, Route
from broker.store.lines import Lines
from broker.store.subscriptions import Subscriptions
from broker.store.topology import ServerAway, Topology

_log = logging.getLogger(__name__)

_FIRST_BACKOFF_S: Final = 0.05
_LONGEST_BACKOFF_S: Final = 2.0


class Owner(Ear, Protocol):
    """Whose exchange it is: the listener."""

    def interrupted(self, tenants: Collection[str]) -> None:
        """Take note that announcements of tenants are missing from now on."""

    async def catch_up(self, tenants: Collection[str]) -> None:
        """
        Read what must be known before these tenants are back.

        Raises:
            StoreUnavailable: it cannot be read.
        """

    def resumed(self, tenants: Collection[str]) -> None:
        """Take note that everything of tenants is heard again."""


@dataclass(slots=True, eq=False)
class _Tenant:
    """
    A tenant of which something is heard, or is to be.

    Attributes:
        name: The tenant.
        subscriptions: What is wanted of it.
        address: The server on whose connection it is heard; None while it is brought there.
        is_interrupted: Whether the owner was told that announcements are missing.
    """

    name: str
    subscriptions: Subscriptions
    address: Address | None = None
    is_interrupted: bool = False


class Exchange:
    """
    Brings tenants to the connection of the server that has them, and back when it breaks.

    A tenant leaves a connection only together with the connection: whoever has moved, by failover
    or with its slot, the connection where it was is given up, and all tenants on it are brought to
    where they belong. So no announcement of an old server comes after one of a new server.

    Args:
        topology: Knows which server has which tenant.
        owner: Who hears.
        timeout_s: Seconds in which a server must answer.
    """

    def __init__(self, topology: Topology, owner: Owner, timeout_s: float) -> None:
        self._topology = topology
        self._owner = owner
        self._timeout_s = timeout_s
        self._index: dict[bytes, Route] = {}
        self._tenants: dict[str, _Tenant] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._lines = Lines(
            lambda: AnnouncementProtocol(self._index, owner, is_sharded=topology.is_sharded),
            timeout_s,
        )
        topology.follow(self._changed)
        topology.mind(self._demoted)

    async def open(self) -> None:
        """
        Connect for the first time.

        Raises:
            StoreUnavailable: no server can be reached.
        """
        opening = [self._lines.open(address) for address in self._topology.addresses]
        ends = await asyncio.gather(*opening, return_exceptions=True)
        failures = [end for end in ends if isinstance(end, BaseException)]
        if len(failures) == len(ends):
            raise failures[0] if failures else StoreUnavailable("the store is not open")

    async def want(self, tenant: str, wanted: Mapping[bytes, Route]) -> None:
        """Subscribe to channels of a tenant; return once its server has confirmed all of them."""
        known = self._tenants.get(tenant) or self._new(tenant)
        try:
            await known.subscriptions.want(wanted)
        finally:
            self._tidy(known)

    def drop(self, tenant: str, names: Iterable[bytes]) -> None:
        """Give channels of a tenant back."""
        known = self._tenants.get(tenant)
        if known is not None:
            known.subscriptions.drop(names)
            self._tidy(known)

    async def doubt(self, tenant: str, announced: asyncio.Future[Cursor]) -> None:
        """
        Give up the connection on which a tenant is heard, if it does not carry what it should.

        It may have stayed with a server that answers, and is no longer the one that announces:
        behind a name or an address that went over to another.

        Args:
            tenant: The tenant.
            announced: Done once something was heard that the store has announced already.
        """
        known = self._tenants.get(tenant)
        address = None if known is None else known.address
        connection = None if address is None else self._lines.get(address)
        if connection is None:
            return
        answered = connection.ping()
        await asyncio.wait(
            (answered, announced, connection.lost), return_when=asyncio.FIRST_COMPLETED
        )
        if answered.done() and not announced.done():
            self._give_up(connection, "it does not carry what is announced")

    def lost(self, connection: AnnouncementProtocol) -> None:
        """Take note that a connection is gone, and bring its tenants to another."""
        address = self._lines.remove(connection)
        if address is None:
            return
        reason = connection.refusal or "it was closed"
        _log.warning("The connection to %s broke: %s.", address.name, reason)
        tenants = [each for each in self._tenants.values() if each.address is address]
        for tenant in tenants:
            tenant.address = None
            tenant.is_interrupted = True
            tenant.subscriptions.detach()
        if tenants:
            self._owner.interrupted([tenant.name for tenant in tenants])
            self._start(tenants, _FIRST_BACKOFF_S)

    async def close(self) -> None:
        """Close every connection, and fail the calls that wait."""
        self._topology.unfollow(self._changed)
        self._topology.unmind(self._demoted)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for tenant in self._tenants.values():
            tenant.subscriptions.close()
        await self._lines.close()

    def _new(self, name: str) -> _Tenant:
        tenant = self._tenants[name] = _Tenant(name, Subscriptions(self._index))
        address = self._find(name)
        connection = None if address is None else self._lines.get(address)
        if connection is None:
            self._start([tenant])
        else:
            tenant.address = address
            tenant.subscriptions.attach(connection)
        return tenant

    def _tidy(self, tenant: _Tenant) -> None:
        """Forget a tenant of which nothing is wanted any more."""
        if tenant.address is not None and not tenant.subscriptions.routes:
            del self._tenants[tenant.name]

    def _find(self, tenant: str) -> Address | None:
        try:
            return self._topology.find(f"{{{tenant}}}")
        except ServerAway:
            return None

    def _changed(self) -> None:
        """Give up the connections of which a tenant has moved away, and those to nowhere."""
        addresses = self._topology.addresses
        for address, connection in self._lines:
            here = [each.name for each in self._tenants.values() if each.address is address]
            if address not in addresses or any(self._find(name) is not address for name in here):
                self._give_up(connection, "other servers have its tenants now")
        for address in self._lines.opening:
            if address not in addresses:
                self._lines.give_up(address)

    def _demoted(self, address: Address) -> None:
        """Give up the connection to a replica: what came before it followed its master is lost."""
        connection = self._lines.get(address)
        if connection is not None:
            self._give_up(connection, "it is a replica")

    def _give_up(self, connection: AnnouncementProtocol, reason: str) -> None:
        connection.refusal = reason
        self.lost(connection)
        connection.abort()

    def _start(self, tenants: Sequence[_Tenant], backoff_s: float = 0.0) -> None:
        task = asyncio.create_task(self._bring(tenants, backoff_s))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _bring(self, tenants: Sequence[_Tenant], backoff_s: float) -> None:
        """Bring tenants to their servers, however long that takes."""
        while tenants:
            await asyncio.sleep(backoff_s * uniform(0.5, 1.0))  # noqa: S311 - only spreads load
            backoff_s = min(max(2 * backoff_s, _FIRST_BACKOFF_S), _LONGEST_BACKOFF_S)
            await self._topology.look()
            groups: dict[Address, list[_Tenant]] = {}
            for tenant in tenants:
                address = self._find(tenant.name)
                if address is not None:
                    groups.setdefault(address, []).append(tenant)
            settling = (self._settle(*group) for group in groups.items())
            for end in await asyncio.gather(*settling, return_exceptions=True):
                if isinstance(end, BaseException):  # nothing must end the trying
                    _log.error("A server cannot be listened to.", exc_info=end)
            tenants = [tenant for tenant in tenants if tenant.address is None]

    async def _settle(self, address: Address, tenants: Sequence[_Tenant]) -> None:
        """Try to have tenants heard on the connection to a server."""
        try:
            connection = await self._lines.open(address)
        except StoreUnavailable as error:
            _log.debug("%s", error)
            return
        interrupted = [tenant.name for tenant in tenants if tenant.is_interrupted]
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._attach(connection, tenants)
            if interrupted:
                await self._owner.catch_up(interrupted)  # each of its calls has a deadline
        except (StoreUnavailable, TimeoutError) as error:
            _log.debug("%s is not listened to: %s", address.name, error)
        else:
            if self._is_home(connection, address, tenants):
                self._settled(address, tenants)
                return
        for tenant in tenants:
            tenant.subscriptions.detach()
        connection.abort()

    @staticmethod
    async def _attach(connection: AnnouncementProtocol, tenants: Sequence[_Tenant]) -> None:
        settled = asyncio.gather(*(each.subscriptions.attach(connection) for each in tenants))
        settled.add_done_callback(_ignore)  # where it is given up, nobody asks how it ended
        try:
            await asyncio.wait((settled, connection.lost), return_when=asyncio.FIRST_COMPLETED)
        finally:
            settled.cancel()

    def _is_home(
        self, connection: AnnouncementProtocol, address: Address, tenants: Sequence[_Tenant]
    ) -> bool:
        return self._lines.get(address) is connection and all(
            self._find(tenant.name) is address for tenant in tenants
        )

    def _settled(self, address: Address, tenants: Sequence[_Tenant]) -> None:
        back = [tenant.name for tenant in tenants if tenant.is_interrupted]
        for tenant in tenants:
            tenant.address = address
            tenant.is_interrupted = False
            self._tidy(tenant)
        if back:
            _log.info("The connection to %s is back.", address.name)
            self._owner.resumed(back)


def _ignore(settled: asyncio.Future[list[None]]) -> None:
    if not settled.cancelled():
        settled.exception()
