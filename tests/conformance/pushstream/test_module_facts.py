"""Facts of the module behind the contract (dashly-rts.md, 2.4), and where this broker is better."""

from __future__ import annotations

from urllib.parse import quote
import asyncio

import pytest

from broker.core.cursor import Cursor
from tests.support.node import running_node
from tests.support.subscribers import UPGRADE
from tests.support.target import Target, publish
from tests.support.wire import subscription


@pytest.mark.jumping
async def test_time_alone_means_the_end_of_that_second() -> None:
    """`time` without a tag: later seconds only; with `tag=0`: that second as well."""
    async with running_node() as node:
        first = await node.publish("a", "in the second")
        await asyncio.sleep(first.cursor.time + 1.1 - node.clock())
        later = await node.publish("a", "a second later")
        assert first.cursor.time < later.cursor.time
        date = quote(first.cursor.http_date)
        for query, wanted in (
            (f"time={date}", ["a second later"]),
            (f"time={date}&tag=", ["a second later"]),
            (f"time={date}&tag=0", ["in the second", "a second later"]),
            (f"time={date}&tag={first.cursor.tag}", ["a second later"]),
        ):
            answer = await node.ask(f"/shortpoll/a?{query}")
            assert wanted == [envelope.message for envelope in answer.envelopes], query


@pytest.mark.parametrize(
    "time",
    [
        "yesterday",
        "0x10",
        "Sat,%2032%20Nov%202015%2015:51:54%20GMT",
        "%FF%FE",
        "-1",
        "9" * 400,
        "%00",
        "NaN",
    ],
)
async def test_an_unreadable_time_counts_as_absent(target: Target, app: str, time: str) -> None:
    """Such a client is a newcomer: it gets the cursor of now, whatever its tag says."""
    channel, token = f"conversation.{app}", target.operator(app)
    stored = await target.publish(channel, 1)
    for tag in ("1", "", "rubbish"):
        answer = await target.ask(f"/shortpoll/{channel}?auth_token={token}&time={time}&tag={tag}")
        assert 304 == answer.status
        assert stored.cursor <= answer.cursor


async def test_headers_and_body_of_a_poll_agree() -> None:
    """While messages pour in, no header lies before its body, nor beyond what comes next."""
    async with running_node() as node, node.connect() as http, node.connect_internal() as inner:
        answer = await http.ask(subscription("shortpoll", ["a", "b", "c"]))
        stored = []
        heard = []
        for number in range(100):
            publishing = asyncio.create_task(publish(inner, ["a", "b", "c"], number))
            answer = await http.ask(subscription("shortpoll", ["a", "b", "c"], answer.cursor))
            if answer.status == 200:
                heard += [envelope.cursor for envelope in answer.envelopes]
                assert heard[-1] <= answer.cursor  # the store's clock may have gone on since
            stored += [message.cursor for message in await publishing]
        answer = await http.ask(subscription("shortpoll", ["a", "b", "c"], answer.cursor))
        heard += [envelope.cursor for envelope in answer.envelopes] if answer.body else []
        assert stored == heard


@pytest.mark.jumping
async def test_a_long_poll_that_times_out_gets_now() -> None:
    """Its 304 names a place at or after its own, not before what it was told, and loses nothing."""
    async with running_node() as node:
        before = await node.now(["a"])
        answer = await node.poll(["a"], before, mode="longpoll")
        assert 304 == answer.status
        assert before.time + 20 <= answer.cursor.time <= node.clock()
        await node.publish("a", "right after")
        answer = await node.poll(["a"], answer.cursor)
        assert ["right after"] == [envelope.message for envelope in answer.envelopes]


async def test_a_newcomers_short_poll_gets_the_present_head(target: Target, app: str) -> None:
    """Unlike the module's, its 304 carries a cursor: at or after everything stored before."""
    channel, token = f"conversation.{app}", target.operator(app)
    stored = await target.publish(channel, 1)
    answer = await target.poll([channel], None, token)
    assert 304 == answer.status
    assert stored.cursor <= answer.cursor


async def test_refusals_are_explained_in_the_modules_header(target: Target, app: str) -> None:
    """`X-Nginx-PushStream-Explain` says in words what the body says."""
    for wanted in (f"/shortpoll/conversation.{app}", "/longpoll/", "/shortpoll/a*?auth_token=x"):
        answer = await target.ask(wanted)
        assert answer.status in (400, 401)
        assert answer.problem["detail"] == answer.headers["X-Nginx-PushStream-Explain"]


@pytest.mark.parametrize("mode", ["shortpoll", "longpoll", "eventsource", "websocket"])
@pytest.mark.parametrize("name", ["ALL", "a*", "*", "conversation.*"])
async def test_reserved_names_are_refused(target: Target, mode: str, name: str) -> None:
    """The name `ALL` and names with `*` are no channels: 400, also beside good ones."""
    token = target.token(sub="1", channels=["conversation.1"])
    for channels in ([name], ["conversation.1", name]):
        wanted = subscription(mode, channels, None, token)
        answer = await target.ask(wanted, UPGRADE if mode == "websocket" else {})
        assert 400 == answer.status
        assert "channels" == answer.problem["field"]


async def test_a_user_called_b5_is_no_backtrack(target: Target, app: str) -> None:
    """`event.1.b5` is a channel like any other, and its messages carry that name."""
    channel, token = f"event.{app}.b5", target.visitor(app, "b5")
    before = await target.now([channel], token)
    for number in range(8):
        await target.publish(channel, number)
    answer = await target.poll([channel], before, token)
    assert list(range(8)) == [envelope.message for envelope in answer.envelopes]
    assert {channel} == {envelope.channel for envelope in answer.envelopes}
    assert 304 == (await target.poll([channel], None, token)).status


@pytest.mark.parametrize("mode", ["shortpoll", "longpoll"])
async def test_a_cursor_from_the_future_is_taken_for_now(
    target: Target, app: str, mode: str
) -> None:
    """It is clamped, so that what is published next is delivered."""
    channel, token = f"conversation.{app}", target.operator(app)
    await target.publish(channel, "old")
    future = Cursor(4_102_444_800, 7)
    answer = await target.poll([channel], future, token)
    assert 304 == answer.status
    assert answer.cursor < future
    async with target.connect() as http:
        asking = asyncio.create_task(http.ask(subscription(mode, [channel], answer.cursor, token)))
        await target.publish(channel, "new")
        answer = await asking
        if answer.status == 304:
            answer = await target.poll([channel], answer.cursor, token)
        assert ["new"] == [envelope.message for envelope in answer.envelopes]
    async with (
        target.websocket([channel], future, token) as socket,
        target.events([channel], future, token) as stream,
    ):
        await target.publish(channel, "newest")
        assert "newest" == (await socket.envelope()).message
        assert "newest" == (await stream.envelope()).message


async def test_a_payload_that_is_no_json_is_refused(target: Target, app: str) -> None:
    """400, with nothing stored: subscribers would stumble over it (D21)."""
    channel, token = f"conversation.{app}", target.operator(app)
    before = await target.now([channel], token)
    async with target.connect_internal() as http:
        for body in (b"{", b"", b"{'a':1}", b"NaN", b"\xff", b'{"a":1} {"b":2}', b"[1,]"):
            answer = await http.ask(f"/publish/{channel}", method="POST", body=body)
            assert 400 == answer.status, body
            assert answer.problem["detail"]
    await target.settle()
    assert 304 == (await target.poll([channel], before, token)).status
