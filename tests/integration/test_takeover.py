"""The takeover: what stays of aiohttp, and what becomes of a request that cannot be taken."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
import asyncio
import gc
import logging

from aiohttp.web_protocol import RequestHandler
import pytest

from broker.core.cursor import Cursor
from broker.core.frames import text_frame
from tests.support.frames import PING, PONG, TEXT, Frame, client_frame
from tests.support.taken import (
    PLAIN,
    STREAM,
    UPGRADE,
    BareClient,
    TakingServer,
    connected,
    serving,
    upgraded,
)
from tests.support.waiting import eventually

CONNECTIONS = 50


@pytest.fixture
async def server() -> AsyncIterator[TakingServer]:
    """Serve over plain TCP."""
    async with serving() as running:
        yield running


@pytest.fixture(autouse=True)
async def quiet(caplog: pytest.LogCaptureFixture) -> AsyncIterator[None]:
    """Fail a test in which anything is logged, or goes wrong where nobody waits for it."""
    wrong: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: wrong.append(context))
    with caplog.at_level(logging.INFO):
        yield
    assert [] == [record for record in caplog.records if record.name != "asyncio"]
    assert [] == wrong


def census() -> Counter[str]:
    """Count the living objects of aiohttp, and all tasks."""
    gc.collect()
    kinds = (type(thing) for thing in gc.get_objects())
    names = (f"{kind.__module__}.{kind.__qualname__}" for kind in kinds)
    return Counter(
        name for name in names if name.startswith(("aiohttp", "multidict", "yarl", "_asyncio.Task"))
    )


async def test_nothing_of_aiohttp_stays(server: TakingServer) -> None:
    """Neither request, protocol, parser, headers, task nor timer outlives the takeover."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(upgraded(server.port))
        before = census()
        for _ in range(CONNECTIONS):
            await stack.enter_async_context(upgraded(server.port))
        await eventually(lambda: not server.left_to_aiohttp)

        assert CONNECTIONS + 1 == len(server.connections)
        assert Counter() == census() - before


async def test_the_transport_is_ours(server: TakingServer) -> None:
    """Aiohttp's list of connections is empty, and the transport answers to our connection."""
    async with upgraded(server.port) as client:
        (connection,) = server.connections
        assert connection._transport is not None
        assert connection is connection._transport.get_protocol()
        await eventually(lambda: not server.left_to_aiohttp)

        await client.send(client_frame(PING, b"1"))
        assert [Frame(PONG, b"1")] == await client.frames(1)


async def test_a_stream_is_taken_over(server: TakingServer) -> None:
    """A streamed answer begins with its head, goes on with what is written and has an end."""
    async with connected(server.port) as client:
        await client.send(STREAM)
        assert (await client.head()).startswith(b"HTTP/1.1 200 OK\r\n")

        server.connections[0].write(b"5\r\nhello\r\n")
        server.connections[0].end(None, Cursor(1, 1), None)

        assert b"5\r\nhello\r\n0\r\n\r\n" == await client.to_the_end()
        await eventually(lambda: server.sessions[0].heard == ["lost"])


async def test_a_kept_connection_is_taken_over(server: TakingServer) -> None:
    """A request that follows others on its connection is taken over like the first."""
    async with connected(server.port) as client:
        for _ in range(3):
            await client.send(PLAIN)
            await client.head()
            assert b"....." == await client.exactly(5)
        await client.send(UPGRADE + client_frame(PING, b"1"))
        await client.head()

        assert [Frame(PONG, b"1")] == await client.frames(1)


async def test_requests_behind_a_subscription_refuse_it(server: TakingServer) -> None:
    """Where aiohttp has read further requests, it answers all of them, and keeps the connection."""
    async with connected(server.port) as client:
        await client.send(STREAM + PLAIN)

        assert (await client.head()).startswith(b"HTTP/1.1 400 ")
        assert b"a subscription must be the last request on its connection" == await client.exactly(
            57
        )
        assert (await client.head()).startswith(b"HTTP/1.1 200 ")
        assert b"....." == await client.exactly(5)
        assert [] == server.connections


HALVES = [
    b"G",
    b"GET /pl",
    b"GET /plain HTTP/1.1\r\n",
    b"GET /probe HTTP/1.1\r\nX: ",
    b"GET /probe HTTP/1.1\r\nHost: probe\r\n\r",
]


@pytest.mark.parametrize("half", HALVES)
async def test_half_a_request_behind_a_subscription_refuses_it(
    server: TakingServer, half: bytes
) -> None:
    """Where aiohttp has begun to read another request, it answers this one and closes."""
    async with connected(server.port) as client:
        await client.send(STREAM + half)

        assert (await client.head()).startswith(b"HTTP/1.1 400 ")
        assert (await client.to_the_end()).endswith(b"the last request on its connection")
        assert [] == server.connections


