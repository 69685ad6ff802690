"""Connections for commands that something on the way has forgotten without a word."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from random import Random
import asyncio

import pytest

from broker.core.cursor import START
from broker.core.errors import StoreUnavailable
from broker.core.message import Draft
from broker.core.ring import Retention
from broker.store.base import Outcome, Publication
from broker.store.options import StoreOptions
from broker.store.redis import RedisStore
from tests.chaos.link import Link
from tests.support.node import RunningNode, running_node
from tests.support.relay import Relay
from tests.support.stores import BINARIES, StoreBinary, StoreServer
from tests.support.target import publish_batch
from tests.support.waiting import PATIENCE, eventually

pytestmark = pytest.mark.several_servers

StartStore = Callable[..., StoreServer]

TENANTS = 8
CHANNEL = "news.a"


@pytest.fixture
async def way(valkey_server: StoreServer) -> AsyncIterator[Link]:
    """Give a way to an empty store."""
    valkey_server.command("FLUSHALL")
    link = Link(valkey_server.port, Random(1))
    await link.open()
    yield link
    await link.close()


@pytest.fixture
async def store(way: Link) -> AsyncIterator[RedisStore]:
    """Give a store behind it, with a connection open for each of some tenants."""
    store = RedisStore(f"redis://127.0.0.1:{way.port}", StoreOptions(timeout_s=1.0 * PATIENCE))
    await store.open()
    await publish_all(store)
    yield store
    await store.close()


async def publish(store: RedisStore, tenant: int) -> list[Outcome]:
    """Publish a message of one tenant."""
    publication = Publication([Draft("a", b"1")], [Retention()])
    return await store.publish(f"t{tenant}", [publication], START)


async def publish_all(store: RedisStore) -> None:
    """Publish a message of each tenant, all at once."""
    assert TENANTS == len(await asyncio.gather(*(publish(store, each) for each in range(TENANTS))))


async def test_a_connection_that_was_idle_for_long_is_not_trusted(
    way: Link, store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that a firewall may have dropped are made anew; no call waits for its deadline."""
    way.half_open()
    monkeypatch.setattr("broker.store.pool._LONGEST_IDLE_S", 0.0)
    await publish_all(store)


async def test_one_connection_that_is_dead_brings_down_those_that_were_idle(
    way: Link, store: RedisStore
) -> None:
    """After the first call that was not answered, none waits for another dead connection."""
    way.half_open()
    with pytest.raises(StoreUnavailable):
        await publish(store, 0)
    await publish_all(store)


@pytest.mark.parametrize("binary", BINARIES, ids=lambda binary: binary.name)
async def test_P7_behind_an_address_that_went_over_the_new_master_is_found(
    start_store: StartStore, binary: StoreBinary
) -> None:
    """A master that became a replica, and keeps its connections, is left by all of ours at once."""
    prompt = ("--repl-diskless-sync-delay", "0")
    old, new = start_store(*prompt, binary=binary), start_store(*prompt, binary=binary)
    async with Relay(old.port) as relay:
        store = RedisStore(f"redis://127.0.0.1:{relay.port}", StoreOptions(timeout_s=5 * PATIENCE))
        async with running_node(store) as node, node.websocket([CHANNEL]) as subscriber:
            new.command("REPLICAOF", "127.0.0.1", old.port)
            await eventually(lambda: new.command("ROLE")[3] == b"connected", 10)
            await publish_all(store)
            await send(node, 1)
            await eventually(lambda: old.command("WAIT", 1, 100), 10)
            relay.lead_to(new.port)
            new.command("REPLICAOF", "NO", "ONE")
            old.command("REPLICAOF", "127.0.0.1", new.port)
            for number in range(2, 10):
                await send(node, number)
            await publish_all(store)
            got = await subscriber.envelopes(9)
            assert [*range(1, 10)] == [each.message["n"] for each in got]
            assert 9 == got[-1].id
            await eventually(lambda: not ours(old))


async def send(node: RunningNode, number: int) -> None:
    """Publish a number."""
    async with node.connect_internal() as http:
        await publish_batch(http, [(CHANNEL, {"n": number})])


def ours(server: StoreServer) -> list[bytes]:
    """Return the connections of brokers that a server has."""
    listed: list[bytes] = server.command("CLIENT", "LIST").splitlines()
    return [line for line in listed if b"cmd=eval" in line or b"sub=0" not in line]
