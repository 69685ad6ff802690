"""What the vendor's client relies on (dashly-rts.md, 2.3), point by point."""

from __future__ import annotations

from urllib.parse import quote
import asyncio
import json

import pytest

from broker.core.cursor import Cursor
from tests.support.frames import PING, PONG, TEXT
from tests.support.node import SharedMemoryStore, running_node, wall_clock
from tests.support.subscribers import upgrade, websocket
from tests.support.target import Target
from tests.support.wire import connected, subscription


async def test_point_1_unknown_parameters_are_ignored(target: Target, app: str) -> None:
    """The client's own parameters, in its order, change nothing; nor do others."""
    channel, token = f"conversation.{app}", target.operator(app)
    before = await target.now([channel], token)
    await target.publish(channel, 1)
    query = (
        f"auth_token={token}&reconnect=true&external_chat=true&reconnect_code=1006"
        f"&reconnect_reason=a%20%22b%22&time={quote(before.http_date)}&tag={before.tag}"
    )
    async with websocket(target.public, f"/websocket/{channel}?{query}") as socket:
        assert 1 == (await socket.envelope()).message
    for extra in ("_=1447516314", "callback=f", "eventid=", "x", "=", "&&", "a[]=1&a[]=2"):
        answer = await target.ask(f"/shortpoll/{channel}?{query}&{extra}")
        assert [1] == [envelope.message for envelope in answer.envelopes]


@pytest.mark.parametrize("mode", ["shortpoll", "longpoll", "websocket"])
async def test_point_2_an_empty_tag_means_no_tag(target: Target, app: str, mode: str) -> None:
    """`time` one second back and `tag=` empty: everything of later seconds comes."""
    channel, token = f"conversation.{app}", target.operator(app)
    stored = await target.publish(channel, "just now")
    second_before = stored.cursor._replace(time=stored.cursor.time - 1)
    for tag in ("", "null", "undefined"):
        wanted = f"/{mode}/{channel}?auth_token={token}&time={quote(second_before.http_date)}"
        if mode == "websocket":
            async with websocket(target.public, f"{wanted}&tag={tag}") as socket:
                assert "just now" == (await socket.envelope()).message
        else:
            answer = await target.ask(f"{wanted}&tag={tag}")
            assert ["just now"] == [envelope.message for envelope in answer.envelopes]


async def test_point_3_every_frame_is_one_object_with_a_cursor(target: Target, app: str) -> None:
    """Each text frame parses alone, and its `channel` before the first dot names the kind."""
    channels = ["ping", f"conversation.{app}", f"event.{app}.7"]
    async with target.websocket(channels, None, target.operator(app)) as socket:
        await target.publish(channels[1], "line\nfeed")
        await target.publish(channels[2], {})
        kinds = []
        for _ in range(3):
            frame = await socket.frame()
            assert TEXT == frame.opcode
            members = json.loads(frame.payload)
            assert {"tag", "time"} <= members.keys()
            kinds.append(members["channel"].split(".")[0])
    assert ["ping", "conversation", "event"] == kinds


async def test_point_4_a_304_can_be_polled_from_at_once(target: Target, app: str) -> None:
    """The `ETag` and `Last-Modified` of any 304, sent back as read, miss and repeat nothing."""
    channel, token = f"conversation.{app}", target.operator(app)
    etag, modified, heard = "", "", []
    async with target.connect() as http:
        for number in range(20):
            await target.publish(channel, number)
            for _ in range(2):
                answer = await http.ask(
                    f"/shortpoll/{channel}?auth_token={token}&tag={etag}&time={quote(modified)}"
                )
                if answer.status == 200:
                    heard += [envelope.message for envelope in answer.envelopes]
                etag, modified = answer.headers["ETag"], answer.headers["Last-Modified"]
    assert list(range(1, 20)) == heard, "all but what was there before the first contact"


async def test_point_5_a_body_splits_at_line_feeds(target: Target, app: str) -> None:
    """Split at line feeds, drop the last piece, parse the others: line feeds in texts included."""
    channel, token = f"conversation.{app}", target.operator(app)
    before = await target.now([channel], token)
    for text in ("one", "two\nlines", "three\r\n"):
        await target.publish(channel, text)
    body = (await target.poll([channel], before, token)).body.decode()
    pieces = body.split("\n")[:-1]
    assert ["one", "two\nlines", "three\r\n"] == [json.loads(piece)["message"] for piece in pieces]


