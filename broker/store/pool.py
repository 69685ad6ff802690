"""Connections for commands to one server."""

from __future__ import annotations

from asyncio import CancelledError, Semaphore, Timeout, get_running_loop, timeout
from collections import deque
from typing import Final, NamedTuple

from redis.exceptions import RedisError

from broker.store.address import Address
from broker.store.dialogue import is_read_only
from broker.store.link import Check, Link, Request
from broker.store.topology import ServerAway
from broker.store.wire import Reply

_LONGEST_IDLE_S: Final = 30.0
"""Seconds after which an idle connection is closed: what lies between may forget it without a word,
and the call that finds out would wait for its whole deadline."""


class _Idle(NamedTuple):
    """A connection that nobody uses, and since when, in loop time."""

    link: Link
    since: float


class Pool:
    """
    A small pool. The connection that was used last is used next; idle ones do not grow old.

    Args:
        address: The server.
        check: Makes sure that it can be used, whenever a connection was made.
        max_connections: Connections at most; further calls wait.
    """

    def __init__(self, address: Address, check: Check, max_connections: int) -> None:
        self._address = address
        self._check = check
        self._slots = Semaphore(max_connections)
        self._idle: deque[_Idle] = deque()
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
        await self._close_idle(get_running_loop().time())

    async def cut(self) -> None:
        """Close every connection, and fail the calls under way: another server takes its place."""
        now = get_running_loop().time()
        for call in self._under_way:
            call.reschedule(now)
        await self.close()

    async def _ask(self, request: Request) -> list[Reply]:
        if self._is_closed:
            raise self._replaced()
        now = get_running_loop().time()
        await self._close_idle(now - _LONGEST_IDLE_S)
        link = self._idle.pop().link if self._idle else Link(self._address, self._check)
        try:
            return await link.ask(request)
        except (CancelledError, RedisError) as error:
            # Not answered in time, or by what is no master any more: what is true of this one may
            # be true of those that have been idle since before.
            if isinstance(error, CancelledError) or is_read_only(error):
                await self._close_idle(now)
            raise
        finally:
            await self._put_back(link)

    async def _close_idle(self, before: float) -> None:
        """Close the connections that have been idle since before a moment, in loop time."""
        while self._idle and self._idle[0].since <= before:
            await self._idle.popleft().link.close()

    async def _put_back(self, link: Link) -> None:
        if self._is_closed:
            await link.close()
        else:
            self._idle.append(_Idle(link, get_running_loop().time()))

    def _replaced(self) -> ServerAway:
        return ServerAway(f"another server took the place of {self._address.name}")
