"""The keep and change lists of the push-stream reference (section 19), number by number."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote
import asyncio
import json

import pytest

from broker.core.cursor import Cursor
from tests.support.frames import CLOSE, CONTINUATION, PING, PONG, TEXT, client_frame
from tests.support.node import RunningNode, SharedMemoryStore, running_node, wall_clock
from tests.support.subscribers import UPGRADE, WebSocket
from tests.support.target import publish
from tests.support.waiting import eventually
from tests.support.wire import Answer, subscription

POLLS = ("shortpoll", "longpoll")
NO_CACHE = {
    "Cache-Control": "no-cache, no-store, must-revalidate",
    "Expires": "Thu, 01 Jan 1970 00:00:01 GMT",
    "X-Content-Type-Options": "nosniff",
}
ALWAYS_NEW = 4
"""Requests that a shape needs to be known, and one more."""


def payloads(answer: Answer) -> list[Any]:
    """Return the messages of a poll."""
    return [envelope.message for envelope in answer.envelopes]


# --- keep ----------------------------------------------------------------------------------------


async def test_keep_1_the_order_of_channels_does_not_matter(node: RunningNode) -> None:
    """A list in any order, over any path of the product's, holds the same messages."""
    before = await node.now(["a"])
    for number, channel in enumerate("abcab"):
        await node.publish(channel, number)
    for mode in POLLS:
        for channels in ("abc", "cba", "bca"):
            assert [0, 1, 2, 3, 4] == payloads(await node.poll(list(channels), before, mode=mode))


async def test_keep_2_members_of_a_message_and_their_kinds(node: RunningNode) -> None:
    """`id` a number, `tag` and `time` texts, the message as it was published."""
    before = await node.now(["a"])
    for message in ({"a": [1, 2.50, None]}, "text", 7):
        await node.publish("a", message)
    lines = (await node.poll(["a"], before)).body.splitlines()
    kinds = {"id": int, "channel": str, "tag": str, "time": str}
    for line in lines:
        members = json.loads(line)
        assert kinds == {name: type(members[name]) for name in kinds}
    assert b'"message":{"a":[1,2.5,null]}' in lines[0]


async def test_keep_3_a_cursor_counts_strictly_after(node: RunningNode) -> None:
    """By arguments or validators, with `W/` or without; tag 0 is the start of the second."""
    stored = [await node.publish("a", number) for number in range(3)]
    time, tag = stored[0].cursor.http_date, stored[0].cursor.tag
    expected = [1, 2]
    for query in (f"tag={tag}&time={quote(time)}", f"tag=W/{tag}&time={quote(time)}"):
        assert expected == payloads(await node.ask(f"/shortpoll/a?{query}"))
    for etag in (f"W/{tag}", str(tag)):
        headers = {"If-None-Match": etag, "If-Modified-Since": time}
        assert expected == payloads(await node.ask("/shortpoll/a", headers))
    second = Cursor(stored[0].cursor.time, 0)
    same = [each.message for each in stored if each.cursor >= second]
    assert same == payloads(await node.poll(["a"], second))


@pytest.mark.jumping
async def test_keep_4_every_answer_of_a_poll_has_both_validators() -> None:
    """200 and 304, short and long, at once and after the hold."""
    async with running_node() as node:
        before = await node.now(["a"])
        assert before <= (await node.poll(["a"], before)).cursor
        assert before <= (await node.poll(["a"], before, mode="longpoll")).cursor
        stored = await node.publish("a", 1)
        for mode in POLLS:
            answer = await node.poll(["a"], before, mode=mode)
            assert 200 == answer.status
            assert stored.cursor <= answer.cursor


async def test_keep_5_a_woken_poll_has_what_there_is(node: RunningNode) -> None:
    """One message or several, never none; a backlog comes in one answer."""
    before = await node.now(["a", "b"])
    async with node.connect() as http, node.connect_internal() as inner:
        await http.send(subscription("longpoll", ["a", "b"], before))
        await eventually(lambda: node.sessions == 1, what="it is held")
        await publish(inner, ["a", "b"], "both")
        answer = await http.answer()
        heard = payloads(answer)
        if len(heard) == 1:
            heard += payloads(await http.ask(subscription("longpoll", ["a", "b"], answer.cursor)))
        assert ["both", "both"] == heard
    assert ["both", "both"] == payloads(await node.poll(["a", "b"], before, mode="longpoll"))


async def test_keep_6_nothing_is_cached_and_refusals_say_why(node: RunningNode) -> None:
    """Every answer has the module's headers, whatever it is and however often it comes."""
    await node.publish("a", 1)
    for target, status in (
        ("/shortpoll/a", 304),
        (subscription("longpoll", ["a"], Cursor(1, 0)), 200),
        ("/eventsource/a", 200),
        ("/stream/a", 200),
        ("/shortpoll/*", 400),
        ("/shortpoll/closed.a", 401),
        ("/nowhere", 404),
    ):
        for _ in range(ALWAYS_NEW):
            async with node.connect() as http:
                await http.send(target)
                head = await http.head()
                assert status == head.status
                assert NO_CACHE == {name: head.headers[name] for name in NO_CACHE}
                assert (status >= 400) == bool(head.headers.get("X-Nginx-PushStream-Explain"))


