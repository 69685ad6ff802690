"""Messages as subscribers see them (D17 to D23, D48), byte for byte."""

from __future__ import annotations

from typing import Any
import json
import re

import pytest

from tests.support.target import Target, publish
from tests.support.wire import connected

PAYLOADS = [
    {"body": "hi", "n": [1, 2.5, -3e10, True, None], "deep": {"a": {"b": []}}},
    "a text",
    "line\nfeed, \r return, \u2028 separator, \x7f and \x00",
    "ünïcödé, 中文, \U0001f600",
    [],
    {},
    0,
    -1.5,
    True,
    None,
    "</script>",
    '{"tag":"9","time":"x"}\n{"id":1}',
]


async def test_D17_messages_come_without_a_command(target: Target, app: str) -> None:
    """A client that says nothing after connecting gets what is published, as it is published."""
    channel, token = f"conversation.{app}", target.operator(app)
    async with (
        target.websocket([channel], None, token) as socket,
        target.events([channel], None, token) as stream,
    ):
        for number in (1, 2, 3):
            await target.publish(channel, number)
            assert number == (await socket.envelope()).message
            assert number == (await stream.envelope()).message


async def test_D18_a_message_is_one_compact_object(target: Target, app: str) -> None:
    """Five members in this order, no space, on every transport the very same bytes."""
    channel, token = f"conversation.{app}", target.operator(app)
    before = await target.now([channel], token)
    stored = await target.publish(channel, {"b": 1, "a": [1, 2]})
    time, tag = stored.cursor.http_date, stored.cursor.tag
    wanted = (
        f'{{"id":1,"channel":"{channel}","message":{{"b":1,"a":[1,2]}},'
        f'"tag":"{tag}","time":"{time}"}}'
    ).encode()
    async with target.websocket([channel], before, token) as socket:
        assert wanted == await socket.text()
    async with target.events([channel], before, token) as stream:
        assert wanted == (await stream.event()).data.encode()
    for mode in ("shortpoll", "longpoll"):
        assert wanted + b"\n" == (await target.poll([channel], before, token, mode=mode)).body


async def test_D19_id_counts_in_each_channel_from_one(target: Target, app: str) -> None:
    """`id` is a JSON number, contiguous in its channel whatever happens in others."""
    one, two = f"conversation.{app}", f"conversation_read.{app}"
    token = target.operator(app)
    async with target.websocket([one, two], None, token) as socket:
        for channel in (one, two, two, one, one):
            await target.publish(channel, channel)
        heard = await socket.envelopes(5)
    assert [(one, 1), (two, 1), (two, 2), (one, 2), (one, 3)] == [
        (envelope.channel, envelope.id) for envelope in heard
    ]


async def test_D20_channel_names_where_this_copy_came_from(target: Target, app: str) -> None:
    """A message to two channels comes as two copies, each with its own channel and cursor."""
    names = [f"conversation.{app}", f"conversation.{app}.7"]
    async with target.websocket(names, None, target.operator(app)) as socket:
        await target.publish(names, "both")
        first, second = await socket.envelopes(2)
    assert names == [first.channel, second.channel]
    assert ["both"] * 2 == [first.message, second.message]
    assert first.cursor < second.cursor


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: json.dumps(payload)[:24])
async def test_D21_the_payload_is_embedded_as_json(target: Target, app: str, payload: Any) -> None:
    """Any JSON value comes back as itself, never as a text that holds JSON."""
    channel, token = f"conversation.{app}", target.operator(app)
    before = await target.now([channel], token)
    await target.publish(channel, payload)
    (envelope,) = (await target.poll([channel], before, token)).envelopes
    assert payload == envelope.message
    assert type(payload) is type(envelope.message)


async def test_D21_a_pretty_payload_is_stored_compact(target: Target, app: str) -> None:
    """Line feeds between members are dropped, so that a message never spans two lines."""
    channel, token = f"conversation.{app}", target.operator(app)
    before = await target.now([channel], token)
    async with connected(target.internal) as http:
        body = b'{\n  "b": [1,\r\n 2],\t"a": "x  y"\n}\n'
        answer = await http.ask(f"/publish/{channel}", method="POST", body=body)
        assert 200 == answer.status
    await target.settle()
    answer = await target.poll([channel], before, token)
    assert b'"message":{"b":[1,2],"a":"x  y"},' in answer.body
    assert 1 == answer.body.count(b"\n")


async def test_D22_tag_and_time_are_strings(target: Target, app: str) -> None:
    """`tag` is a string of digits, `time` a string with an HTTP date in GMT."""
    channel, token = f"conversation.{app}", target.operator(app)
    before = await target.now([channel], token)
    stored = await target.publish(channel, 1)
    answer = await target.poll([channel], before, token)
    members = json.loads(answer.body)
    assert str(stored.cursor.tag) == members["tag"]
    day, month = (
        "(Mon|Tue|Wed|Thu|Fri|Sat|Sun)",
        "(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)",
    )
    date = rf"{day}, \d\d {month} \d{{4}} \d\d:\d\d:\d\d GMT"
    assert re.fullmatch(date, members["time"])


async def test_D23_tag_and_time_are_there_to_reconnect(target: Target, app: str) -> None:
    """Whoever comes back with those of any message gets what follows it, and only that."""
    channel, token = f"conversation.{app}", target.operator(app)
    stored = [await target.publish(channel, number) for number in range(10)]
    for number, message in enumerate(stored[:-1]):
        answer = await target.poll([channel], message.cursor, token)
        heard = [envelope.message for envelope in answer.envelopes]
        assert list(range(number + 1, 10)) == heard
    assert 304 == (await target.poll([channel], stored[-1].cursor, token)).status


@pytest.mark.parametrize("mode", ["shortpoll", "longpoll"])
async def test_D48_a_line_feed_ends_each_message(target: Target, app: str, mode: str) -> None:
    """A body is JSON objects, each ended by a line feed; with one message, one object and one."""
    channel, token = f"conversation.{app}", target.operator(app)
    before = await target.now([channel], token)
    for count, payload in enumerate(PAYLOADS, 1):
        await target.publish(channel, payload)
        body = (await target.poll([channel], before, token, mode=mode)).body
        assert body.endswith(b"}\n")
        pieces = body.split(b"\n")
        assert b"" == pieces.pop()
        assert PAYLOADS[:count] == [json.loads(piece)["message"] for piece in pieces]
        if count == 1:
            assert 1 == json.loads(body)["id"]


async def test_messages_of_one_request_keep_their_order(target: Target, app: str) -> None:
    """Several channels in one body come merged by cursor, not channel after channel."""
    names = [f"conversation.{app}", f"conversation_read.{app}", f"conversation_closed.{app}"]
    token = target.operator(app)
    before = await target.now(names, token)
    async with connected(target.internal) as http:
        for number in range(30):
            await publish(http, names[(number * 7) % 3], number)
    await target.settle()
    answer = await target.poll(names, before, token)
    assert list(range(30)) == [envelope.message for envelope in answer.envelopes]
    assert answer.cursor == answer.envelopes[-1].cursor
