"""Statistics of several nodes over one store, and events of channels."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from typing import Any
import asyncio
import json

import pytest

from broker.store.redis import RedisStore
from tests.support.node import RunningNode, running_node
from tests.support.waiting import eventually
from tests.support.wire import Http, connected, subscription

NAME = "statistics"
"""What the names of these tests' channels begin with: the store is shared."""


@pytest.fixture
async def nodes(store_url: str) -> AsyncIterator[Sequence[RunningNode]]:
    """Run two nodes over one real store."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(running_node(RedisStore(store_url))) for _ in "ab"]


async def ask(node: RunningNode, target: str, method: str = "GET", body: bytes = b"") -> Any:
    """Return what the internal listener answers, read as JSON."""
    async with connected(node.internal) as http:
        answer = await http.ask(target, {}, method=method, body=body)
    assert 200 == answer.status, answer
    return json.loads(answer.body) if answer.body else None


async def test_every_node_counts_the_subscribers_of_all(nodes: Sequence[RunningNode]) -> None:
    """Whichever node is asked, by id, by prefix, in a summary or after a publish."""
    channel = f"{NAME}.everyone"
    async with AsyncExitStack() as stack:
        for count, node in enumerate(nodes, 1):
            for _ in range(count):
                await stack.enter_async_context(node.websocket([channel]))
        for node in nodes:
            told = await ask(node, f"/channels-stats?id={channel}")
            assert 3 == told["subscribers"]
            group = await ask(node, f"/channels-stats?id={NAME}.every*")
            assert [channel] == [row["channel"] for row in group["infos"]]
            assert 3 == group["infos"][0]["subscribers"]
            summary = await ask(node, "/channels-stats")
            assert 3 == summary["subscribers"]
            assert [1, 2] == sorted(worker["subscribers"] for worker in summary["by_worker"])
            published = await ask(node, f"/pub?id={channel}", "POST", b"1")
            assert 3 == published["subscribers"]
        alone = await ask(nodes[0], f"/channels-stats?id={channel}&scope=node")
        assert 1 == alone["subscribers"]


async def test_a_node_that_stopped_is_not_counted(store_url: str) -> None:
    """Its subscribers went with it, and nobody waits for its answer."""
    async with running_node(RedisStore(store_url)) as one:
        async with running_node(RedisStore(store_url)) as other, other.websocket(["gone"]):
            assert 2 == len((await ask(one, "/channels-stats"))["by_worker"])
        assert 1 == len((await ask(one, "/channels-stats"))["by_worker"])


async def events(http: Http, channel: str) -> list[dict[str, str]]:
    """Return the events that were told so far."""
    answer = await http.ask(f"/channels/{channel}/messages")
    return [row["message"] for row in json.loads(answer.body)["messages"]]


@pytest.mark.jumping
async def test_events_tell_what_happens_to_channels() -> None:
    """A channel that begins, a subscriber that comes and goes, a deletion; in that order."""
    running = running_node(events_channel="happenings")
    async with running as node, connected(node.internal) as http:
        await node.publish("a", 1)
        await node.publish("a", 2)
        async with node.websocket(["a", "ping"]):
            pass
        await eventually(lambda: not node.sessions)
        await ask(node, "/pub?id=a", "DELETE")
        wanted = [
            {"type": "channel_created", "channel": "a"},
            {"type": "client_subscribed", "channel": "a"},
            {"type": "client_unsubscribed", "channel": "a"},
            {"type": "channel_destroyed", "channel": "a"},
        ]

        async def told() -> list[dict[str, str]]:
            found = await events(http, "happenings")
            return found if len(found) >= len(wanted) else []

        assert wanted == await eventually(told)


@pytest.mark.jumping
async def test_events_are_not_told_of_themselves() -> None:
    """Who listens to events makes none; they carry their type."""
    async with (
        running_node(events_channel="happenings") as node,
        node.events(["happenings"]) as listening,
    ):
        await node.publish("b", 1)
        event = await listening.event()
        assert "channel_created" == event.kind
        assert {"type": "channel_created", "channel": "b"} == event.envelope.message
        await asyncio.sleep(1)
        async with connected(node.internal) as http:
            assert 1 == len(await events(http, "happenings"))


@pytest.mark.parametrize("target", ["/pub?id=happenings", "/publish/happenings"])
async def test_nobody_else_publishes_events(target: str) -> None:
    """Publishing to the channel of events is refused."""
    async with running_node(events_channel="happenings") as node, connected(node.internal) as http:
        answer = await http.ask(target, {}, method="POST", body=b"1")
        assert 403 == answer.status
        assert "events_channel" == answer.problem["setting"]


async def test_without_the_setting_no_events_are_told() -> None:
    """By default nothing is written but what publishers write."""
    async with running_node() as node, connected(node.internal) as http:
        await node.publish("a", 1)
        async with node.websocket(["a"]):
            pass
        await node.ask(subscription("shortpoll", ["a"]))
        answer = await http.ask("/channels")
        assert ["a"] == [row["channel"] for row in json.loads(answer.body)["channels"]]
