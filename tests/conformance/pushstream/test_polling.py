"""Long and short polling: the hold, the cursor of every answer, what one answer holds."""

from __future__ import annotations

import asyncio

import pytest

from broker.settings import SETTINGS
from tests.support.node import running_node
from tests.support.target import Target, publish_batch
from tests.support.waiting import eventually
from tests.support.wire import subscription

HOLD_S = 25.0
POLLS = ("longpoll", "shortpoll")


@pytest.mark.jumping
async def test_D11_a_long_poll_is_held_25_seconds() -> None:
    """Without a message the answer comes after 25 seconds, and not a byte before."""
    assert SETTINGS["longpoll_timeout_s"].default == HOLD_S
    loop = asyncio.get_running_loop()
    async with running_node() as node, node.connect() as http:
        begin = loop.time()
        answer = await http.ask(subscription("longpoll", ["a"]))
        assert HOLD_S <= loop.time() - begin < HOLD_S + 0.3
        assert 304 == answer.status
        assert 0 == node.sessions


@pytest.mark.jumping
async def test_D11_a_held_poll_is_answered_by_the_first_message() -> None:
    """A message in the 20th second is answered in the 20th second, and the hold ends."""
    loop = asyncio.get_running_loop()
    async with running_node() as node, node.connect() as http:
        begin = loop.time()
        await http.send(subscription("longpoll", ["a"]))
        loop.call_later(20.0, lambda: loop.create_task(node.publish("a", "at last")))
        (envelope,) = (await http.answer()).envelopes
        assert "at last" == envelope.message
        assert 20.0 <= loop.time() - begin < 20.5
        assert 0 == node.sessions


@pytest.mark.slow
async def test_D11_a_long_poll_is_held_25_seconds_on_a_real_clock(target: Target, app: str) -> None:
    """The same on the clock of the machine; what is published then is not missed."""
    channel, token = f"conversation.{app}", target.operator(app)
    loop = asyncio.get_running_loop()
    async with target.connect() as http:
        begin = loop.time()
        await http.send(subscription("longpoll", [channel], None, token))
        async with asyncio.timeout(HOLD_S + 5):
            await http.reader.readuntil(b"304")
        assert HOLD_S - 0.1 <= loop.time() - begin < HOLD_S + 1


@pytest.mark.parametrize("mode", POLLS)
async def test_D44_cursors_are_in_etag_and_last_modified(
    target: Target, app: str, mode: str
) -> None:
    """
    A 200 carries a cursor as `ETag: W/<tag>` and `Last-Modified`.

    It is that of its last message, or of a later second in which nothing has come yet.
    """
    channel, token = f"conversation.{app}", target.operator(app)
    before = await target.now([channel], token)
    await target.publish(channel, 1)
    stored = await target.publish(channel, 2)
    answer = await target.poll([channel], before, token, mode=mode)
    assert f"W/{answer.cursor.tag}" == answer.headers["ETag"]
    assert answer.cursor.http_date == answer.headers["Last-Modified"]
    last = answer.envelopes[-1].cursor
    assert stored.cursor == last
    assert answer.cursor == last or (answer.cursor.time > last.time and answer.cursor.tag == 0)
    assert 304 == (await target.poll([channel], answer.cursor, token)).status


async def test_D44_a_304_has_both_validators_at_first_contact_too(target: Target, app: str) -> None:
    """Newcomers and those who come back get a cursor with every 304, and no body."""
    channel, token = f"conversation.{app}", target.operator(app)
    async with target.connect() as http:
        first = await http.ask(subscription("shortpoll", [channel], None, token))
        second = await http.ask(subscription("shortpoll", [channel], first.cursor, token))
        third = await http.ask(subscription("shortpoll", [channel], second.cursor, token))
    assert [304] * 3 == [first.status, second.status, third.status]
    assert first.cursor <= second.cursor <= third.cursor
    for answer in (first, second, third):
        assert "Content-Type" not in answer.headers
        assert answer.headers.get("Content-Length", "0") == "0"


