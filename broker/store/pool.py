"""Connections for commands to one server."""

from __future__ import annotations

from asyncio import Semaphore, Timeout, get_running_loop, timeout

from broker.store.address import Address
from broker.store.link import Check, Link, Request
from broker.store.topology import ServerAway
from broker.store.wire import Reply


class Pool:
    """
    A small pool.

    Args:
        address: The server.
        check: Makes sure that it can be used, whenever a connection was made.
        max_connections: Connections at most; further calls wait.
    """

    def __init__(self, address: Address, check: Check, max_connections: int) -> None:
        self._address = address
        self._check = check
        self._slots = Semaphore(max_connections)
        self._idle: list[Link] = []
        self._under_way: set[Timeout] = set()
        self._is_closed = False

    async def ask(self, request: Request) -> list[Reply]:
        """
        Send a request and return the answers.

        Raises:
            RedisError: the connection broke, or one of the answers is an error.
            OSError: the connection broke.
            ServerAway: the server is a replica, or another one took its place.
            StoreUnavailable: the server cannot be used.
        """
        async with self._slots:
            cut = timeout(None)
            self._under_way.add(cut)
            try:
                async with cut:
                    return await self._ask(request)
            except TimeoutError:
                if cut.expired():
                    raise self._replaced() from None
                raise
            finally:
                self._under_way.discard(cut)

    async def close(self) -> None:
        """Close every connection that is not in use, and each other one after its call."""
        self._is_closed = True
        while self._idle:
            await self._idle.pop().close()

    async def cut(self) -> None:
        """Close every connection, and fail the calls under way: another server takes its place."""
        now = get_running_loop().time()
        for call in self._under_way:
            call.reschedule(now)
        await self.close()

    async def _ask(self, request: Request) -> list[Reply]:
        if self._is_closed:
            raise self._replaced()
        link = self._idle.pop() if self._idle else Link(self._address, self._check)
        try:
            return await link.ask(request)
        finally:
            await self._put_back(link)

    async def _put_back(self, link: Link) -> None:
        if self._is_closed:
            await link.close()
        else:
            self._idle.append(link)

    def _replaced(self) -> ServerAway:
        return ServerAway(f"another server took the place of {self._address.name}")
