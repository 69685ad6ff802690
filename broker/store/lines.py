"""The announcement connections of a listener: made, watched, closed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final
import asyncio

from broker.core.errors import StoreUnavailable
from broker.store.address import Address
from broker.store.announcements import AnnouncementProtocol

_LONGEST_PING_S: Final = 1.0


class Lines:
    """
    At most one announcement connection to each server.

    A connection that is silent is asked for a sign of life every second, and given up when none
    comes within the deadline: that is how a half-open one shows.

    Args:
        make: Makes a connection's protocol.
        timeout_s: Seconds in which a connection must be made, and a sign of life must come.
    """

    def __init__(self, make: Callable[[], AnnouncementProtocol], timeout_s: float) -> None:
        self._make = make
        self._timeout_s = timeout_s
        self._open: dict[Address, AnnouncementProtocol] = {}
        self._opening: dict[Address, asyncio.Task[AnnouncementProtocol]] = {}
        self._deadlines: dict[Address, asyncio.Timeout] = {}
        self._watching: dict[AnnouncementProtocol, asyncio.Task[None]] = {}

    def __iter__(self) -> Iterator[tuple[Address, AnnouncementProtocol]]:
        return iter(tuple(self._open.items()))

    @property
    def opening(self) -> tuple[Address, ...]:
        """Servers to which connections are being made."""
        return tuple(self._opening)

    def get(self, address: Address) -> AnnouncementProtocol | None:
        """Return the connection to a server, if there is one."""
        return self._open.get(address)

    async def open(self, address: Address) -> AnnouncementProtocol:
        """
        Return the connection to a server, new if need be.

        Raises:
            StoreUnavailable: the server cannot be reached, or refuses.
        """
        connection = self._open.get(address)
        if connection is not None:
            return connection
        opening = self._opening.get(address)
        if opening is None:
            opening = self._opening[address] = asyncio.create_task(self._connect(address))
            opening.add_done_callback(_ignore)  # whoever waited may be gone
        return await asyncio.shield(opening)

    def give_up(self, address: Address) -> None:
        """Fail who waits for a connection to a server that is wanted no longer."""
        deadline = self._deadlines.get(address)
        if deadline is not None:
            deadline.reschedule(asyncio.get_running_loop().time())

    def remove(self, connection: AnnouncementProtocol) -> Address | None:
        """Take a connection out that is of no use any more; return its server if it was here."""
        for address, each in self._open.items():
            if each is connection:
                del self._open[address]
                self._watching.pop(connection).cancel()
                return address
        return None

    async def close(self) -> None:
        """Close every connection."""
        opening = list(self._opening.values())
        for task in opening:
            task.cancel()
        await asyncio.gather(*opening, return_exceptions=True)
        for _, connection in self:
            self.remove(connection)
            connection.abort()
            await connection.lost

    async def _connect(self, address: Address) -> AnnouncementProtocol:
        connection = self._make()
        try:
            async with asyncio.timeout(self._timeout_s) as deadline:
                self._deadlines[address] = deadline
                await address.connect(asyncio.get_running_loop(), connection)
                connection.log_in(address.credentials)
                await connection.ready
        except BaseException as error:
            connection.abort()
            if isinstance(error, OSError):  # a TimeoutError is one
                raise StoreUnavailable(
                    f"the store at {address.name} cannot be reached ({type(error).__name__})"
                ) from None
            raise
        finally:
            del self._opening[address], self._deadlines[address]
        if connection.lost.done():
            reason = connection.refusal or "closed the connection"
            raise StoreUnavailable(f"the store at {address.name} {reason}")
        self._open[address] = connection
        self._watching[connection] = asyncio.create_task(watch(connection, self._timeout_s))
        return connection


def _ignore(opening: asyncio.Task[AnnouncementProtocol]) -> None:
    if not opening.cancelled():
        opening.exception()


async def watch(connection: AnnouncementProtocol, timeout_s: float) -> None:
    """
    Wait until a connection is lost; give it up when it is dead.

    Args:
        connection: The connection.
        timeout_s: Seconds in which it must answer a ping.
    """
    ping_s = min(_LONGEST_PING_S, timeout_s / 2)
    loop, pinged_at = asyncio.get_running_loop(), 0.0
    while not connection.lost.done():
        await asyncio.wait([connection.lost], timeout=ping_s)
        now = loop.time()
        if now - connection.heard_at < ping_s:
            continue
        if connection.heard_at >= pinged_at:  # it has answered since, if it was asked at all
            connection.ping()
            pinged_at = now
        elif now - pinged_at > timeout_s:
            connection.refusal = "it gave no sign of life"
            connection.abort()
            await connection.lost
