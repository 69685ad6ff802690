"""Where the servers of a store are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection

from broker.store.address import Address


class ServerAway(Exception):
    """The server that is needed cannot be had at the moment; trying again may help."""


class Topology(ABC):
    """
    Knows which server has which keys.

    It is asked for every call, so it answers from memory; `look` brings that up to date.

    Args:
        name: What stands for the store in logs and errors; without credentials.
        database: Number of the database.

    Attributes:
        is_sharded: Whether keys are spread over several servers. Announcements stay within their
            shard then.
    """

    is_sharded: bool = False

    def __init__(self, name: str, database: int) -> None:
        self.name = name
        self.database = database
        self._followers: list[Callable[[], None]] = []
        self._minders: list[Callable[[Address], None]] = []

    @abstractmethod
    def find(self, key: str) -> Address:
        """
        Return the server that has a key, as far as is known.

        Raises:
            ServerAway: none is known to have it.
        """

    def at(self, host: str, port: int) -> Address:
        """Return the server at a place that another server named."""
        raise NotImplementedError

    @property
    @abstractmethod
    def addresses(self) -> Collection[Address]:
        """Every server that has keys, as far as is known."""

    @abstractmethod
    async def open(self) -> None:
        """
        Find the servers for the first time, and follow their changes from then on.

        Raises:
            StoreUnavailable: nobody says where they are.
        """

    @abstractmethod
    async def look(self) -> None:
        """Find out where the servers are now; to be called when one turns out to be gone."""

    @abstractmethod
    async def close(self) -> None:
        """Follow changes no longer."""

    def follow(self, changed: Callable[[], None]) -> None:
        """Have a function called whenever servers change, until `unfollow`."""
        self._followers.append(changed)

    def unfollow(self, changed: Callable[[], None]) -> None:
        """Have it called no longer."""
        if changed in self._followers:
            self._followers.remove(changed)

    def mind(self, demoted: Callable[[Address], None]) -> None:
        """Have a function called with a server that turns out to be no master any more."""
        self._minders.append(demoted)

    def unmind(self, demoted: Callable[[Address], None]) -> None:
        """Have it called no longer."""
        if demoted in self._minders:
            self._minders.remove(demoted)

    def demoted(self, address: Address) -> None:
        """Take note that a server, or what is behind its address now, is a replica."""
        for demoted in tuple(self._minders):
            demoted(address)


class Fixed(Topology):
    """
    One server that stays where it is.

    Args:
        address: The server.
    """

    def __init__(self, address: Address) -> None:
        super().__init__(address.name, address.database)
        self._address = address
        self._addresses = (address,)

    def find(self, key: str) -> Address:
        del key  # it has all of them
        return self._address

    @property
    def addresses(self) -> Collection[Address]:
        return self._addresses

    async def open(self) -> None:
        """Do nothing: the server is where it is."""

    async def look(self) -> None:
        """Do nothing: the server is where it was."""

    async def close(self) -> None:
        """Do nothing."""
