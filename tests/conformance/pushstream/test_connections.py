"""What connections carry: many requests, requests in pieces and in a row, HTTP/1.0, early bytes."""

from __future__ import annotations

from contextlib import AsyncExitStack, suppress
from email.utils import parsedate_to_datetime
from itertools import pairwise
import asyncio

import pytest

from broker.core.cursor import Cursor
from tests.support.frames import PING, PONG, TEXT, client_frame
from tests.support.node import RunningNode
from tests.support.subscribers import UPGRADE, WebSocket, subscribe_events, upgrade
from tests.support.target import Target
from tests.support.waiting import eventually
from tests.support.wire import subscription


async def test_one_connection_carries_poll_after_poll(target: Target, app: str) -> None:
    """Long and short polls, refusals and preflights alternate on one connection."""
    channel, token = f"conversation.{app}", target.operator(app)
    async with target.connect() as http:
        cursor = (await http.ask(subscription("shortpoll", [channel], None, token))).cursor
        for number in range(25):
            await target.publish(channel, number)
            mode = ("longpoll", "shortpoll")[number % 2]
            answer = await http.ask(subscription(mode, [channel], cursor, token))
            assert [number] == [envelope.message for envelope in answer.envelopes]
            cursor = answer.cursor
            if number % 5 == 0:
                assert 401 == (await http.ask(subscription(mode, [channel]))).status
                assert (await http.ask(f"/{mode}/{channel}", method="OPTIONS")).status < 300


async def test_a_connection_that_polled_can_become_a_websocket(node: RunningNode) -> None:
    """After polls, the same connection is upgraded, and nothing is lost in between."""
    async with node.connect() as http:
        cursor = (await http.ask(subscription("shortpoll", ["a"]))).cursor
        await node.publish("a", 1)
        answer = await http.ask(subscription("websocket", ["a"], cursor), UPGRADE)
        assert 101 == answer.status
        assert 1 == (await WebSocket(http, answer).envelope()).message


async def test_a_request_may_come_byte_by_byte(node: RunningNode) -> None:
    """Split anywhere, a request is the same request."""
    await node.publish("a", 1)
    request = b"GET /longpoll/a?time=1&tag=1 HTTP/1.1\r\nHost: x\r\nX-Filler: abc\r\n\r\n"
    async with node.connect() as http:
        for at in range(len(request)):
            await http.send_bytes(request[at : at + 1])
            await asyncio.sleep(0)
        assert [1] == [envelope.message for envelope in (await http.answer()).envelopes]
        for cut in range(1, len(request), 9):
            await http.send_bytes(request[:cut])
            await asyncio.sleep(0)
            await http.send_bytes(request[cut:])
            assert [1] == [envelope.message for envelope in (await http.answer()).envelopes]


async def test_requests_in_a_row_are_answered_in_a_row(node: RunningNode) -> None:
    """Ten requests in one segment get ten answers, in order."""
    stored = [await node.publish("a", number) for number in range(10)]
    async with node.connect() as http:
        requests = [
            f"GET {subscription('shortpoll', ['a'], message.cursor)} HTTP/1.1\r\nHost: x\r\n\r\n"
            for message in stored[:-1]
        ]
        await http.send_bytes("".join(requests).encode())
        for number in range(1, 10):
            heard = (await http.answer()).envelopes
            assert list(range(number, 10)) == [envelope.message for envelope in heard]


async def test_a_request_behind_a_held_poll_waits_for_it(node: RunningNode) -> None:
    """What is sent while a poll is held is answered once that one is, not before, not never."""
    async with node.connect() as http:
        before = await node.now(["a"])
        wanted = subscription("longpoll", ["a"], before)
        await http.send(wanted)
        await eventually(lambda: node.sessions == 1, what="it is held")
        await http.send(wanted)
        await http.send(wanted)
        assert 1 == node.sessions
        await node.publish("a", "both")
        for _ in range(3):
            assert ["both"] == [envelope.message for envelope in (await http.answer()).envelopes]


