"""Servers that may change: looked for when one is gone, and every second."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection
from typing import Final
import asyncio
import logging

from redis.exceptions import RedisError

from broker.core.errors import StoreUnavailable
from broker.store.address import Address
from broker.store.link import Link, Request
from broker.store.topology import ServerAway, Topology
from broker.store.wire import Reply

_log = logging.getLogger(__name__)

LOOK_S: Final = 1.0
"""Seconds between two looks: a failover is noticed within that, whatever else goes on."""
_LONGEST_ANSWER_S: Final = 1.0
"""Seconds until the next one is asked; a server that only tells where others are is quick."""


class Moving(Topology):
    """
    A topology that asks others where the servers are.

    Args:
        name: The store, without credentials.
        server: A server as all of them are reached; its place means nothing.
        timeout_s: Deadline of calls to the store; the first look ends within it.
    """

    def __init__(self, name: str, server: Address, timeout_s: float) -> None:
        super().__init__(name, server.database)
        self.answer_s = min(_LONGEST_ANSWER_S, timeout_s / 3)
        self._server = server
        self._timeout_s = timeout_s
        self._known: dict[tuple[str, int], Address] = {}
        self._looking: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._failure = ""

    @abstractmethod
    async def ask(self) -> bool:
        """
        Ask where the servers are now, and remember it.

        Returns:
            Whether that is news.

        Raises:
            ServerAway: nobody says.
        """

    async def open(self) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                await self.look()
        except TimeoutError:
            self._failure = "nobody answers"
        if not self.addresses:
            raise StoreUnavailable(f"the store at {self.name}: {self._failure}")
        self._watching = asyncio.create_task(self._watch())

    async def look(self) -> None:
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        await asyncio.shield(self._looking)

    def at(self, host: str, port: int) -> Address:
        address = self._known.get((host, port))
        if address is None:
            address = self._known[host, port] = self._server.at(host, port)
        return address

    def keep(self, addresses: Collection[Address]) -> None:
        """Forget all other addresses."""
        self._known = {place: each for place, each in self._known.items() if each in addresses}

    async def close(self) -> None:
        tasks = [task for task in (self._watching, self._looking) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            await self.look()

    async def _look(self) -> None:
        try:
            is_news = await self.ask()
        except Exception as error:  # noqa: BLE001 - whatever is answered must not end the watch
            if not self._failure:
                _log.warning("Where the servers of %s are is not known: %s", self.name, error)
            self._failure = str(error) or type(error).__name__
            return
        finally:
            self._looking = None
        self._failure = ""
        if is_news:
            for changed in tuple(self._followers):
                changed()


class Informant:
    """
    A server that is asked where others are, over one connection.

    Args:
        address: Where it is.
        answer_s: Seconds until it must have answered.

    Attributes:
        address: Where it is.
    """

    def __init__(self, address: Address, answer_s: float) -> None:
        self.address = address
        self._answer_s = answer_s
        self._link = Link(address, check=None)

    async def ask(self, request: Request) -> list[Reply]:
        """
        Send commands and return the answers.

        Raises:
            ServerAway: it does not answer, or with an error.
        """
        try:
            async with asyncio.timeout(self._answer_s):
                return await self._link.ask(request)
        except TimeoutError:
            raise ServerAway(f"{self.address.name} does not answer") from None
        except (RedisError, OSError) as error:
            raise ServerAway(f"{self.address.name}: {type(error).__name__}: {error}") from None

    async def close(self) -> None:
        """Close its connection."""
        await self._link.close()
