"""The internal listener: who is let in, and what it shows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
import asyncio
import json

import pytest

from broker.settings import ApiKey, ListenAddress, Secret
from broker.store.base import ChannelInfo
from broker.store.memory import MemoryStore
from tests.support.node import RunningNode, running_node
from tests.support.waiting import eventually
from tests.support.wire import Http, connected

CHANNELS = """\
channels:
  - {name: ping, subscribe: public}
  - {name: "short.{id}", history: {messages: 3, age: 1h}, subscribe: public}
  - {name: "chat.{id}", subscribe: public}
"""
KEYS = (ApiKey("any", Secret("key-of-any")), ApiKey("one", Secret("key-of-one"), "one"))


@pytest.fixture
async def node() -> AsyncIterator[RunningNode]:
    """Run a node."""
    async with running_node(channels=CHANNELS) as running:
        yield running


async def ask(http: Http, target: str) -> dict[str, Any]:
    """Return the body of an answer."""
    answer = await http.ask(target)
    assert 200 == answer.status, answer
    assert "application/json" == answer.headers["Content-Type"]
    members: dict[str, Any] = json.loads(answer.body)
    return members


async def publish(http: Http, channel: str, count: int = 1) -> None:
    """Publish numbers from 0."""
    lines = "\n".join(f'{{"channel":"{channel}","message":{n}}}' for n in range(count))
    headers = {"Content-Type": "application/x-ndjson"}
    answer = await http.ask("/publish", headers, method="POST", body=lines.encode())
    assert 200 == answer.status, answer


# --- who is let in ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status", "field"),
    [
        ({}, 401, "Authorization"),
        ({"Authorization": "Bearer key-of-nobody"}, 401, "Authorization"),
        ({"X-Api-Key": "key-of-one", "X-Tenant": "main"}, 403, "X-Tenant"),
        ({"X-Api-Key": "key-of-any", "Origin": "https://evil.example"}, 403, "Origin"),
        ({"X-Api-Key": "key-of-any", "Sec-Fetch-Site": "cross-site"}, 403, "Sec-Fetch-Site"),
        ({"X-Api-Key": "key-of-any"}, 200, None),
        ({"Authorization": "Bearer key-of-one"}, 200, None),
    ],
)
async def test_keys_open_the_listener_p9(
    headers: dict[str, str], status: int, field: str | None
) -> None:
    """With keys, only who has one gets in, and a bound one speaks for its tenant alone."""
    async with running_node(channels=CHANNELS, api_keys=KEYS) as node:
        for target, method in (("/publish/chat.1", "POST"), ("/channels", "GET")):
            async with connected(node.internal) as http:
                answer = await http.ask(target, headers, method=method, body=b"1")
                assert status == answer.status
                if field:
                    assert field == answer.problem["field"]
                if status == 401:
                    assert "Bearer" == answer.headers["WWW-Authenticate"]
        async with connected(node.internal) as http:
            assert 200 == (await http.ask("/healthz")).status
            assert 200 == (await http.ask("/readyz")).status


async def test_a_bound_key_publishes_for_its_tenant_p9() -> None:
    """What a key of one tenant publishes, no other tenant has."""
    one, both = {"X-Api-Key": "key-of-one"}, {"X-Api-Key": "key-of-any"}
    running = running_node(channels=CHANNELS, api_keys=KEYS)
    async with running as node, connected(node.internal) as http:
        await http.ask("/publish/chat.1", one, method="POST", body=b"1")
        for headers, stored in ((one, 1), (both, 0), ({**both, "X-Tenant": "one"}, 1)):
            answer = await http.ask("/channels/chat.1", headers)
            assert stored == json.loads(answer.body)["stored"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
        ("Sec-Fetch-Site", "same-site"),
        ("Host", "evil.example"),
    ],
)
async def test_pages_of_other_sites_cannot_publish_p9(http: Http, name: str, value: str) -> None:
    """A page that has a browser of this machine post is refused, and nothing is stored."""
    if name == "Host":
        http.host = value
    headers = {} if name == "Host" else {name: value}
    answer = await http.ask("/publish/chat.1", headers, method="POST", body=b"1")
    assert (403, name) == (answer.status, answer.problem["field"])
    http.host = "localhost"
    assert 0 == (await ask(http, "/channels/chat.1"))["stored"]


async def test_a_unix_socket_is_served(tmp_path: Path) -> None:
    """On a unix socket the same is answered, under any host."""
    path = tmp_path / "internal.sock"
    async with running_node(channels=CHANNELS, internal=ListenAddress(path=path)):
        http = Http(*await asyncio.open_unix_connection(path), "anything")
        await publish(http, "chat.1")
        assert 1 == (await ask(http, "/channels/chat.1"))["stored"]
        await http.close()


# --- what it shows ------------------------------------------------------------------------


async def test_channels_are_shown(node: RunningNode, http: Http) -> None:
    """A channel shows its last id and cursor, what is kept, its rule and its subscribers."""
    await publish(http, "short.1", 5)
    async with node.websocket(["short.1", "ping"]), node.websocket(["short.1"]):
        await eventually(lambda: node.sessions == 2)
        row = await ask(http, "/channels/short.1")
        assert (2, []) == (row.pop("subscribers"), row.pop("silent"))
        assert 1 == (await ask(http, "/channels/ping"))["subscribers"]
        counts = await ask(http, "/stats")
        assert {"sessions": 2, "feeds": 2, "channels": 1, "tenants": 1} == counts
    page = await ask(http, "/channels/short.1/messages?after=1-1")
    assert page["next"] == row.pop("cursor")
    assert page["gap"] == row.pop("first")
    assert {
        "channel": "short.1",
        "last_id": 5,
        "stored": 3,
        "rule": {
            "pattern": "short.{id}",
            "place": "channels.yaml:3:12",
            "messages": 3,
            "age_s": 3600,
            "max_message_bytes": 65_536,
        },
    } == row


async def test_a_channel_that_has_nothing_is_shown_too(http: Http) -> None:
    """A channel that a rule names exists before its first message; another one does not."""
    row = await ask(http, "/channels/chat.7")
    assert (0, 0, None) == (row["last_id"], row["stored"], row["cursor"])
    answer = await http.ask("/channels/chats.7")
    assert (404, "chat.{id}") == (answer.status, answer.problem["nearest"])
    assert 404 == (await http.ask("/channels/chats.7/messages")).status


async def test_channels_are_listed_by_name(http: Http) -> None:
    """A list is cut at its limit and says so; a prefix is no pattern."""
    for name in ("chat.2", "chat.1", "short.1"):
        await publish(http, name)
    whole = await ask(http, "/channels")
    assert ["chat.1", "chat.2", "short.1"] == [row["channel"] for row in whole["channels"]]
    assert whole["complete"] is True
    page = await ask(http, "/channels?prefix=chat.&limit=1")
    assert (["chat.1"], False) == ([row["channel"] for row in page["channels"]], page["complete"])
    assert [] == (await ask(http, "/channels?prefix=*"))["channels"]


async def test_messages_are_read_in_pages(http: Http) -> None:
    """Pages follow each other without a hole; the last one says that it is."""
    await publish(http, "chat.1", 25)
    read: list[int] = []
    page: dict[str, Any] = {"next": "", "complete": False}
    while not page["complete"]:
        page = await ask(http, f"/channels/chat.1/messages?limit=10&after={page['next']}")
        assert page["gap"] is None
        read += [row["message"] for row in page["messages"]]
    assert list(range(25)) == read
    last = await ask(http, f"/channels/chat.1/messages?after={page['next']}")
    assert [] == last["messages"]
    assert (page["next"], True) == (last["next"], last["complete"])


async def test_a_page_says_what_is_missing_before_it_p3(http: Http) -> None:
    """Where the ring no longer holds everything after the cursor, the page says from where on."""
    await publish(http, "short.1", 5)
    page = await ask(http, "/channels/short.1/messages?after=1-1")
    assert [2, 3, 4] == [row["message"] for row in page["messages"]]
    assert page["gap"] is not None
    following = await ask(http, f"/channels/short.1/messages?after={page['gap']}")
    assert (None, [3, 4]) == (
        following["gap"],
        [row["message"] for row in following["messages"]],
    )


async def test_a_page_is_bounded_in_bytes() -> None:
    """A page holds no more bytes than an answer may, and goes on with the next."""
    running = running_node(channels=CHANNELS, max_poll_bytes=300)
    async with running as node, connected(node.internal) as http:
        await publish(http, "chat.1", 25)
        page = await ask(http, "/channels/chat.1/messages")
        assert not page["complete"]
        assert 1 <= len(page["messages"]) <= 4


async def test_deleting_drops_messages_and_keeps_ids(http: Http) -> None:
    """What a channel held is gone, its ids go on, and who comes back is told."""
    await publish(http, "chat.1", 2)
    cursor = (await ask(http, "/channels/chat.1/messages?limit=1"))["next"]
    answer = await http.ask("/channels/chat.1", method="DELETE")
    assert {"deleted": "chat.1"} == json.loads(answer.body)
    await publish(http, "chat.1")
    page = await ask(http, f"/channels/chat.1/messages?after={cursor}")
    assert [3] == [row["id"] for row in page["messages"]]
    assert page["gap"] is not None
    assert 404 == (await http.ask("/channels/chat.9", method="DELETE")).status


@pytest.mark.jumping
async def test_a_node_without_its_store_is_not_ready() -> None:
    """A store that is silent for longer than probes wait makes the node unready."""

    class Silent(MemoryStore):
        async def info(self, tenant: str, channel: str) -> ChannelInfo | None:
            await asyncio.sleep(2)
            return None

    running = running_node(Silent(), channels=CHANNELS)
    async with running as node, connected(node.internal) as http:
        answer = await http.ask("/readyz")
        assert (503, "1") == (answer.status, answer.headers["Retry-After"])


async def test_a_node_that_drains_is_not_ready(node: RunningNode, http: Http) -> None:
    """A node that is about to stop lives, and is not ready."""
    assert {"status": "ready"} == await ask(http, "/readyz")
    node.node.draining = True
    answer = await http.ask("/readyz")
    assert (503, "urn:broker:error:draining") == (answer.status, answer.problem["type"])
    assert {"status": "alive"} == await ask(http, "/healthz")
