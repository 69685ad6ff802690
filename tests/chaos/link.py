"""A link to the store that misbehaves: a TCP proxy that cuts, goes dead, and drops messages."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import cast
import asyncio

from tests.chaos.resp import announcement_name, reply_end, words

Loss = Callable[[bytes], float]
"""Gives the probability with which an announcement on a channel of the server is dropped."""

Tap = Callable[[list[bytes]], None]
"""Hears a command, as its words."""

_HIGH_WATER_BYTES = 2**20

_FIRST_BYTES = 128
"""Of what a node sends at once; a subscription stands at its beginning."""


def no_loss(name: bytes) -> float:
    """Drop nothing."""
    return 0.0


class Link:
    """
    The way from one node to the store.

    Args:
        port: Where the store listens on the loopback interface.
        random: Decides what is dropped.

    Attributes:
        port: Where the node connects, once open.
        dropped: How many announcements were dropped.
    """

    def __init__(self, port: int, random: Random) -> None:
        self.port = 0
        self.dropped = 0
        self._store_port = port
        self._random = random
        self._loss: Loss = no_loss
        self._tap: Tap | None = None
        self._is_down = False
        self._server: asyncio.Server | None = None
        self._pairs: set[_Pair] = set()
        self._dead: set[_Pair] = set()

    async def open(self) -> None:
        """Listen on a port of the loopback interface."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Pair(self).node, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Cut everything and listen no longer."""
        self.cut()
        for pair in list(self._dead):
            pair.abort()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    # --- misbehaving -------------------------------------------------------------------------

    def cut(self) -> None:
        """Cut every connection at once."""
        for pair in list(self._pairs):
            pair.abort()

    def lower(self) -> None:
        """Cut every connection and refuse new ones until `raise_`."""
        self._is_down = True
        self.cut()

    def raise_(self) -> None:
        """Let connections through again."""
        self._is_down = False

    def half_open(self) -> None:
        """Let the store's side go: the node's connections stay open, and nobody answers there."""
        for pair in list(self._pairs):
            self._pairs.discard(pair)
            self._dead.add(pair)
            pair.forget_store()

    def tap(self, hear: Tap) -> None:
        """Have every command heard that comes from now on, word by word."""
        self._tap = hear

    @property
    def hears(self) -> Tap | None:
        """Who hears commands."""
        return self._tap

    def lose(self, loss: Loss) -> None:
        """Drop announcements from now on, each whole, with the probability given."""
        self._loss = loss

    # --- for pairs ---------------------------------------------------------------------------

    @property
    def store_port(self) -> int:
        """Where the store listens."""
        return self._store_port

    def admit(self, pair: _Pair) -> bool:
        """Take note of a connection; tell whether it may go through."""
        if not self._is_down:
            self._pairs.add(pair)
        return not self._is_down

    def forget(self, pair: _Pair) -> None:
        """Take note that a connection has gone."""
        self._pairs.discard(pair)
        self._dead.discard(pair)

    def drops(self, name: bytes) -> bool:
        """Decide whether an announcement is dropped."""
        dropped = self._random.random() < self._loss(name)
        self.dropped += dropped
        return dropped


class _Pair:
    """
    One connection of a node and the one to the store that belongs to it.

    Args:
        link: Whose.
    """

    def __init__(self, link: Link) -> None:
        self.node = _End(self)
        self.store = _End(self)
        self._link = link
        self._early: list[bytes] = []
        self._unread = bytearray()
        self._unheard = bytearray()
        self._announces = False
        self._connecting: asyncio.Task[None] | None = None

    def opened(self, end: _End) -> None:
        if end is not self.node:
            return
        if self._link.admit(self):
            self._connecting = asyncio.get_running_loop().create_task(self._connect())
        else:
            self.abort()

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: self.store, "127.0.0.1", self._link.store_port)
        except OSError:
            self.abort()
            return
        for data in self._early:
            self.store.write(data)
        self._early.clear()

    def received(self, end: _End, data: bytes) -> None:
        if end is self.store:
            self.node.write(self._without_dropped(data))
            return
        if not self._announces and b"subscribe\r\n" in data[:_FIRST_BYTES].lower():
            self._announces = True
        if self._link.hears is not None:
            self._overhear(data, self._link.hears)
        if self.store.transport is None:
            self._early.append(data)
        else:
            self.store.write(data)

    def _overhear(self, data: bytes, hear: Tap) -> None:
        self._unheard += data
        at = 0
        while at < len(self._unheard) and (end := reply_end(self._unheard, at)) is not None:
            hear(words(bytes(self._unheard[at:end])))
            at = end
        del self._unheard[:at]

    def _without_dropped(self, data: bytes) -> bytes:
        if not self._announces:
            return data
        unread = self._unread
        unread += data
        kept: list[bytes] = []
        at = 0
        while at < len(unread) and (end := reply_end(unread, at)) is not None:
            reply = bytes(unread[at:end])
            name = announcement_name(reply)
            if name is None or not self._link.drops(name):
                kept.append(reply)
            at = end
        del unread[:at]
        return b"".join(kept)

    def closed(self) -> None:
        self.abort()

    def abort(self) -> None:
        self._link.forget(self)
        if self._connecting is not None:
            self._connecting.cancel()
        for end in (self.node, self.store):
            end.abort()

    def forget_store(self) -> None:
        """Close the store's side only."""
        self.store.pair = None
        self.store.abort()


class _End(asyncio.Protocol):
    """One of the two connections of a pair."""

    def __init__(self, pair: _Pair) -> None:
        self.pair: _Pair | None = pair
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(_HIGH_WATER_BYTES)
        if self.pair is not None:
            self.pair.opened(self)

    def data_received(self, data: bytes) -> None:
        if self.pair is not None:
            self.pair.received(self, data)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc  # the other side is cut, whatever it was
        if self.pair is not None:
            self.pair.closed()

    def write(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.write(data)

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()
            self.transport = None