@pytest.mark.parametrize("spelling", ["W/{0}", "{0}", '"{0}"', 'W/"{0}"'])
@pytest.mark.parametrize("mode", ["shortpoll", "longpoll", "websocket", "eventsource"])
async def test_point_7_the_tag_comes_back_as_it_was_read(
    target: Target, app: str, mode: str, spelling: str
) -> None:
    """`tag=W/21`, not encoded, with `time` encoded; and the three other spellings."""
    channel, token = f"conversation.{app}", target.operator(app)
    cursor = (await target.publish(channel, "known")).cursor
    await target.publish(channel, "new")
    wanted = (
        f"/{mode}/{channel}?auth_token={token}&time={quote(cursor.http_date, safe='')}"
        f"&tag={spelling.format(cursor.tag)}"
    )
    async with connected(target.public) as http:
        if mode == "websocket":
            socket = await upgrade(http, wanted)
            assert "new" == (await socket.envelope()).message
        elif mode == "eventsource":
            await http.send(wanted)
            assert 200 == (await http.head()).status
            data = b""
            while b'"new"' not in data:
                data += await http.chunk()
            assert b'"known"' not in data
        else:
            answer = await http.ask(wanted)
            assert ["new"] == [envelope.message for envelope in answer.envelopes]


async def test_point_8_short_polls_hand_over_to_a_long_poll(target: Target, app: str) -> None:
    """The cursor of a short poll goes on by long poll, without hole or repeat."""
    channel, token = f"conversation.{app}", target.operator(app)
    cursor = await target.now([channel], token)
    for number in range(5):
        await target.publish(channel, number)
        answer = await target.poll([channel], cursor, token, mode="shortpoll")
        assert [number] == [envelope.message for envelope in answer.envelopes]
        cursor = answer.cursor
    await target.publish(channel, 5)
    answer = await target.poll([channel], cursor, token, mode="longpoll")
    assert [5] == [envelope.message for envelope in answer.envelopes]


async def test_point_9_pages_of_other_origins_can_read_the_cursor(target: Target, app: str) -> None:
    """200, 304 and refusals expose `ETag` and `Last-Modified` to every page."""
    channel, token = f"conversation.{app}", target.operator(app)
    headers = {"Origin": "https://page.example"}
    cursor = (await target.publish(channel, 1)).cursor
    answers = [
        await target.ask(subscription("shortpoll", [channel], None, token), headers),
        await target.ask(subscription("longpoll", [channel], Cursor(1, 1), token), headers),
        await target.ask(subscription("longpoll", [channel], cursor, "x"), headers),
    ]
    assert [304, 200, 401] == [answer.status for answer in answers]
    for answer in answers:
        exposed = answer.headers["Access-Control-Expose-Headers"].split(", ")
        assert {"ETag", "Last-Modified", "X-Broker-Gap", "Retry-After"} <= set(exposed)
        assert "*" == answer.headers["Access-Control-Allow-Origin"]


async def test_point_10_a_cursor_holds_on_every_node() -> None:
    """What one node handed out is good on another, message by message, back and forth."""
    store = SharedMemoryStore(wall_clock())
    async with running_node(store) as one, running_node(store) as two:
        cursor = await one.now(["a"])
        heard = []
        for number in range(20):
            node, other = (one, two) if number % 2 else (two, one)
            await other.publish("a", number)
            answer = await node.poll(["a"], cursor, mode="longpoll")
            heard += [envelope.message for envelope in answer.envelopes]
            cursor = answer.cursor
        assert list(range(20)) == heard


@pytest.mark.jumping
async def test_point_12_an_open_socket_is_never_silent_for_two_minutes() -> None:
    """With `ping` among the channels, something with a cursor comes each ten seconds."""
    async with running_node() as node, node.websocket(["ping", "a"]) as socket:
        for _ in range(30):
            assert "ping" == (await socket.envelope()).channel


@pytest.mark.jumping
async def test_point_13_keep_alive_is_by_ping_frames_only() -> None:
    """Without the ping channel, an idle socket gets protocol pings and no text at all."""
    async with running_node() as node, node.websocket(["a"]) as socket:
        for _ in range(10):
            frame = await socket.frame()
            assert PING == frame.opcode
            await socket.send(PONG, frame.payload)


@pytest.mark.jumping
async def test_point_13_an_error_frame_comes_right_before_the_end() -> None:
    """The text frame of an expired token carries the cursor, and only the close frame follows."""
    async with running_node() as node:
        token = node.token(None, role="reader", exp=int(node.clock()) + 5)
        before = await node.now(["closed.a"], token)
        async with node.websocket(["closed.a"], before, token) as socket:
            told = json.loads(await socket.text())
            assert 401 == told["error"]["status"]
            assert {"error", "tag", "time"} == told.keys()
            assert 3401 == (await socket.closing()).code


async def test_bots_read_one_message_as_one_object(target: Target, app: str) -> None:
    """A bot that sends no cursor and parses the body as a whole gets one object and a line feed."""
    channel, token = f"conversation.{app}", target.operator(app)
    async with target.connect() as http:
        asking = asyncio.create_task(http.ask(subscription("longpoll", [channel], None, token)))
        while not asking.done():
            await target.publish(channel, "hello")
            await asyncio.wait([asking], timeout=0.2)
        body = (await asking).body
    assert "hello" == json.loads(body)["message"]
    assert body.endswith(b"}\n")