async def test_keep_7_publishers_read_what_they_did(node: RunningNode) -> None:
    """The answer to a publish and the statistics are the module's JSON."""
    async with node.connect_internal() as http:
        told = await http.ask("/pub?id=a", method="POST", body=b"1")
        wanted = {"channel": "a", "published_messages": 1, "stored_messages": 1, "subscribers": 0}
        assert wanted == json.loads(told.body)
        assert told.body.endswith(b"}\r\n")
        assert wanted == json.loads((await http.ask("/channels-stats?id=a")).body)
        summary = json.loads((await http.ask("/channels-stats")).body)
        assert (1, 1) == (summary["published_messages"], summary["stored_messages"])


# --- change --------------------------------------------------------------------------------------


async def test_change_1_one_authority_issues_the_cursors() -> None:
    """Two nodes over one store, publishing at once, never issue one twice or backwards."""
    store = SharedMemoryStore(wall_clock())
    async with running_node(store) as one, running_node(store) as other:
        before = await one.now(["a"])
        await asyncio.gather(*(node.publish("a", 0) for node in (one, other) * 10))
        cursors = [envelope.cursor for envelope in (await other.poll(["a"], before)).envelopes]
        assert 20 == len(cursors)
        assert sorted(set(cursors)) == cursors


async def test_change_2_history_and_what_comes_meet_without_a_seam(node: RunningNode) -> None:
    """A subscriber that begins while messages pour in gets each once."""
    before = await node.now(["a"])
    publishing = asyncio.create_task(_publish_all(node, 60))
    heard: list[int] = []
    while len(heard) < 60:
        async with node.websocket(["a"], before) as socket:
            envelopes = [await socket.envelope() for _ in range(min(7, 60 - len(heard)))]
        heard += [envelope.message for envelope in envelopes]
        before = envelopes[-1].cursor
    await publishing
    assert list(range(60)) == heard


async def _publish_all(node: RunningNode, count: int) -> None:
    async with node.connect_internal() as http:
        for number in range(count):
            await publish(http, "a", number)


async def test_change_3_history_of_several_channels_is_merged(node: RunningNode) -> None:
    """On every transport the last message carries the newest cursor."""
    before = await node.now(["a", "b"])
    stored = [await node.publish(channel, 0) for channel in "abab"]
    wanted = [message.cursor for message in stored]
    poll = [each.cursor for each in (await node.poll(["b", "a"], before)).envelopes]
    async with node.websocket(["b", "a"], before) as socket:
        frames = [each.cursor for each in await socket.envelopes(4)]
    async with node.events(["b", "a"], before) as stream:
        events = [each.cursor for each in await stream.envelopes(4)]
    assert [wanted] * 3 == [poll, frames, events]


async def test_change_4_a_gap_is_told(node: RunningNode) -> None:
    """On every transport, where the ring no longer holds everything."""
    first = (await node.publish("short.a", 0)).cursor
    for number in range(1, 9):
        await node.publish("short.a", number)
    assert (await node.poll(["short.a"], first)).headers["X-Broker-Gap"]
    async with node.events(["short.a"], first) as stream:
        assert "gap" == (await stream.event()).kind
    async with node.websocket(["short.a"], first, notices="gap") as socket:
        assert -3 == (await socket.envelope()).id


@pytest.mark.jumping
async def test_change_5_first_contact_hands_out_a_cursor() -> None:
    """In every mode, with the first thing that comes, before any message."""
    async with running_node() as node:
        for mode in POLLS:
            assert (await node.poll(["a"], mode=mode)).cursor
        async with node.events(["a"]) as stream:
            assert Cursor.parse(await stream.begun())
        async with node.websocket(["a", "ping"]) as socket:
            assert (await socket.envelope()).cursor
        async with node.connect() as http:
            await http.send("/stream/a")
            await http.head()
            assert json.loads(await http.chunk())["time"]


async def test_change_6_a_304_has_no_body_whatever_is_asked(node: RunningNode) -> None:
    """Validators of any form are a cursor or nothing; the connection stays in step."""
    stored = await node.publish("a", 1)
    date = stored.cursor.http_date
    async with node.connect() as http:
        for etag in (
            f'"{stored.cursor.tag}"',
            f'W/"{stored.cursor.tag}"',
            f"W/{stored.cursor.tag}",
        ):
            headers = {"If-None-Match": etag, "If-Modified-Since": date}
            assert 304 == (await http.ask("/shortpoll/a", headers)).status
        for headers in ({"If-None-Match": "*"}, {"If-None-Match": "W/1"}):
            assert [1] == payloads(await http.ask("/shortpoll/a?tag=0&time=1", headers))
        time = date.replace(" ", "+").replace(",", "%2C")
        assert 304 == (await http.ask(f"/shortpoll/a?tag={stored.cursor.tag}&time={time}")).status


