"""What a listener wants to hear, and what the server has confirmed of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import groupby
from operator import itemgetter
import asyncio

from broker.core.errors import StoreUnavailable
from broker.store.announcements import AnnouncementProtocol, Route


class Subscriptions:
    """
    The announcement channels of one tenant, over whatever connection carries them.

    Commands of one loop turn leave together. The server confirms them in the order in which they
    were asked, so counting its confirmations tells which of them are in force.

    Args:
        index: Where connections look up what a channel carries; kept up to date.

    Attributes:
        routes: What is wanted, and what it carries.
    """

    def __init__(self, index: dict[bytes, Route]) -> None:
        self.routes: dict[bytes, Route] = {}
        self._index = index
        self._held: set[bytes] = set()
        self._claims: Counter[bytes] = Counter()
        self._batch: list[tuple[bool, bytes]] = []
        self._asked = 0
        self._confirmed = 0
        self._waiting: dict[asyncio.Future[None], int] = {}  # until how many are confirmed
        self._connection: AnnouncementProtocol | None = None

    async def want(self, wanted: Mapping[bytes, Route]) -> None:
        """
        Subscribe to channels; return once the server has confirmed all of them.

        Where this does not end well, cancelled by a deadline say, those of the channels that no
        other call has or wants are given back.
        """
        self._claims.update(wanted.keys())
        for name, route in wanted.items():
            if name not in self.routes:
                self.routes[name] = self._index[name] = route
                self._ask(subscribe=True, name=name)
        try:
            await self._settled()
            self._held.update(wanted)
        finally:
            self._claims.subtract(wanted.keys())
            self._release(wanted)

    def drop(self, names: Iterable[bytes]) -> None:
        """Give channels back; calls that wait for one of them keep it."""
        names = list(names)
        self._held.difference_update(names)
        self._release(names)

    def attach(self, connection: AnnouncementProtocol) -> asyncio.Future[None]:
        """
        Use a connection, to which these are new: subscribe to everything.

        Returns:
            Done once all of it is confirmed.
        """
        self._connection = connection
        self._batch.clear()
        self._asked, self._confirmed = len(self.routes), 0
        settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting = dict.fromkeys((*self._waiting, settled), self._asked)
        connection.subscribe(list(self.routes), self.confirmed)
        self._wake()
        return settled

    def detach(self) -> None:
        """Take note that the connection is gone; calls wait for the next one."""
        self._connection = None
        self._batch.clear()

    def confirmed(self, connection: AnnouncementProtocol) -> None:
        """Take note of one more confirmation."""
        if connection is self._connection:
            self._confirmed += 1
            self._wake()

    def close(self) -> None:
        """Give everything up, and fail the calls that wait."""
        self.detach()
        for future in self._waiting:
            if not future.done():
                future.set_exception(StoreUnavailable("the listener is closed"))
        self._waiting.clear()

    async def _settled(self) -> None:
        if self._connection is not None and self._confirmed >= self._asked:
            return
        future = asyncio.get_running_loop().create_future()
        self._waiting[future] = self._asked
        try:
            await future
        finally:
            self._waiting.pop(future, None)

    def _wake(self) -> None:
        while self._waiting:
            future = next(iter(self._waiting))
            if self._waiting[future] > self._confirmed:
                break
            del self._waiting[future]
            if not future.done():
                future.set_result(None)

    def _release(self, names: Iterable[bytes]) -> None:
        for name in names:
            if self._claims[name] > 0:
                continue
            del self._claims[name]
            if name not in self._held and self.routes.pop(name, None) is not None:
                del self._index[name]
                self._ask(subscribe=False, name=name)

    def _ask(self, *, subscribe: bool, name: bytes) -> None:
        if self._connection is None:
            return  # the next connection subscribes to all that is wanted by then
        if not self._batch:
            asyncio.get_running_loop().call_soon(self._flush)
        self._batch.append((subscribe, name))
        self._asked += subscribe

    def _flush(self) -> None:
        batch, self._batch = self._batch, []
        if self._connection is None:
            return
        for subscribe, group in groupby(batch, key=itemgetter(0)):
            names = [name for _, name in group]
            if subscribe:
                self._connection.subscribe(names, self.confirmed)
            else:
                self._connection.unsubscribe(names)
