"""Stores to break: the servers behind a broker's store URL."""

from __future__ import annotations

from abc import ABC, abstractmethod
import asyncio

from tests.support.stores import CURRENT, EMBEDDED, StoreBinary, StoreServer

AOF = ("--appendonly", "yes", "--appendfsync", "everysec")
"""As the embedded store is run, and as a production store should be."""


class Topology(ABC):
    """
    One store, however many servers it is made of.

    Every method that waits for a server does so in a thread: the suite's own links go on.
    """

    @property
    @abstractmethod
    def url(self) -> str:
        """The URL for `broker serve --store`, without a link in between."""

    @abstractmethod
    async def start(self) -> None:
        """Start every server."""

    @abstractmethod
    async def close(self) -> None:
        """End every server and remove its files."""

    @abstractmethod
    def keys(self) -> int:
        """Return how many keys there are."""


class Single(Topology):
    """
    One server with an append-only file.

    Args:
        options: Further options of the server.

    Attributes:
        server: The server.
    """

    def __init__(self, *options: str) -> None:
        self.server = StoreServer(choose_binary(), *AOF, *options)

    @property
    def url(self) -> str:
        return self.server.tcp_url

    async def start(self) -> None:
        await asyncio.to_thread(self.server.start)

    async def kill(self) -> None:
        """End the server at once."""
        await asyncio.to_thread(self.server.kill)

    async def close(self) -> None:
        await asyncio.to_thread(self.server.close)

    def keys(self) -> int:
        return int(self.server.command("DBSIZE"))


def choose_binary() -> StoreBinary:
    """Return Redis 7 where it is installed, else the Valkey that is always there."""
    return EMBEDDED if CURRENT.path is None else CURRENT
