"""Stores to break: the servers behind a broker's store URL."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from pathlib import Path
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

    @abstractmethod
    def pids(self) -> list[int]:
        """Return the process ids of the servers that run."""


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

    async def kill(self) -> None:
        """End the server at once."""
        await asyncio.to_thread(self.server.kill)

    async def close(self) -> None:
        await asyncio.to_thread(self.server.close)

    def keys(self) -> int:
        return int(self.server.command("DBSIZE"))

    def pids(self) -> list[int]:
        return [self.server.pid]


class Stepped(Single):
    """
    One server whose wall clock can be stepped while it runs; its timers are not touched.

    Needs libfaketime; `faketime_library` tells whether it is there.
    """

    def __init__(self) -> None:
        super().__init__(EMBEDDED)  # Redis 7 of Debian does not start with the library
        library = faketime_library()
        assert library is not None, "libfaketime is not installed"
        directory = self.server.directory
        self._offset = directory / "offset"
        self.step(0)
        start = directory / "start"
        start.write_text(
            "#!/bin/sh\n"
            f"export LD_PRELOAD={library} FAKETIME_TIMESTAMP_FILE={self._offset}\n"
            "export FAKETIME_NO_CACHE=1 DONT_FAKE_MONOTONIC=1 FAKETIME_DONT_FAKE_MONOTONIC=1\n"
            f'exec {self.server.binary.path} "$@"\n'
        )
        start.chmod(0o700)
        self.server.binary = replace(self.server.binary, path=start)

    def step(self, seconds: int) -> None:
        """Set the server's clock to so many seconds off the machine's."""
        ready = self._offset.with_suffix(".new")
        ready.write_text(f"{seconds:+}\n")
        ready.replace(self._offset)

    def clock(self) -> int:
        """Return the server's time in seconds since the epoch."""
        return int(self.server.command("TIME")[0])


def faketime_library() -> Path | None:
    """Return the library that steps clocks, where it is installed."""
    places = (Path("/usr/lib"), Path("/usr/lib64"), Path("/usr/local/lib"))
    found = (path for place in places for path in place.glob("**/faketime/libfaketime.so.1"))
    return next(found, None)


def choose_binary() -> StoreBinary:
    """Return Redis 7 where it is installed, else the Valkey that is always there."""
    return EMBEDDED if CURRENT.path is None else CURRENT
