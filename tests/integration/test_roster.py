"""Sessions of several nodes of one store, listed and ended over any of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
import json

import pytest

from tests.support.node import RunningNode, SharedMemoryStore, running_node, wall_clock
from tests.support.subscribers import WebSocket, event_stream, websocket
from tests.support.waiting import eventually
from tests.support.wire import Answer, Http, connected, subscription

CHANNEL = "chat.1"


@pytest.fixture
async def nodes() -> AsyncIterator[list[RunningNode]]:
    """Run two nodes of one store, which know one another."""
    store = SharedMemoryStore(wall_clock())
    async with running_node(store) as one, running_node(store) as other:
        await eventually(lambda: 1 == len(one.node.circle.others))
        yield [one, other]


@pytest.fixture
async def sockets(nodes: list[RunningNode]) -> AsyncIterator[list[WebSocket]]:
    """Subscribe on each of them."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(websocket(node.public, f"/websocket/{CHANNEL}"))
            for node in nodes
        ]


@pytest.fixture
async def http(nodes: list[RunningNode], sockets: list[WebSocket]) -> AsyncIterator[Http]:
    """Connect to the internal listener of the first."""
    assert len(nodes) == len(sockets)
    await eventually(lambda: [1, 1] == [node.sessions for node in nodes])
    async with connected(nodes[0].internal) as connection:
        yield connection


def members(answer: Answer, status: int = 200) -> dict[str, Any]:
    """Return the body of an answer."""
    assert status == answer.status, answer
    read: dict[str, Any] = json.loads(answer.body)
    return read


def names(nodes: list[RunningNode]) -> list[str]:
    """Return what nodes are called."""
    return [each.node.circle.who.node for each in nodes]


async def test_sessions_of_every_node_are_listed(nodes: list[RunningNode], http: Http) -> None:
    """Each with its node; one node's alone where that is asked for."""
    told = members(await http.ask("/sessions"))
    assert sorted(names(nodes)) == sorted(row["node"] for row in told["sessions"])
    assert (True, [], names(nodes)[0]) == (told["complete"], told["silent"], told["node"])
    for name in names(nodes):
        told = members(await http.ask(f"/sessions?node={name}&channel={CHANNEL}"))
        assert [name] == [row["node"] for row in told["sessions"]]
    assert [] == members(await http.ask("/sessions?sub=7"))["sessions"]
    told = members(await http.ask("/sessions?limit=1"))
    assert (1, False) == (len(told["sessions"]), told["complete"])
    assert "nowhere" in members(await http.ask("/sessions?node=nowhere"), 404)["detail"]


async def test_who_is_asked_for_is_found_by_channel_and_subject(
    nodes: list[RunningNode], http: Http
) -> None:
    """Whichever of the two leads to fewer; operators who follow a channel are not among them."""
    token = nodes[1].token(sub="7", role="reader")
    target = subscription("websocket", ["chat.2", "ping"], None, token)
    async with (
        websocket(nodes[1].public, target),
        event_stream(nodes[0].internal, "/channels/chat.2/follow"),
    ):
        await eventually(lambda: 2 == nodes[1].sessions)
        for query in ("channel=chat.2", "channel=ping", "sub=7", "sub=7&channel=chat.2"):
            told = members(await http.ask(f"/sessions?{query}"))
            assert ["7"] == [row["sub"] for row in told["sessions"]], query
        for query in ("sub=7&channel=chat.1", "sub=8", "channel=chat.3"):
            assert [] == members(await http.ask(f"/sessions?{query}"))["sessions"], query


async def test_a_session_of_another_node_is_ended(
    nodes: list[RunningNode], sockets: list[WebSocket], http: Http
) -> None:
    """Its client is told the same as if its own node had been asked."""
    there = names(nodes)[1]
    [row] = members(await http.ask(f"/sessions?node={there}"))["sessions"]
    target = f"/sessions/{row['session']}"
    assert {"ended": row["session"]} == members(await http.ask(target, method="DELETE"))
    goodbye = await sockets[1].closing()
    assert 3503 == goodbye.code
    assert {"cursor": row["cursor"], "retry_after": 1} == json.loads(goodbye.reason)
    gone = members(await http.ask(target, method="DELETE"), 404)
    assert row["session"] in gone["detail"]
    assert "may have ended already" in gone["detail"]
    assert [1, 0] == [node.sessions for node in nodes]


async def test_p9_sessions_of_other_tenants_stay_on_any_node(
    nodes: list[RunningNode], http: Http
) -> None:
    """Whoever speaks for another tenant neither sees them nor ends them."""
    other = {"X-Tenant": "other"}
    assert [] == members(await http.ask("/sessions", other))["sessions"]
    for row in members(await http.ask("/sessions"))["sessions"]:
        target = f"/sessions/{row['session']}"
        assert 404 == (await http.ask(target, other, method="DELETE")).status
    assert [1, 1] == [node.sessions for node in nodes]


async def test_channels_count_subscribers_of_every_node(http: Http) -> None:
    """In the list, and where one is asked for."""
    json_type = {"Content-Type": "application/json"}
    answer = await http.ask(f"/publish/{CHANNEL}", json_type, method="POST", body=b"1")
    assert 200 == answer.status
    told = members(await http.ask("/channels"))
    assert [(CHANNEL, 2)] == [(row["channel"], row["subscribers"]) for row in told["channels"]]
    assert [] == told["silent"]
    told = members(await http.ask(f"/channels/{CHANNEL}"))
    assert (2, []) == (told["subscribers"], told["silent"])