async def test_half_a_request_behind_a_poll_keeps_nobody_waiting(node: RunningNode) -> None:
    """The poll is answered at once, and then the connection goes on or ends: no request hangs."""
    for mode in ("longpoll", "shortpoll"):
        async with node.connect() as http:
            wanted = subscription(mode, ["a"], await node.now(["a"]))
            request = f"GET {wanted} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
            await http.send_bytes(request + request[:20])
            assert 304 == (await http.answer()).status
            await node.publish("a", mode)
            with suppress(ConnectionError):
                await http.send_bytes(request[20:])
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                heard = (await http.answer()).envelopes
                assert [mode] == [envelope.message for envelope in heard]


async def test_http_1_0_is_answered_and_closed(node: RunningNode) -> None:
    """Without keep-alive the answer ends with the connection; nothing is chunked."""
    await node.publish("a", 1)
    async with node.connect() as http:
        await http.send("/shortpoll/a?time=1&tag=1", version="1.0")
        answer = await http.answer()
        assert [1] == [envelope.message for envelope in answer.envelopes]
        assert "Transfer-Encoding" not in answer.headers
        assert b"" == await http.ended()
    async with node.connect() as http:
        await http.send("/shortpoll/a", version="1.0")
        answer = await http.answer()
        assert 304 == answer.status
        assert answer.cursor
        assert b"" == await http.ended()


async def test_http_1_0_can_keep_its_connection(node: RunningNode) -> None:
    """With `Connection: keep-alive` it is told so, and may poll again."""
    await node.publish("a", 1)
    async with node.connect() as http:
        for _ in range(3):
            await http.send("/longpoll/a?time=1&tag=1", {"Connection": "keep-alive"}, version="1.0")
            answer = await http.answer()
            assert [1] == [envelope.message for envelope in answer.envelopes]
            assert "keep-alive" == answer.headers["Connection"].lower()


async def test_http_1_0_gets_an_event_stream_without_chunks(node: RunningNode) -> None:
    """The events come plain, up to the end of the connection."""
    stored = await node.publish("a", 1)
    async with node.connect() as http:
        stream = await subscribe_events(http, "/eventsource/a?time=1&tag=1", version="1.0")
        assert "Transfer-Encoding" not in stream.answer.headers
        event = await stream.event()
        while event.kind == "gap":
            event = await stream.event()
        assert stored.cursor == event.cursor


async def test_who_asks_for_the_end_gets_it(node: RunningNode) -> None:
    """`Connection: close` is honoured: by polls at once and by polls that were held."""
    for held in (False, True):
        async with node.connect() as http:
            before = await node.now(["a"])
            if not held:
                await node.publish("a", 1)
            await http.send(subscription("longpoll", ["a"], before), {"Connection": "close"})
            if held:
                await eventually(lambda: node.sessions == 1, what="it is held")
                await node.publish("a", 1)
            answer = await http.answer()
            assert 200 == answer.status
            assert "close" == answer.headers["Connection"]
            assert b"" == await http.ended()


async def test_frames_behind_the_handshake_are_not_lost(node: RunningNode) -> None:
    """A ping in the very segment of the handshake is answered; the module lost it."""
    for cursor in (None, await node.now(["a"])):
        for _ in range(3):
            async with node.connect() as http:
                wanted = subscription("websocket", ["a"], cursor)
                head = f"GET {wanted} HTTP/1.1\r\nHost: x\r\n" + "".join(
                    f"{name}: {value}\r\n" for name, value in UPGRADE.items()
                )
                await http.send_bytes(head.encode() + b"\r\n" + client_frame(PING, b"early"))
                socket = WebSocket(http, await http.answer())
                assert 101 == socket.answer.status
                assert (PONG, b"early") == await socket.frame()


async def test_texts_of_subscribers_are_ignored(node: RunningNode) -> None:
    """A subscriber may say what it likes; nothing is published, and messages go on."""
    async with node.websocket(["a"]) as socket:
        await socket.send(TEXT, b'{"channel":"a","message":"mine"}')
        await node.publish("a", "theirs")
        assert "theirs" == (await socket.envelope()).message


