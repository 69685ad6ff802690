"""Mounts of the internal listener: keys, tenants, new rules, the listener's own paths."""

from __future__ import annotations

from typing import Any
import json
import re

from broker.catalog import Catalog
from broker.core.publisher_mounts import INTERNAL_HEADS
from broker.settings import ApiKey, Secret
from tests.support.node import RunningNode, running_node
from tests.support.wire import Answer, connected

KEYS = (ApiKey("one", Secret("key-of-one"), "one"), ApiKey("two", Secret("key-of-two"), "two"))
CHANNELS = "channels:\n  - {name: '{a}', subscribe: public}\n"


async def ask(
    node: RunningNode, target: str, key: str = "", method: str = "GET", body: bytes | None = None
) -> Answer:
    """Send a request to the internal listener."""
    headers = {"X-Api-Key": key} if key else {}
    async with connected(node.internal) as http:
        return await http.ask(target, headers, method=method, body=body)


async def test_without_a_key_nobody_publishes_or_counts_p9() -> None:
    """Mounts ask for keys like every endpoint of the listener."""
    async with running_node(api_keys=KEYS) as node:
        for target in ("/pub?id=a", "/channels-stats"):
            assert 401 == (await ask(node, target)).status
        assert 401 == (await ask(node, "/pub?id=a", method="POST", body=b"1")).status


async def test_a_key_sees_its_own_tenant_alone_p9() -> None:
    """Channels, messages and subscribers of another tenant are in no number."""
    async with running_node(api_keys=KEYS) as node:
        token = node.token(sub="7", tenant="two")
        async with node.websocket(["a"], None, token):
            assert 200 == (await ask(node, "/pub?id=a", "key-of-one", "POST", b"1")).status
            seen: dict[str, Any] = {}
            for key in ("key-of-one", "key-of-two"):
                told = json.loads((await ask(node, "/channels-stats", key)).body)
                channel = json.loads((await ask(node, "/pub?id=a", key)).body)
                names = ("channels", "published_messages", "subscribers")
                seen[key] = [told[name] for name in names] + [channel["subscribers"]]
        assert {"key-of-one": [1, 1, 0, 0], "key-of-two": [1, 0, 1, 1]} == seen


async def test_only_with_a_key_are_mounts_of_ones_own_described_p9() -> None:
    """`/openapi.json` tells strangers of the usual paths alone; whoever has a key of all."""
    own = "mounts:\n  - standard\n  - {path: /own-paper, mode: publisher}\n"
    async with running_node(api_keys=KEYS, channels=own + CHANNELS) as node:
        told = {key: (await ask(node, "/openapi.json", key)).body for key in ("", "key-of-one")}
        assert all(b'"/pub"' in body for body in told.values())
        assert b"own-paper" not in told[""]
        assert b'"/own-paper/{channels}"' in told["key-of-one"]
        assert b"own-paper" not in (await ask(node, "/openapi.json", "key-of-nobody")).body


async def test_new_rules_bring_new_mounts() -> None:
    """From the next request on, the old ones are gone."""
    async with running_node(channels=CHANNELS) as node:
        assert 200 == (await ask(node, "/channels-stats")).status
        mounts = "mounts:\n  - {path: /numbers, mode: statistics}\n"
        node.node.replace_rules(Catalog.parse(mounts + CHANNELS))
        assert 200 == (await ask(node, "/numbers")).status
        assert b'"/numbers"' in (await ask(node, "/openapi.json")).body
        assert 404 == (await ask(node, "/channels-stats")).status
        assert 404 == (await ask(node, "/pub?id=a")).status


async def test_no_mount_takes_a_path_of_the_listener() -> None:
    """Every first segment that the listener answers is among those that are refused."""
    async with running_node() as node:
        detail = (await ask(node, "/nothing")).problem["detail"]
    heads = set(re.findall(r"(?<=[ ])/([\w.]+)", detail.partition("there is:")[2]))
    assert heads
    assert heads <= INTERNAL_HEADS
