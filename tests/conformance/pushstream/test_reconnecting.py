"""Reconnection (D41 to D46, D49): any transport, any spelling of the cursor, nothing lost."""

from __future__ import annotations

from urllib.parse import quote, quote_plus
import itertools
import json

import pytest

from broker.core.cursor import Cursor
from broker.store.options import StoreOptions
from broker.store.redis import RedisStore
from tests.support.node import running_node
from tests.support.stores import StoreServer
from tests.support.subscribers import UPGRADE, subscribe_events
from tests.support.target import Target
from tests.support.waiting import eventually
from tests.support.wire import Answer, subscription

TRANSPORTS = ("websocket", "longpoll", "shortpoll", "eventsource")


async def read_some(
    target: Target, transport: str, channels: list[str], cursor: Cursor, token: str
) -> list[tuple[str, object, Cursor]]:
    """Read at least one pending message on a transport, then cut the connection."""
    if transport == "websocket":
        async with target.websocket(channels, cursor, token) as socket:
            heard = [await socket.envelope()]
    elif transport == "eventsource":
        async with target.events(channels, cursor, token) as stream:
            heard = [await stream.envelope()]
    else:
        heard = (await target.poll(channels, cursor, token, mode=transport)).envelopes
    return [(envelope.channel, envelope.message, envelope.cursor) for envelope in heard]


@pytest.mark.parametrize("order", list(itertools.permutations(TRANSPORTS, 2)), ids="-".join)
async def test_D41_who_is_cut_off_goes_on_by_any_transport(
    target: Target, app: str, order: tuple[str, str]
) -> None:
    """A connection that breaks is taken up on any other transport, with the same cursor (P1)."""
    channels, token = [f"conversation.{app}", f"conversation_read.{app}"], target.operator(app)
    cursor = await target.now(channels, token)
    for number in range(12):
        await target.publish(channels[number % 2], number)
    heard: list[object] = []
    for transport in itertools.cycle(order):
        if len(heard) >= 12:
            break
        some = await read_some(target, transport, channels, cursor, token)
        heard += [message for _, message, _ in some]
        cursor = some[-1][2]
    assert list(range(12)) == heard


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_D42_messages_of_the_absence_are_not_lost(
    target: Target, app: str, transport: str
) -> None:
    """What was published while a client was away comes first when it is back."""
    channel, token = f"conversation.{app}", target.operator(app)
    async with target.websocket([channel], None, token) as socket:
        await target.publish(channel, "before")
        cursor = (await socket.envelope()).cursor
    await target.publish(channel, "while away")
    ((_, message, _),) = await read_some(target, transport, [channel], cursor, token)
    assert "while away" == message


async def test_D43_a_websocket_resumes_from_its_last_message(target: Target, app: str) -> None:
    """Cut after every single message, a client hears each of them once."""
    channel, token = f"conversation.{app}", target.operator(app)
    cursor = await target.now([channel], token)
    for number in range(15):
        await target.publish(channel, number)
    for number in range(15):
        async with target.websocket([channel], cursor, token) as socket:
            envelope = await socket.envelope()
            assert number == envelope.message
            cursor = envelope.cursor


async def test_D45_the_next_request_carries_both_values(target: Target, app: str) -> None:
    """`&tag=21&time=Sat%2C%2014%20Nov%202015%2015%3A51%3A54%20GMT`, as the document shows it."""
    channel, token = f"conversation.{app}", target.operator(app)
    cursor = (await target.publish(channel, "before")).cursor
    await target.publish(channel, "after")
    date = cursor.http_date.replace(",", "%2C").replace(" ", "%20").replace(":", "%3A")
    answer = await target.ask(
        f"/longpoll/{channel}?auth_token={token}&tag={cursor.tag}&time={date}"
    )
    assert ["after"] == [envelope.message for envelope in answer.envelopes]
    old = await target.ask(
        f"/shortpoll/{channel}?auth_token={token}"
        "&tag=21&time=Sat%2C%2014%20Nov%202015%2015%3A51%3A54%20GMT"
    )
    assert ["before", "after"] == [envelope.message for envelope in old.envelopes]


