"""Connection URLs: method, channel list, token, cursor parameters (D1 to D16)."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from urllib.parse import quote
import json

import pytest

from tests.support.subscribers import UPGRADE, event_stream, websocket
from tests.support.target import Target
from tests.support.tls import tls_front
from tests.support.wire import connected, subscription

METHODS = ("longpoll", "shortpoll", "websocket")

KINDS = (
    *("user_presence_changed", "conversation", "conversation_started_user", "conversation_reply"),
    *("conversation_typing", "conversation_read", "conversation_assigned", "conversation_closed"),
    *("conversation_tag_added", "conversation_tag_deleted"),
)
"""The kinds of channels of a whole app."""


async def test_D1_one_service_tells_of_every_activity(target: Target, app: str) -> None:
    """One connection to one service hears of everything that happens in an app."""
    channels = [f"{kind}.{app}" for kind in KINDS]
    async with target.websocket(channels, None, target.operator(app)) as socket:
        for channel in channels:
            await target.publish(channel, {"of": channel})
        heard = [envelope.channel for envelope in await socket.envelopes(len(channels))]
        assert channels == heard


@pytest.mark.parametrize("method", METHODS)
async def test_D2_three_ways_in(target: Target, app: str, method: str) -> None:
    """WebSocket, long polling and short polling bring the same message, byte for byte."""
    channel, token = f"conversation.{app}", target.operator(app)
    before = await target.now([channel], token)
    stored = await target.publish(channel, {"n": 1})
    raw = b'{"id":1,"channel":"%b","message":{"n":1},"tag":"%d","time":"%b"}' % (
        channel.encode(),
        stored.cursor.tag,
        stored.cursor.http_date.encode(),
    )
    if method == "websocket":
        async with target.websocket([channel], before, token) as socket:
            assert raw == await socket.text()
    else:
        assert raw + b"\n" == (await target.poll([channel], before, token, mode=method)).body


async def test_D3_a_client_hears_only_the_channels_it_names(target: Target, app: str) -> None:
    """Messages of other channels, allowed ones included, do not come."""
    named, other = f"conversation.{app}", f"conversation_read.{app}"
    token = target.operator(app)
    before = await target.now([named], token)
    async with target.websocket([named], before, token) as socket:
        await target.publish(other, "not for you")
        await target.publish(named, "for you")
        assert "for you" == (await socket.envelope()).message
    answer = await target.poll([named], before, token)
    assert ["for you"] == [envelope.message for envelope in answer.envelopes]


async def test_D4_one_counter_orders_all_channels_as_in_the_module(
    target: Target, app: str
) -> None:
    """`tag` counts over all channels and restarts in a new second; `id` counts per channel."""
    one, two = f"conversation.{app}", f"conversation_read.{app}"
    stored = [await target.publish(name, name) for name in (one, two, one, two)]
    assert [1, 1, 2, 2] == [message.id for message in stored]
    cursors = [message.cursor for message in stored]
    assert sorted(set(cursors)) == cursors
    for earlier, later in pairwise(cursors):
        assert later.tag > earlier.tag if later.time == earlier.time else later.tag >= 1


async def test_D5_the_websocket_url(target: Target, app: str) -> None:
    """`/websocket/channel1/channel2?auth_token=XXX` opens a WebSocket on both channels."""
    one, two = f"conversation.{app}", f"conversation_read.{app}"
    url = f"/websocket/{one}/{two}?auth_token={target.operator(app)}"
    async with websocket(target.public, url) as socket:
        assert "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" == socket.answer.headers["Sec-WebSocket-Accept"]
        await target.publish(one, 1)
        await target.publish(two, 2)
        assert [(one, 1), (two, 2)] == [
            (envelope.channel, envelope.message) for envelope in await socket.envelopes(2)
        ]


@pytest.mark.parametrize("method", ["longpoll", "shortpoll"], ids=["D6", "D7"])
async def test_D6_D7_the_poll_urls(target: Target, app: str, method: str) -> None:
    """`/longpoll/channel1/channel2?auth_token=XXX`, and the same with `/shortpoll/`."""
    one, two = f"conversation.{app}", f"conversation_read.{app}"
    token = target.operator(app)
    before = await target.now([one, two], token)
    await target.publish(one, 1)
    await target.publish(two, 2)
    validators = {"If-None-Match": f"W/{before.tag}", "If-Modified-Since": before.http_date}
    answer = await target.ask(f"/{method}/{one}/{two}?auth_token={token}", validators)
    found = [(envelope.channel, envelope.message) for envelope in answer.envelopes]
    assert [(one, 1), (two, 2)] == found


async def test_D8_nothing_is_bound_to_a_host(target: Target, app: str) -> None:
    """Any `Host` is answered alike, and no answer names a host."""
    wanted = subscription("shortpoll", [f"conversation.{app}"], None, target.operator(app))
    upgrade = wanted.replace("shortpoll", "websocket")
    for host in ("realtime-services.dashly.app", "rts.example:8443", "[::1]"):
        async with connected(target.public) as http:
            http.host = host
            answer = await http.ask(wanted)
            assert 304 == answer.status
            assert host not in str(answer.headers)
            assert 101 == (await http.ask(upgrade, UPGRADE)).status


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_D9_plain_and_encrypted_schemes(
    target: Target, app: str, scheme: str, tmp_path: Path
) -> None:
    """Polls by http and https, WebSockets by ws and wss, the latter behind a TLS front."""
    channel, token = f"conversation.{app}", target.operator(app)
    before = await target.now([channel], token)
    await target.publish(channel, "hello")
    async with tls_front(target.public, tmp_path) as (secure, trust):
        url = target.public if scheme == "http" else secure
        tls = None if scheme == "http" else trust
        async with connected(url, tls) as http:
            answer = await http.ask(subscription("longpoll", [channel], before, token))
        assert ["hello"] == [envelope.message for envelope in answer.envelopes]
        wanted = subscription("websocket", [channel], before, token)
        async with websocket(url, wanted, tls=tls) as socket:
            assert "hello" == (await socket.envelope()).message


async def test_D10_the_first_segment_chooses_the_method(target: Target, app: str) -> None:
    """The three names work, in lower case only; another one is told what there is."""
    channel, token = f"conversation.{app}", target.operator(app)
    assert 426 == (await target.ask(subscription("websocket", [channel], None, token))).status
    assert 304 == (await target.ask(subscription("shortpoll", [channel], None, token))).status
    before = await target.now([channel], token)
    await target.publish(channel, 1)
    assert 200 == (await target.ask(subscription("longpoll", [channel], before, token))).status
    for wrong in ("longpol", "LONGPOLL", "websockets", "", "poll"):
        answer = await target.ask(subscription(wrong, [channel], None, token))
        assert 404 == answer.status
        assert "path" == answer.problem["field"]
    assert "/longpoll/" == (await target.ask(f"/longpol/{channel}")).problem["nearest"]


async def test_D12_channels_are_separated_by_slashes(target: Target, app: str) -> None:
    """The rest of the path is the list, percent-decoded once; a slash at the end is no name."""
    one, two = f"conversation.{app}.ü ?&", f"conversation_read.{app}.+"
    token = target.operator(app)
    before = await target.now([one, two], token)
    await target.publish(one, 1)
    await target.publish(two, 2)
    query = f"?tag={before.tag}&time={quote(before.http_date)}&auth_token={token}"
    for path in (f"{quote(one)}/{two}", f"{quote(one)}%2F{two}", f"{quote(one)}/{two}/"):
        answer = await target.ask(f"/shortpoll/{path}{query}")
        assert [one, two] == [envelope.channel for envelope in answer.envelopes]


async def test_D13_fifty_channels_and_no_more(target: Target, app: str) -> None:
    """50 channels are served, 51 refused before the upgrade; a name that comes again is one."""
    token = target.operator(app)
    fifty = [f"conversation.{app}.{user}" for user in range(50)]
    before = await target.now(fifty, token)
    await target.publish(fifty[49], "last")
    assert ["last"] == [
        envelope.message
        for envelope in (await target.poll([*fifty, *fifty], before, token)).envelopes
    ]
    for mode in ("websocket", "longpoll", "shortpoll", "eventsource"):
        wanted = subscription(mode, [*fifty, f"conversation.{app}.50"], before, token)
        answer = await target.ask(wanted, UPGRADE if mode == "websocket" else {})
        assert 400 == answer.status
        assert ("channels", 50) == (answer.problem["field"], answer.problem["limit"])


async def test_D14_the_token_is_a_parameter_at_the_end(target: Target, app: str) -> None:
    """`auth_token` is read at the end of the query, and anywhere else in it."""
    channel, token = f"conversation.{app}", target.operator(app)
    for query in (
        f"auth_token={token}",
        f"tag=&time=&auth_token={token}",
        f"auth_token={token}&tag=1",
        f"AUTH_TOKEN={token}",
    ):
        assert 304 == (await target.ask(f"/shortpoll/{channel}?{query}")).status
    assert 401 == (await target.ask(f"/shortpoll/{channel}")).status
    assert 401 == (await target.ask(f"/shortpoll/{channel}?auth_token=")).status


async def test_D15_the_token_of_the_web_api(target: Target, app: str) -> None:
    """A token that somebody else signed with the shared key is believed, sent in any way."""
    channel, token = f"conversation.{app}", target.operator(app, iss="the web api", jti="x", v=2)
    wanted = f"/shortpoll/{channel}"
    for authorization in (f"Token {token}", f"Bearer {token}", f"bearer  {token}"):
        assert 304 == (await target.ask(wanted, {"Authorization": authorization})).status
    for authorization in (f"Basic {token}", token, "Bearer", "Bearer x"):
        assert 401 == (await target.ask(wanted, {"Authorization": authorization})).status


async def test_D16_tag_and_time_are_optional(target: Target, app: str) -> None:
    """Both, one, none, empty ones: every combination is answered, as 2.4 has it."""
    channel, token = f"conversation.{app}", target.operator(app)
    before = await target.now([channel], token)
    stored = (await target.publish(channel, 1)).cursor
    second_before = stored._replace(time=stored.time - 1)
    date = quote(second_before.http_date)

    async def found(query: str) -> int:
        answer = await target.ask(f"/shortpoll/{channel}?{query}&auth_token={token}")
        return len(answer.envelopes) if answer.status == 200 else 0

    assert 1 == await found(f"tag={before.tag}&time={quote(before.http_date)}")
    assert 1 == await found(f"time={date}")
    assert 1 == await found(f"time={date}&tag=")
    assert 0 == await found("tag=1")
    assert 0 == await found("tag=&time=")
    assert 0 == await found("")


async def test_event_streams_by_both_names(target: Target, app: str) -> None:
    """`/eventsource/` and `/sse/` open the same stream."""
    channel, token = f"conversation.{app}", target.operator(app)
    before = await target.now([channel], token)
    await target.publish(channel, "hello")
    for mode in ("eventsource", "sse"):
        async with event_stream(
            target.public, subscription(mode, [channel], before, token)
        ) as stream:
            assert "text/event-stream; charset=utf-8" == stream.answer.headers["Content-Type"]
            assert "hello" == (await stream.envelope()).message
            assert 3000 == stream.retry_ms


async def test_no_refusal_repeats_the_token(target: Target, app: str) -> None:
    """A refusal says what is wrong with a token without showing it (P9)."""
    token = target.operator(app)
    for bad in (token[:-4], f"{token}x", target.operator(app + "0")):
        answer = await target.ask(f"/shortpoll/conversation.{app}?auth_token={bad}")
        assert answer.status in (401, 403)
        shown = json.dumps([list(answer.headers.items()), answer.body.decode()])
        for part in bad.split("."):
            assert part not in shown