async def test_a_hundred_polls_wait_for_one_message(node: RunningNode) -> None:
    """Everyone who waits gets the same answer, and nobody stays behind."""
    before = await node.now(["a"])
    async with AsyncExitStack() as stack:
        https = [await stack.enter_async_context(node.connect()) for _ in range(100)]
        for http in https:
            await http.send(subscription("longpoll", ["a"], before))
        await eventually(lambda: node.sessions == 100, what="all wait")
        stored = await node.publish("a", "for all")
        for http in https:
            answer = await http.answer()
            assert ["for all"] == [envelope.message for envelope in answer.envelopes]
            assert stored.cursor == answer.cursor
        assert 0 == node.sessions


async def test_a_session_is_in_one_place_at_a_time(node: RunningNode) -> None:
    """Long polls in a row on many connections never leave a session behind."""
    async with node.connect() as one, node.connect() as two:
        cursor = await node.now(["a", "b"])
        cursors = [cursor]
        for number in range(30):
            asked = [
                asyncio.create_task(http.ask(subscription("longpoll", ["a", "b"], cursor)))
                for http in (one, two)
            ]
            await node.publish("ab"[number % 2], number)
            answers = await asyncio.gather(*asked)
            assert answers[0].envelopes == answers[1].envelopes
            cursor = answers[0].cursor
            cursors.append(cursor)
        assert all(earlier < later for earlier, later in pairwise(cursors))
        assert 0 == node.sessions


@pytest.mark.parametrize("mode", ["shortpoll", "longpoll", "eventsource", "websocket"])
async def test_D10_a_target_may_be_written_otherwise(node: RunningNode, mode: str) -> None:
    """The whole URL (RFC 9112, section 3.2.2) or one slash too many: the same request each time."""
    before = await node.now(["a"])
    stored = await node.publish("a", 1)
    plain = subscription(mode, ["a"], before)
    for wanted in [f"http://elsewhere.example{plain}", f"/{plain}", f"//{plain}"] * 3:
        async with node.connect() as http:
            if mode == "eventsource":
                found = await (await subscribe_events(http, wanted)).envelope()
            elif mode == "websocket":
                found = await (await upgrade(http, wanted)).envelope()
            else:
                [found] = (await http.ask(wanted)).envelopes
            assert stored.cursor == found.cursor


async def test_every_answer_says_when_it_was_made(node: RunningNode) -> None:
    """`Date` is there, of streams as well (RFC 9110, section 6.6.1)."""
    await node.publish("a", 1)
    for mode in ("shortpoll", "longpoll", "eventsource", "stream"):
        async with node.connect() as http:
            await http.send(subscription(mode, ["a"], Cursor(1, 0)))
            told = parsedate_to_datetime((await http.head()).headers["Date"])
            assert abs(told.timestamp() - node.clock()) < 60, mode


@pytest.mark.parametrize("mode", ["shortpoll", "longpoll"])
async def test_who_says_no_more_gets_the_answer_all_the_same(node: RunningNode, mode: str) -> None:
    """A client that closes its side with the request is answered, whether it is known or not."""
    before = await node.now(["a"])
    stored = await node.publish("a", 1)
    good = f"GET {subscription(mode, ['a'], before)} HTTP/1.1\r\nHost: x\r\n\r\n"
    bad = f"GET /{mode}/* HTTP/1.1\r\nHost: x\r\n\r\n"
    for request, known, status in ((good, False, 200), (good, True, 200), (bad, False, 400)):
        async with node.connect() as http:
            if known:
                await http.send_bytes(request.encode())
                assert 200 == (await http.answer()).status
            http.writer.write(request.encode())
            http.writer.write_eof()
            answer = await http.answer()
            assert status == answer.status
            if status == 200:
                assert [stored.cursor] == [envelope.cursor for envelope in answer.envelopes]
            assert b"" == await http.ended()


@pytest.mark.parametrize("mode", ["longpoll", "eventsource", "stream", "websocket"])
async def test_who_says_no_more_is_not_waited_for(node: RunningNode, mode: str) -> None:
    """A subscriber that closes its side has left, as in the module: nothing is held for it."""
    upgrade_lines = "".join(f"{name}: {value}\r\n" for name, value in UPGRADE.items())
    lines = upgrade_lines if mode == "websocket" else ""
    request = f"GET /{mode}/a HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode()
    for _ in range(2):
        async with node.connect() as http:
            http.writer.write(request)
            http.writer.write_eof()
            await http.ended()
            await eventually(lambda: node.sessions == 0, what="nobody is subscribed")