async def test_change_7_a_slow_reader_keeps_its_place(node: RunningNode) -> None:
    """What a stalled connection did not take comes in order once it reads, or on the next one."""
    before = await node.now(["a"])
    async with node.websocket(["a"], before) as socket:
        socket.http.writer.transport.pause_reading()  # type: ignore[attr-defined]
        for number in range(50):
            await node.publish("a", {"n": number, "filler": "x" * 20_000})
        socket.http.writer.transport.resume_reading()  # type: ignore[attr-defined]
        heard = await socket.envelopes(20)
    async with node.websocket(["a"], heard[-1].cursor) as socket:
        heard += await socket.envelopes(30)
    assert list(range(50)) == [envelope.message["n"] for envelope in heard]


async def test_change_8_bodies_and_conditions_do_not_matter(node: RunningNode) -> None:
    """A body is no request, other conditions change nothing, a channel's name no type."""
    await node.publish("x.html", 1)
    async with node.connect() as http:
        smuggled = b"GET /shortpoll/a HTTP/1.1\r\nHost: x\r\n\r\n"
        assert 405 == (await http.ask("/shortpoll/a", method="POST", body=smuggled)).status
        conditions = {"If-Match": '"x"', "If-Unmodified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"}
        answer = await http.ask("/shortpoll/x.html?tag=0&time=1", conditions)
        assert [1] == payloads(answer)
        assert "text/plain; charset=utf-8" == answer.headers["Content-Type"]
        answer = await http.ask("/shortpoll/a?callback=alert(1)//")
        assert 304 == answer.status


async def test_change_9_streams_speak_at_once_and_events_have_ids(node: RunningNode) -> None:
    """Headers come before any message, every event has its cursor, lines stay as they are."""
    async with node.events(["a"]) as stream:
        stored = await node.publish("a", "one\n\ntwo")
        event = await stream.event()
        assert stored.cursor == event.cursor
        assert "one\n\ntwo" == event.envelope.message


async def test_change_10_websockets_keep_to_the_rfc(node: RunningNode) -> None:
    """Early, buffered and interleaved frames are read, payloads and codes echoed."""
    frames = [
        client_frame(TEXT, b"frag", final=False),
        client_frame(PING, b"between"),
        client_frame(CONTINUATION, b"ments"),
        client_frame(PING, b"behind"),
        client_frame(CLOSE, (3000).to_bytes(2)),
    ]
    lines = "".join(f"{name}: {value}\r\n" for name, value in UPGRADE.items())
    head = f"GET /websocket/a HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode()
    for _ in range(ALWAYS_NEW):
        async with node.connect() as http:
            await http.send_bytes(head + b"".join(frames))
            answer = await http.head()
            assert 101 == answer.status
            socket = WebSocket(http, answer)
            for payload in (b"between", b"behind"):
                frame = await socket.frame()
                assert (PONG, payload) == (frame.opcode, frame.payload)
            frame = await socket.frame()
            assert (CLOSE, 3000) == (frame.opcode, frame.code)


async def test_change_11_who_may_is_asked_before_the_upgrade() -> None:
    """No token is 401, no permission 403, too many 429 with a time to come back."""
    async with running_node(max_subject_connections=1) as node:
        stranger, reader = node.token(role="stranger"), node.token(sub="7", role="reader")
        for token, status in (("", 401), ("rubbish", 401), (stranger, 403)):
            answer = await node.ask(subscription("websocket", ["closed.a"], None, token), UPGRADE)
            assert status == answer.status
        async with node.websocket(["closed.a"], None, reader):
            answer = await node.ask(subscription("websocket", ["closed.a"], None, reader), UPGRADE)
            assert 429 == answer.status
            assert 20 <= int(answer.headers["Retry-After"]) <= 30


async def test_change_12_reading_leaves_nothing_behind(node: RunningNode) -> None:
    """No channel is made by a poll, empty names are refused, twice is once."""
    for mode in POLLS:
        for wanted in (f"/{mode}//a", f"/{mode}/a//b", f"/{mode}/", f"/{mode}//"):
            assert 400 == (await node.ask(wanted)).status
    assert 304 == (await node.ask("/shortpoll/never-published")).status
    async with node.connect_internal() as http:
        assert 404 == (await http.ask("/channels-stats?id=never-published")).status
    await node.publish("a", 1)
    assert [1] == payloads(await node.ask("/shortpoll/a/a/a?tag=0&time=1"))


async def test_change_13_history_outlives_a_node() -> None:
    """Another node over the same store has it, each channel as its rule says."""
    store = SharedMemoryStore(wall_clock())
    async with running_node(store) as node:
        before = await node.now(["a"])
        for number in range(8):
            await node.publish(["a", "short.a"], number)
    async with running_node(store) as node:
        assert list(range(8)) == payloads(await node.poll(["a"], before))
        assert list(range(3, 8)) == payloads(await node.poll(["short.a"], before))