async def test_half_a_request_that_comes_meanwhile_refuses_it(
    server: TakingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes while the handler waits is counted as well."""
    read: list[bytes] = []
    receive = RequestHandler.data_received

    def listen(handler: RequestHandler, data: bytes) -> None:
        read.append(data)
        receive(handler, data)

    monkeypatch.setattr(RequestHandler, "data_received", listen)
    server.gate.clear()
    async with connected(server.port) as client:
        await client.send(STREAM)
        await eventually(lambda: server.requests)
        await client.send(PLAIN[:7])
        await eventually(lambda: read[-1] == PLAIN[:7])
        server.gate.set()

        assert (await client.head()).startswith(b"HTTP/1.1 400 ")
        assert [] == server.connections


@pytest.mark.parametrize(
    "request_",
    [
        STREAM + b"\r\n",
        STREAM[:-2] + b"Connection: close\r\n\r\n",
        STREAM.replace(b"HTTP/1.1", b"HTTP/1.0"),
        STREAM.replace(b"HTTP/1.1", b"HTTP/1.0")[:-2] + b"Connection: keep-alive\r\n\r\n",
    ],
)
async def test_takes_over_whatever_stands_alone(server: TakingServer, request_: bytes) -> None:
    """An empty line behind the request is no company, nor does it matter how it is to end."""
    async with connected(server.port) as client:
        await client.send(request_)

        assert (await client.head()).startswith(b"HTTP/1.1 200 ")
        assert 1 == len(server.connections)


async def test_a_body_refuses_a_subscription(server: TakingServer) -> None:
    """A request with a body is answered by aiohttp."""
    async with connected(server.port) as client:
        await client.send(STREAM[:-2] + b"Content-Length: 3\r\n\r\nabc")

        assert (await client.head()).startswith(b"HTTP/1.1 400 ")
        assert [] == server.connections


@pytest.mark.parametrize("cancelling", [False, True])
async def test_a_client_that_left_meanwhile(cancelling: bool) -> None:
    """A client that goes while its handler waits is lost at once, or its handler is cancelled."""
    async with serving(cancelling=cancelling) as server:
        server.gate.clear()
        async with connected(server.port) as client:
            await client.send(UPGRADE)
            await eventually(lambda: server.requests)
            client.vanish()
            await eventually(lambda: server.requests[0].transport is None)
        server.gate.set()

        await eventually(lambda: not server.left_to_aiohttp)
        if not cancelling:
            await eventually(lambda: server.sessions)
            assert ["lost"] == server.sessions[0].heard
            assert server.connections[0].ending
            assert not server.connections[0].write(b"x")


async def test_the_handler_is_not_cancelled() -> None:
    """Letting go of aiohttp's protocol does not cancel the handler that asks for it."""
    async with serving(cancelling=True) as server, upgraded(server.port) as client:
        await client.send(client_frame(PING, b"1"))

        assert [Frame(PONG, b"1")] == await client.frames(1)
        assert [] == server.sessions[0].heard
        assert 1 == server.finished


async def test_reading_goes_on_where_aiohttp_paused_it(server: TakingServer) -> None:
    """Frames that came in while the handler waited, more than aiohttp keeps, are all read."""
    server.gate.clear()
    count = 400
    frame = client_frame(TEXT, b"x" * 1000)
    async with connected(server.port) as client:
        await client.send(UPGRADE)
        await eventually(lambda: server.requests)
        handler = server.requests[0].protocol
        assert isinstance(handler, RequestHandler)
        sending = asyncio.create_task(client.send(frame * count + client_frame(PING, b"last")))
        await eventually(lambda: handler._buffer_paused, what="aiohttp pauses reading")
        server.gate.set()
        await client.head()

        assert [Frame(PONG, b"last")] == await client.frames(1)
        assert [b"x" * 1000] * count == server.texts
        await sending


SIZE = 60_000
"""Bytes of an answer: more than the kernel takes here, less than aiohttp waits for."""


@asynccontextmanager
async def behind() -> AsyncIterator[tuple[TakingServer, BareClient, asyncio.Transport]]:
    """Bring a client to the gate that has not read an earlier answer; give its transport too."""
    async with (
        serving(send_buffer_bytes=4096) as server,
        connected(server.port, receive_buffer_bytes=4096) as client,
    ):
        server.gate.clear()
        client.pause()
        await client.send(b"GET /plain?bytes=%d HTTP/1.1\r\nHost: test\r\n\r\n" % SIZE)
        await client.send(UPGRADE)
        await eventually(lambda: server.requests)
        transport = server.requests[0].transport
        assert transport is not None
        assert transport.get_write_buffer_size(), "or these tests say nothing"
        yield server, client, transport


async def test_the_rest_of_an_earlier_answer_comes_first() -> None:
    """Bytes that the transport still holds leave before the head, and the session waits."""
    async with behind() as (server, client, _):
        server.gate.set()
        await eventually(lambda: server.connections)
        assert ["stalled"] == server.sessions[0].heard
        server.connections[0].write(text_frame(b"last"))

        client.resume()
        await client.head()
        assert b"." * SIZE == await client.exactly(SIZE)
        assert (await client.head()).startswith(b"HTTP/1.1 101 ")
        assert [Frame(TEXT, b"last")] == await client.frames(1)
        await eventually(lambda: server.sessions[0].heard == ["stalled", "drained"])


async def test_a_connection_that_closes_is_left_to_aiohttp() -> None:
    """Where the transport is closing already, the session is lost and nothing more is sent."""
    async with behind() as (server, client, transport):
        transport.close()
        server.gate.set()
        await eventually(lambda: server.connections)
        assert ["lost"] == server.sessions[0].heard

        client.resume()
        await client.head()
        assert b"." * SIZE == await client.to_the_end()
        await eventually(lambda: not server.left_to_aiohttp)
