"""Stores to break: the servers behind a broker's store URL."""

from __future__ import annotations

from abc import ABC, abstractmethod
import asyncio

from broker.core.tenants import MAIN_TENANT
from broker.store.keys import Keys
from tests.support.clusters import ClusterSet
from tests.support.sentinels import SentinelSet
from tests.support.stepped import SteppedServer, faketime_library
from tests.support.stores import CURRENT, EMBEDDED, StoreBinary, StoreServer

AOF = ("--appendonly", "yes", "--appendfsync", "everysec")
"""As the embedded store is run, and as a production store should be."""

ACCEPTED_TWICE = ("--store-replicas", "1")
"""Flags of nodes whose store has replicas: accepted is what another server has as well."""

DOWN_AFTER_MS = 2000
"""Silence after which a server is taken for dead; shorter, and a busy machine kills the living."""


class Topology(ABC):
    """
    One store, however many servers it is made of.

    Every coroutine that waits for a server does so in a thread: the suite's own links go on. What
    is no coroutine waits.

    Attributes:
        flags: Flags of `broker serve` that belong to it.
    """

    flags: tuple[str, ...] = ()

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

    @abstractmethod
    def pids(self) -> list[int]:
        """Return the process ids of the servers that run."""

    @abstractmethod
    def chief(self) -> StoreServer:
        """Return the server that everybody writes to."""

    @abstractmethod
    def mend(self, server: StoreServer) -> None:
        """Start a server that was killed, and wait until the store is whole again."""


class Single(Topology):
    """
    One server with an append-only file.

    Args:
        binary: Which server; Redis 7 where it is installed, else the Valkey that is always there.

    Attributes:
        server: The server.
    """

    def __init__(self, binary: StoreBinary | None = None) -> None:
        self.server = StoreServer(binary or choose_binary(), *AOF)

    @property
    def url(self) -> str:
        return self.server.tcp_url

    async def start(self) -> None:
        await asyncio.to_thread(self.server.start)

    async def close(self) -> None:
        await asyncio.to_thread(self.server.close)

    def keys(self) -> int:
        return int(self.server.command("DBSIZE"))

    def pids(self) -> list[int]:
        return [self.server.pid]

    def chief(self) -> StoreServer:
        return self.server

    def mend(self, server: StoreServer) -> None:
        server.start()


class Stepped(Single):
    """
    One server whose wall clock can be stepped while it runs; its timers are not touched.

    Needs libfaketime; `faketime_library` tells whether it is there.

    Attributes:
        server: The server.
    """

    server: SteppedServer

    def __init__(self) -> None:
        library = faketime_library()
        assert library is not None, "libfaketime is not installed"
        self.server = SteppedServer(library, *AOF)


class Watched(Topology):
    """
    A master with two replicas, and three sentinels that replace it when it dies.

    Attributes:
        servers: All of them.
    """

    flags = ACCEPTED_TWICE

    def __init__(self) -> None:
        self.servers = SentinelSet(choose_binary(), *AOF, replicas=2, down_after_ms=DOWN_AFTER_MS)

    @property
    def url(self) -> str:
        return self.servers.url

    async def start(self) -> None:
        await asyncio.to_thread(self.servers.start)

    async def close(self) -> None:
        await asyncio.to_thread(self.servers.close)

    def keys(self) -> int:
        return int(self.servers.master.command("DBSIZE"))

    def pids(self) -> list[int]:
        return [server.pid for server in self.servers.servers if server.is_running]

    def chief(self) -> StoreServer:
        return self.servers.master

    def mend(self, server: StoreServer) -> None:
        server.start()
        self.servers.wait_until_whole()


class Sharded(Topology):
    """
    A cluster of three masters with two replicas each.

    Attributes:
        servers: All of them.
    """

    flags = ACCEPTED_TWICE

    def __init__(self) -> None:
        options = (*AOF, "--cluster-require-full-coverage", "no")
        self.servers = ClusterSet(
            choose_binary(), *options, replicas=2, node_timeout_ms=DOWN_AFTER_MS
        )

    @property
    def url(self) -> str:
        return self.servers.url

    async def start(self) -> None:
        await asyncio.to_thread(self.servers.start)

    async def close(self) -> None:
        await asyncio.to_thread(self.servers.close)

    def keys(self) -> int:
        return sum(int(master.command("DBSIZE")) for master in self.servers.masters)

    def pids(self) -> list[int]:
        return [server.pid for server in self.servers.running]

    def chief(self) -> StoreServer:
        return self.servers.server_of(Keys(MAIN_TENANT).clock)

    def mend(self, server: StoreServer) -> None:
        server.start()
        self.servers.wait_until_whole()


def choose_binary() -> StoreBinary:
    """Return Redis 7 where it is installed, else the Valkey that is always there."""
    return EMBEDDED if CURRENT.path is None else CURRENT
