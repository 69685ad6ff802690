"""The link to the store that misbehaves, between sockets of this process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from random import Random
import asyncio

import pytest

from tests.chaos.link import Link
from tests.support.waiting import eventually

PUSH = b"*3\r\n$7\r\nmessage\r\n$%d\r\n%b\r\n$1\r\n%d\r\n"


class Server:
    """Stands for the store: keeps what it hears, says what it is told to."""

    def __init__(self) -> None:
        self.heard = b""
        self.writers: list[asyncio.StreamWriter] = []
        self._open = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hear one connection to its end."""
        self.writers.append(writer)
        self._open += 1
        with suppress(ConnectionError):
            while data := await reader.read(4096):
                self.heard += data
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        self._open -= 1

    async def left(self) -> None:
        """Wait until every connection has ended."""
        await eventually(lambda: not self._open, what="every connection has ended")


@asynccontextmanager
async def linked() -> AsyncIterator[tuple[Link, Server]]:
    """Give a link and the server behind it."""
    server = Server()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    link = Link(listening.sockets[0].getsockname()[1], Random(1))
    await link.open()
    try:
        yield link, server
    finally:
        await link.close()
        listening.close()
        await listening.wait_closed()
        await server.left()


@asynccontextmanager
async def node(link: Link) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect as a node does."""
    reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def heard(server: Server, data: bytes) -> None:
    """Wait until the server has heard exactly this."""
    await eventually(lambda: server.heard == data, what=f"the server hears {data!r}")


async def read(reader: asyncio.StreamReader, count: int) -> bytes:
    """Read so many bytes, with a deadline."""
    async with asyncio.timeout(5):
        return await reader.readexactly(count)


async def ended(reader: asyncio.StreamReader) -> bytes:
    """Read to the end, with a deadline."""
    async with asyncio.timeout(5):
        try:
            return await reader.read()
        except ConnectionError:
            return b""


def push(name: bytes, number: int) -> bytes:
    """Return an announcement."""
    return PUSH % (len(name), name, number)


async def test_what_is_sent_arrives_both_ways() -> None:
    """A link that is left alone changes nothing."""
    async with linked() as (link, server), node(link) as (reader, writer):
        writer.write(b"PING\r\n")
        await heard(server, b"PING\r\n")
        server.writers[0].write(b"+PONG\r\n")
        assert b"+PONG\r\n" == await read(reader, 7)


async def test_a_cut_ends_every_connection() -> None:
    """After a cut both ends know; the next connection goes through."""
    async with linked() as (link, server), node(link) as (reader, writer):
        writer.write(b"1")
        await heard(server, b"1")
        link.cut()
        assert b"" == await ended(reader)
        async with node(link) as (_, other):
            other.write(b"2")
            await heard(server, b"12")


async def test_a_lowered_link_refuses_until_it_is_raised() -> None:
    """While it is down nobody gets through."""
    async with linked() as (link, server):
        link.lower()
        async with node(link) as (reader, _):
            assert b"" == await ended(reader)
        link.raise_()
        async with node(link) as (_, writer):
            writer.write(b"1")
            await heard(server, b"1")


async def test_a_half_open_link_stays_silent() -> None:
    """The node's connection stays open though the store's side is gone."""
    async with linked() as (link, server), node(link) as (reader, writer):
        writer.write(b"1")
        await heard(server, b"1")
        link.half_open()
        await eventually(server.writers[0].is_closing, what="the store's side is closed")
        writer.write(b"2")
        await writer.drain()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await reader.read(1)
        assert not writer.is_closing()
        assert b"1" == server.heard


@pytest.mark.parametrize("word", [b"SUBSCRIBE", b"ssubscribe"])
@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_announcements_are_dropped_whole(size: int, word: bytes) -> None:
    """However the bytes come, what is lost is lost whole, and the rest comes in order."""
    async with linked() as (link, server), node(link) as (reader, writer):
        link.lose(lambda name: 1.0 if name == b"bad" else 0.0)
        writer.write(b"*2\r\n$%d\r\n%b\r\n$3\r\nbad\r\n" % (len(word), word))
        await eventually(lambda: server.heard, what="the subscription is heard")
        replies = [b":1\r\n", push(b"good", 1), push(b"bad", 2), push(b"good", 3), push(b"bad", 4)]
        data = b"".join(replies)
        for at in range(0, len(data), size):
            server.writers[0].write(data[at : at + size])
            await server.writers[0].drain()
        wanted = replies[0] + replies[1] + replies[3]
        assert wanted == await read(reader, len(wanted))
        await eventually(lambda: link.dropped == 2, what="both are dropped")


async def test_answers_to_commands_are_never_dropped() -> None:
    """Only a connection that subscribes carries announcements."""
    async with linked() as (link, server), node(link) as (reader, writer):
        link.lose(lambda _: 1.0)
        writer.write(b"GET a\r\n")
        await eventually(lambda: server.heard, what="the command is heard")
        server.writers[0].write(push(b"c", 1))
        assert push(b"c", 1) == await read(reader, len(push(b"c", 1)))