def spellings(cursor: Cursor) -> list[str]:
    """Return every way in which clients are known to write a cursor into a query."""
    date = cursor.http_date
    tags = [str(cursor.tag), f"W/{cursor.tag}", f'"{cursor.tag}"', f'W/"{cursor.tag}"']
    tags += [quote(tag, safe="") for tag in tags]
    dates = [quote(date, safe=""), quote(date), quote_plus(date), quote(date).lower()]
    dates += [quote(date, safe=",:"), quote_plus(date, safe=",:"), str(cursor.time)]
    queries = [f"tag={tag}&time={dates[0]}" for tag in tags]
    queries += [f"time={when}&tag={tags[0]}" for when in dates]
    queries += [f"TIME={dates[0]}&Tag={tags[0]}", f"time={dates[0]}&tag={tags[0]}&tag=99&time=x"]
    return list(dict.fromkeys(queries))


async def test_D46_every_spelling_of_the_values_is_decoded(target: Target, app: str) -> None:
    """Encoded or not, quoted or not, weak or not: the same place."""
    channel, token = f"conversation.{app}", target.operator(app)
    stored = [await target.publish(channel, number) for number in range(5)]
    for message in stored:
        for query in spellings(message.cursor):
            answer = await target.ask(f"/shortpoll/{channel}?{query}&auth_token={token}")
            heard = (
                [envelope.message for envelope in answer.envelopes]
                if answer.status == 200
                else [answer.status]
            )
            wanted = list(range(message.message + 1, 5)) or [304]
            assert wanted == heard, query


async def test_D46_validators_carry_a_cursor_as_well(target: Target, app: str) -> None:
    """`If-None-Match` and `If-Modified-Since` do what `tag` and `time` do, and come second."""
    channel, token = f"conversation.{app}", target.operator(app)
    stored = [await target.publish(channel, number) for number in range(4)]
    cursor = stored[1].cursor
    wanted = subscription("shortpoll", [channel], None, token)
    for tag in (f"W/{cursor.tag}", str(cursor.tag), f'"{cursor.tag}"', f'W/"{cursor.tag}"'):
        headers = {"If-None-Match": tag, "If-Modified-Since": cursor.http_date}
        heard = (await target.ask(wanted, headers)).envelopes
        assert [2, 3] == [envelope.message for envelope in heard]
        with_query = subscription("shortpoll", [channel], stored[2].cursor, token)
        heard = (await target.ask(with_query, headers)).envelopes
        assert [3] == [envelope.message for envelope in heard]


async def test_a_tag_alone_is_no_cursor_and_never_a_condition(target: Target, app: str) -> None:
    """`If-None-Match` alone, or with `*`, is neither a cursor nor a reason to say 304 (2.4)."""
    channel, token = f"conversation.{app}", target.operator(app)
    before = await target.now([channel], token)
    stored = await target.publish(channel, 1)
    for tag in (f"W/{stored.cursor.tag}", "*", '"a", "b"'):
        answer = await target.ask(
            subscription("shortpoll", [channel], before, token), {"If-None-Match": tag}
        )
        assert [1] == [envelope.message for envelope in answer.envelopes]
        fresh = await target.ask(
            subscription("shortpoll", [channel], None, token), {"If-None-Match": tag}
        )
        assert 304 == fresh.status
        assert stored.cursor <= fresh.cursor


async def test_P2_an_event_stream_that_heard_nothing_comes_back_for_what_it_missed(
    target: Target, app: str
) -> None:
    """A browser that is cut off before its first event knows its place all the same."""
    channel, token = f"conversation.{app}", target.operator(app)
    await target.publish(channel, "before")
    async with target.events([channel], None, token) as stream:
        place = await stream.begun()
    await target.publish(channel, "missed")
    wanted = subscription("eventsource", [channel], None, token)
    async with target.connect() as http:
        stream = await subscribe_events(http, wanted, {"Last-Event-ID": place})
        assert "missed" == (await stream.envelope()).message