@pytest.mark.parametrize("mode", POLLS)
async def test_D47_who_sends_the_cursor_each_time_misses_nothing(
    target: Target, app: str, mode: str
) -> None:
    """Publishing between any two polls, and while one is held, loses and repeats nothing."""
    channel, token = f"conversation.{app}", target.operator(app)
    cursor = await target.now([channel], token)
    heard: list[int] = []

    async def publish_all() -> None:
        for number in range(60):
            await target.publish(channel, number)

    publishing = asyncio.create_task(publish_all())
    async with target.connect() as http:
        while len(heard) < 60:
            answer = await http.ask(subscription(mode, [channel], cursor, token))
            if answer.status == 200:
                heard += [envelope.message for envelope in answer.envelopes]
            cursor = answer.cursor
    await publishing
    assert list(range(60)) == heard


async def test_D47_who_sends_no_cursor_misses_what_lies_between(target: Target, app: str) -> None:
    """A poll without values is a newcomer's: what was published before it does not come."""
    channel, token = f"conversation.{app}", target.operator(app)
    await target.publish(channel, "missed")
    answer = await target.poll([channel], None, token)
    assert 304 == answer.status
    await target.publish(channel, "seen")
    answer = await target.poll([channel], answer.cursor, token)
    assert ["seen"] == [envelope.message for envelope in answer.envelopes]


async def test_one_answer_holds_everything_pending(target: Target, app: str) -> None:
    """A poll after 300 messages gets 300 lines, in order, and a cursor behind all of them."""
    channel, token = f"conversation.{app}", target.operator(app)
    before = await target.now([channel], token)
    async with target.connect_internal() as http:
        await publish_batch(http, [(channel, number) for number in range(300)])
    await target.settle()
    answer = await target.poll([channel], before, token)
    assert list(range(300)) == [envelope.message for envelope in answer.envelopes]
    assert 304 == (await target.poll([channel], answer.cursor, token)).status


async def test_an_answer_is_capped_by_bytes_and_the_rest_comes_next() -> None:
    """What goes beyond the cap comes with the next polls, on any number of channels."""
    async with running_node(max_poll_bytes=2000) as node:
        before = await node.now(["a", "b"])
        for number in range(40):
            await node.publish("ab"[number % 2], {"n": number, "pad": "x" * 150})
        answer = await node.poll(["a", "b"], before)
        assert 1000 < len(answer.body) <= 2000
        assert answer.cursor == answer.envelopes[-1].cursor
        heard: list[int] = []
        while answer.status == 200:
            heard += [envelope.message["n"] for envelope in answer.envelopes]
            answer = await node.poll(["a", "b"], answer.cursor)
        assert list(range(40)) == heard


async def test_a_message_larger_than_the_cap_comes_alone() -> None:
    """One message always fits, whatever the cap."""
    async with running_node(max_poll_bytes=1024) as node:
        before = await node.now(["a"])
        for number in range(3):
            await node.publish("a", {"n": number, "pad": "x" * 3000})
        answer = await node.poll(["a"], before)
        assert [0] == [envelope.message["n"] for envelope in answer.envelopes]


async def test_a_client_that_goes_while_waiting_is_forgotten() -> None:
    """Cut, closed and half-closed polls, sockets and streams leave no session behind."""
    async with running_node() as node:
        for mode in ("longpoll", "eventsource"):
            for leave in ("cut", "close", "half"):
                async with node.connect() as http:
                    await http.send(subscription(mode, ["a"]))
                    await eventually(lambda: node.sessions == 1, what="it is attached")
                    if leave == "cut":
                        http.cut()
                    elif leave == "close":
                        http.writer.close()
                    else:
                        http.writer.write_eof()
                    await eventually(lambda: node.sessions == 0, what="it is forgotten")
        async with node.websocket(["a"]) as socket:
            assert 1 == node.sessions
            socket.cut()
            await eventually(lambda: node.sessions == 0, what="it is forgotten")


async def test_a_message_for_a_client_that_has_gone_is_not_lost() -> None:
    """Who leaves while waiting and comes back with its old cursor gets the message."""
    async with running_node() as node:
        before = await node.now(["a"])
        async with node.connect() as http:
            await http.send(subscription("longpoll", ["a"], before))
            await eventually(lambda: node.sessions == 1, what="it is attached")
        await node.publish("a", "while away")
        answer = await node.poll(["a"], before, mode="longpoll")
        assert ["while away"] == [envelope.message for envelope in answer.envelopes]
