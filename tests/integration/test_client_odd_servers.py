"""The client with servers that are no broker of ours, or only nearly."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
import asyncio

from aiohttp import WSMsgType, web
import pytest

from broker.client import Client, ClientOptions, Cursor, Transport, Unreadable
from broker.core.message import Message as StoredMessage
from broker.protocols.pushstream.envelope import envelope
from tests.support.waiting import eventually

Handler = Callable[[web.Request, int], Awaitable[web.StreamResponse]]
"""Answers a subscription; is told how many came before."""

HEAD = Cursor(1000, 0)
POLL_HEADERS = {"ETag": "W/0", "Last-Modified": HEAD.http_date}


def text(number: int) -> bytes:
    """Return an envelope."""
    here, before = Cursor(1000, number), Cursor(1000, number - 1)
    return envelope(StoredMessage(number, "c", b"%d" % number, here, before))


@asynccontextmanager
async def serving(
    *transports: Transport, place: Mapping[str, str] = POLL_HEADERS, **handlers: Handler
) -> AsyncIterator[Client]:
    """Give a client of a server that answers each kind of subscription as it is told."""
    counts: dict[str, int] = {}

    async def answer(request: web.Request) -> web.StreamResponse:
        mode = request.match_info["mode"]
        if mode == "shortpoll":
            return web.Response(status=304, headers=place)
        counts[mode] = counts.get(mode, -1) + 1
        handler = handlers.get(mode)
        if handler is None:
            return web.Response(status=404, text="nothing here")
        return await handler(request, counts[mode])

    app = web.Application()
    app.router.add_get("/{mode}/{channels:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    options = ClientOptions(transports=transports, retry_s=(0.01, 0.02), quick_retry_s=0.01)
    try:
        async with Client(url, options=options) as client:
            yield client
    finally:
        await runner.cleanup()


async def take(client: Client, count: int) -> list[int]:
    """Return the ids of the first messages."""
    async with asyncio.timeout(20), client.subscribe("c") as messages:
        return [(await anext(messages)).id for _ in range(count)]


async def open_socket(request: web.Request) -> web.WebSocketResponse:
    """Shake hands."""
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    return socket


@pytest.mark.parametrize("reason", [b"", b"bye", b'{"cursor":"x"}', b'{"cursor":"1000-1"}'])
async def test_any_close_frame_is_understood(reason: bytes) -> None:
    """A proxy's own goodbye, with whatever reason, costs a connection and no message."""

    async def close(request: web.Request, before: int) -> web.StreamResponse:
        socket = await open_socket(request)
        await socket.send_bytes(text(before + 1))
        await socket.close(code=1001, message=reason)
        return socket

    async with serving("websocket", websocket=close) as client:
        assert [1, 2, 3] == await take(client, 3)


async def test_frames_that_say_nothing_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """What is no envelope is logged, and does not end the connection."""

    async def babble(request: web.Request, _: int) -> web.StreamResponse:
        socket = await open_socket(request)
        await socket.send_str("hello")
        await socket.send_bytes(b"\xff\x00")
        await socket.send_str("{}")
        await socket.send_bytes(text(1))
        assert WSMsgType.CLOSE == (await socket.receive()).type
        return socket

    async with serving("websocket", websocket=babble) as client:
        assert [1] == await take(client, 1)
    assert 3 == caplog.text.count("left out")


async def test_a_stream_that_is_none_is_left_for_polls() -> None:
    """A page of HTML with status 200 is no event stream."""

    async def page(request: web.Request, _: int) -> web.StreamResponse:
        return web.Response(text="<html>", content_type="text/html")

    async def poll(request: web.Request, _: int) -> web.StreamResponse:
        return web.Response(body=text(1) + b"\n", headers=POLL_HEADERS)

    async with serving("eventsource", "longpoll", eventsource=page, longpoll=poll) as client:
        assert [1] == await take(client, 1)


async def test_a_stream_that_ends_is_opened_again() -> None:
    """Whether after an event or in the middle of one."""

    async def stream(request: web.Request, before: int) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"data: %b\n\ndata: %b" % (text(before + 1), text(before + 2)))
        return response

    async with serving("eventsource", eventsource=stream) as client:
        assert [1, 2, 3] == await take(client, 3)


@pytest.mark.jumping
async def test_a_stream_that_is_held_back_is_left_for_polls() -> None:
    """A proxy that buffers a stream lets its head through, and nothing else ever."""

    async def silence(request: web.Request, _: int) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await asyncio.sleep(3600)
        return response

    async def poll(request: web.Request, _: int) -> web.StreamResponse:
        return web.Response(body=text(1) + b"\n", headers=POLL_HEADERS)

    async with (
        serving("eventsource", "longpoll", eventsource=silence, longpoll=poll) as client,
        client.subscribe("c") as messages,
    ):
        assert 1 == (await anext(messages)).id


@pytest.mark.jumping
async def test_polls_that_are_not_held_come_once_a_second() -> None:
    """A proxy that answers 304 by itself does not make the client spin."""
    times: list[float] = []

    async def at_once(request: web.Request, before: int) -> web.StreamResponse:
        times.append(asyncio.get_running_loop().time())
        if before < 30:
            return web.Response(status=304, headers=POLL_HEADERS)
        return web.Response(body=text(1) + b"\n", headers=POLL_HEADERS)

    async with (
        serving("longpoll", longpoll=at_once) as client,
        client.subscribe("c") as messages,
    ):
        assert 1 == (await anext(messages)).id
    assert 29 <= times[-1] - times[0] <= 31


async def test_a_poll_without_a_cursor_is_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    """Without a place to come back to, a newcomer would lose what comes in between."""
    place: dict[str, str] = {}
    async with serving("longpoll", place=place) as client:
        entering = asyncio.create_task(client.subscribe("c").__aenter__())
        await eventually(lambda: caplog.text.count("carries no cursor") > 3)
        assert not entering.done()
        place.update(POLL_HEADERS)
        assert HEAD == (await asyncio.wait_for(entering, 5)).cursor


async def test_p2_polls_go_on_where_their_etag_is_taken_away() -> None:
    """A proxy that drops `ETag` costs no message and no second request for one."""
    asked: list[str] = []

    async def poll(request: web.Request, before: int) -> web.StreamResponse:
        asked.append(request.query["tag"])
        headers = {"Last-Modified": HEAD.http_date}
        return web.Response(body=text(before + 1) + b"\n", headers=headers)

    async with serving("longpoll", longpoll=poll) as client:
        assert [1, 2, 3] == await take(client, 3)
    assert ["0", "1", "2"] == asked[:3]


async def test_a_cursor_that_cannot_be_read_is_raised() -> None:
    """What is none of our headers is not taken for a place."""
    place = {"ETag": '"abc"', "Last-Modified": HEAD.http_date}
    async with serving("longpoll", place=place) as client:
        with pytest.raises(Unreadable):
            await take(client, 1)


async def test_where_nothing_gets_through_the_client_goes_on_trying() -> None:
    """All transports in turn, until one does."""

    async def later(request: web.Request, before: int) -> web.StreamResponse:
        if before < 3:
            return web.Response(status=404)
        return web.Response(body=text(1) + b"\n", headers=POLL_HEADERS)

    async with serving("websocket", "eventsource", "longpoll", longpoll=later) as client:
        assert [1] == await take(client, 1)