async def test_P2_an_event_stream_whose_url_is_ahead_comes_back_for_what_it_missed(
    target: Target, app: str
) -> None:
    """A page whose clock is ahead repeats a URL from the future: its last event counts."""
    channel, token = f"conversation.{app}", target.operator(app)
    future = Cursor(4_102_444_800, 0)
    async with target.events([channel], future, token) as stream:
        await target.publish(channel, "heard")
        assert "heard" == (await stream.envelope()).message
        place = stream.last_event_id
    await target.publish(channel, "missed")
    wanted = subscription("eventsource", [channel], future, token)
    async with target.connect() as http:
        stream = await subscribe_events(http, wanted, {"Last-Event-ID": place})
        assert "missed" == (await stream.envelope()).message


async def test_event_streams_resume_from_last_event_id(target: Target, app: str) -> None:
    """`Last-Event-ID: <time>-<tag>` is a cursor on every transport; on polls the query wins."""
    channel, token = f"conversation.{app}", target.operator(app)
    stored = [await target.publish(channel, number) for number in range(4)]
    headers = {"Last-Event-ID": str(stored[2].cursor)}
    for mode in ("shortpoll", "longpoll"):
        answer = await target.ask(subscription(mode, [channel], None, token), headers)
        assert [3] == [envelope.message for envelope in answer.envelopes]
        answer = await target.ask(subscription(mode, [channel], stored[0].cursor, token), headers)
        assert [1, 2, 3] == [envelope.message for envelope in answer.envelopes]
    async with target.connect() as http:
        await http.send(subscription("eventsource", [channel], None, token), headers)
        assert 200 == (await http.head()).status
        data = b""
        while b"\ndata: " not in data:
            data += await http.chunk()
        assert b"id: %d-%d\n" % stored[3].cursor in data
    for rubbish in ("", "x", "1-", "99999999999999999999-1", "-1-1"):
        answer = await target.ask(
            subscription("shortpoll", [channel], None, token), {"Last-Event-ID": rubbish}
        )
        assert 304 == answer.status


async def test_D49_a_failure_asks_for_20_to_30_seconds(valkey_server: StoreServer) -> None:
    """While the store does not answer, newcomers get 503 and a `Retry-After` from 20 to 30."""
    store = RedisStore(valkey_server.unix_url, StoreOptions(timeout_s=0.3))
    async with running_node(store, store_timeout_s=0.3) as node:
        before = await node.now(["a"])
        valkey_server.freeze()
        try:
            answers: list[Answer] = []
            for mode in ("longpoll", "shortpoll", "eventsource"):
                answers.append(await node.ask(subscription(mode, ["b"])))
                answers.append(await node.ask(subscription(mode, ["b"], before)))
            answers.append(await node.ask(subscription("websocket", ["b"]), UPGRADE))
        finally:
            valkey_server.thaw()
    for answer in answers:
        assert 503 == answer.status
        assert 20 <= int(answer.headers["Retry-After"]) <= 30
        assert "store-unavailable" in answer.problem["type"]
    assert len({answer.headers["Retry-After"] for answer in answers}) > 1


async def test_D49_a_stopping_node_says_when_to_come_back() -> None:
    """Every subscriber of a node that stops is told its cursor and 20 to 30 seconds."""
    async with running_node() as node, node.connect() as http:
        before = await node.now(["a"])
        await http.send(subscription("longpoll", ["a"], before))
        async with node.websocket(["a"], before) as socket, node.events(["a"], before) as stream:
            await eventually(lambda: node.sessions == 3, what="all are attached")
            await node.node.stop()
            answer = await http.answer()
            assert 503 == answer.status
            assert 20 <= int(answer.headers["Retry-After"]) <= 30
            assert before <= answer.cursor
            frame = await socket.closing()
            assert 3503 == frame.code
            told = json.loads(frame.reason)
            assert 20 <= told["retry_after"] <= 30
            assert str(answer.cursor) == told["cursor"]
            event = await stream.event()
            assert ("close", 503) == (event.kind, event.told["status"])
            assert 20_000 <= (stream.retry_ms or 0) <= 30_000
