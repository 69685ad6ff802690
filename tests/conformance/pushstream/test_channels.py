"""The channels of the contract (D24 to D40): each exists, and is read by whom it concerns."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.node import running_node
from tests.support.target import Target
from tests.support.wire import subscription

OF_AN_APP = {
    "D25": "user_presence_changed.{app}",
    "D26": "conversation.{app}",
    "D28": "conversation_started_user.{app}",
    "D29": "conversation_reply.{app}",
    "D31": "conversation_typing.{app}",
    "D33": "conversation_read.{app}",
    "D35": "conversation_assigned.{app}",
    "D36": "conversation_closed.{app}",
    "D37": "conversation_tag_added.{app}",
    "D38": "conversation_tag_deleted.{app}",
}
"""Channels of a whole app, by requirement."""

OF_A_USER = {
    "D27": "conversation.{app}.{user}",
    "D30": "conversation_reply.{app}.{user}",
    "D32": "conversation_typing.{app}.{user}",
    "D34": "conversation_read.{app}.{user}",
    "D39": "user_props_changed.{app}.{user}",
    "D40": "event.{app}.{user}",
}
"""Channels of one user, by requirement."""

USER = "7"


async def heard(target: Target, channel: str, token: str) -> bool:
    """Tell whether a token hears what is published to a channel."""
    answer = await target.poll([channel], None, token)
    if answer.status == 403:
        assert "channels" == answer.problem["field"]
        return False
    async with target.websocket([channel], answer.cursor, token) as socket:
        stored = await target.publish(channel, {"in": channel})
        envelope = await socket.envelope()
    assert (channel, {"in": channel}) == (envelope.channel, envelope.message)
    assert (stored.id, stored.cursor) == (envelope.id, envelope.cursor)
    return True


@pytest.mark.parametrize("pattern", OF_AN_APP.values(), ids=OF_AN_APP)
async def test_D25_to_D38_channels_of_an_app(target: Target, app: str, pattern: str) -> None:
    """Operators of the app hear the channel; its visitors and other apps' operators do not."""
    channel = pattern.format(app=app)
    assert await heard(target, channel, target.operator(app))
    assert not await heard(target, channel, target.operator(f"{app}0"))
    assert not await heard(target, channel, target.visitor(app, USER))


@pytest.mark.parametrize("pattern", OF_A_USER.values(), ids=OF_A_USER)
async def test_D27_to_D40_channels_of_a_user(target: Target, app: str, pattern: str) -> None:
    """The user and operators of the app hear the channel; other users do not."""
    channel = pattern.format(app=app, user=USER)
    assert await heard(target, channel, target.visitor(app, USER))
    assert await heard(target, channel, target.operator(app))
    assert not await heard(target, channel, target.visitor(app, "8"))
    assert not await heard(target, channel, target.visitor(f"{app}0", USER))


async def test_D24_ping_opens_a_connection(target: Target, app: str) -> None:
    """`ping` says `{"timestamp": <float>}` at once, with a cursor that resumes without loss."""
    channel, token = f"conversation.{app}", target.operator(app)
    async with target.websocket(["ping", channel], None, token) as socket:
        ping = await socket.envelope()
    assert "ping" == ping.channel
    assert ["timestamp"] == list(ping.message)
    assert type(ping.message["timestamp"]) is float
    assert ping.id == int(ping.message["timestamp"])
    await target.publish(channel, "while away")
    answer = await target.poll([channel], ping.cursor, token)
    assert ["while away"] == [envelope.message for envelope in answer.envelopes]


@pytest.mark.jumping
async def test_D24_ping_comes_every_ten_seconds() -> None:
    """On a WebSocket and on an event stream a ping comes at each multiple of ten seconds."""
    async with (
        running_node() as node,
        node.websocket(["ping"]) as socket,
        node.events(["ping"]) as stream,
    ):
        for subscriber in (socket, stream):
            first, *others = [ping.message["timestamp"] for ping in await subscriber.envelopes(7)]
            begun = first // 10 * 10
            for number, timestamp in enumerate(others, 1):
                assert 0 <= timestamp - begun - 10 * number < 0.5


@pytest.mark.jumping
@pytest.mark.parametrize("mode", ["shortpoll", "longpoll"])
async def test_D24_ping_reaches_polls_once_in_ten_seconds(mode: str) -> None:
    """A poller gets one ping for each interval of ten seconds, and none twice."""
    async with running_node() as node, node.connect() as http:
        answer = await http.ask(subscription("shortpoll", ["ping"]))
        assert 304 == answer.status
        pings: list[int] = []
        while len(pings) < 5:
            answer = await http.ask(subscription(mode, ["ping"], answer.cursor))
            if answer.status == 200:
                (ping,) = answer.envelopes
                assert ping.cursor == answer.cursor
                pings.append(int(ping.message["timestamp"]) // 10)
            elif mode == "shortpoll":
                await asyncio.sleep(1.0)
        assert list(range(pings[0], pings[0] + 5)) == pings


async def test_D24_nobody_can_publish_pings(target: Target) -> None:
    """The broker fills the channel itself, and says so to whoever tries."""
    async with target.connect_internal() as http:
        answer = await http.ask("/publish/ping", method="POST", body=b"1")
    assert 403 == answer.status
    assert "channel" == answer.problem["field"]
