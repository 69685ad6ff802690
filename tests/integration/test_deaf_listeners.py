"""Announcement connections that answer and carry nothing, or too much; and many tenants' ticks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any
import asyncio

import pytest

from broker.core.cursor import START
from broker.core.errors import StoreUnavailable
from broker.core.revocations import Revocation
from broker.store.address import Address
from broker.store.commands import Commands
from broker.store.options import StoreOptions
from broker.store.redis import RedisStore
from broker.store.wire import Reply, Word
from tests.support.node import running_node
from tests.support.relay import Relay
from tests.support.store_nodes import Connect, Node
from tests.support.stores import CURRENT, StoreServer
from tests.support.target import publish_batch
from tests.support.waiting import PATIENCE, eventually

StartStore = Callable[..., StoreServer]

QUICK = StoreOptions(timeout_s=1.0)


async def ticks(node: Node) -> bool:
    """Tell whether a tick comes."""
    try:
        await node.listener.tick("main", START)
    except StoreUnavailable:
        return False
    return True


async def test_P7_a_connection_that_stayed_with_another_server_is_given_up(
    start_store: StartStore, connect: Connect
) -> None:
    """Behind an address that went over to another server, a node hears that one before long."""
    old, new = start_store(), start_store()
    async with Relay(old.port) as relay:
        node = await connect(f"redis://127.0.0.1:{relay.port}", QUICK)
        await node.publish(b"1")
        await eventually(lambda: node.recorder.bodies == [b"1"])
        relay.lead_to(new.port)
        old.command("CLIENT", "KILL", "TYPE", "normal")  # the old one lives on, and answers pings
        await eventually(lambda: ticks(node), 20, what="ticks come again")
        assert {"interrupted", "resumed"} <= {*map(str, node.recorder.events)}
        await node.publish(b"2")
        await eventually(lambda: node.recorder.bodies == [b"1", b"2"])


async def test_a_slow_tick_costs_no_connection(start_store: StartStore, connect: Connect) -> None:
    """A server that pauses is waited for; the connection is kept."""
    server = start_store()
    node = await connect(server.unix_url, StoreOptions(timeout_s=4.0))
    await node.publish(b"1")
    server.command("CLIENT", "PAUSE", 1200, "ALL")
    assert await ticks(node)
    assert "interrupted" not in node.recorder.events


async def test_P7_a_fault_while_connecting_is_not_the_last_try(
    start_store: StartStore,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whatever goes wrong while a connection is made again, it is tried once more."""
    server = start_store()
    node = await connect(server.unix_url)
    really_connect = Address.connect
    faults = [ValueError("a fault")]

    async def connect_or_fail(self: Address, *arguments: Any) -> Any:
        if faults:
            raise faults.pop()
        return await really_connect(self, *arguments)

    monkeypatch.setattr(Address, "connect", connect_or_fail)
    server.command("CLIENT", "KILL", "TYPE", "pubsub")
    await eventually(lambda: "resumed" in node.recorder.events)
    assert "a fault" in caplog.text
    await node.publish(b"1")
    await eventually(lambda: node.recorder.bodies == [b"1"])


async def test_ticks_of_many_tenants_at_once_all_come(
    start_store: StartStore, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where more tenants tick than stay subscribed, none gives up a tick that is under way."""
    monkeypatch.setattr("broker.store.listener._TICKED_TENANTS", 8)
    server = start_store()
    node = await connect(server.unix_url, QUICK)
    for _ in range(3):
        ticking = (node.listener.tick(f"t{number}", START) for number in range(60))
        assert 60 == len(await asyncio.gather(*ticking))
    await eventually(lambda: len(server.command("PUBSUB", "CHANNELS", "*:tick@0:*")) == 8)


async def test_P9_revocations_may_take_longer_than_a_call(
    start_store: StartStore, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many there are, a node comes up, and comes back, with all of them."""
    server = start_store("--zset-max-listpack-entries", "0")
    node = await connect(server.unix_url, StoreOptions(timeout_s=0.5 * PATIENCE))
    for number in range(40):
        await node.store.revoke(Revocation("main", 4_000_000_000, sub=str(number)))
    really_send = Commands.send

    async def send_slowly(self: Commands, *words: Word, key: str) -> Reply:
        await asyncio.sleep(0.025 * PATIENCE)
        return await really_send(self, *words, key=key)

    monkeypatch.setattr(Commands, "send", send_slowly)
    monkeypatch.setattr("broker.store.revoked._SCAN_MEMBERS", 1)
    await node.listener.watch(node.recorder.revoked)
    assert 40 == len({each.sub for each in node.recorder.revocations})
    node.recorder.revocations.clear()
    server.command("CLIENT", "KILL", "TYPE", "pubsub")
    await eventually(lambda: "resumed" in node.recorder.events, 10)
    assert 40 == len({each.sub for each in node.recorder.revocations})


@pytest.fixture
async def relay(start_store: StartStore) -> AsyncIterator[tuple[StoreServer, Relay]]:
    """Give a server that cuts off who is behind with announcements, and the way there."""
    server = start_store(binary=CURRENT)
    server.command("CONFIG", "SET", "client-output-buffer-limit", "pubsub 262144 0 0")
    async with Relay(server.port) as relay:
        yield server, relay


async def test_P7_who_is_cut_off_for_being_behind_loses_nothing(
    relay: tuple[StoreServer, Relay],
) -> None:
    """A burst beyond the server's buffer for a node closes its connection; it reads the rest."""
    _, way = relay
    count, text = 400, "x" * 2000
    async with (
        running_node(RedisStore(f"redis://127.0.0.1:{way.port}")) as node,
        node.websocket(["news.a"]) as subscriber,
        node.connect_internal() as http,
    ):
        before = way.accepted
        for first in range(0, count, 200):
            numbers = range(first, first + 200)
            await publish_batch(http, [("news.a", {"n": n, "text": text}) for n in numbers])
        got = await subscriber.envelopes(count)
        assert list(range(count)) == [each.message["n"] for each in got]
        assert way.accepted > before
