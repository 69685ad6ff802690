"""Connections for commands that something on the way has forgotten without a word."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from random import Random
from time import monotonic
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
from tests.support.stores import StoreServer
from tests.support.waiting import PATIENCE

StartStore = Callable[..., StoreServer]

TENANTS = 8


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
    began = monotonic()
    await publish_all(store)
    assert monotonic() - began < 0.5 * PATIENCE


async def test_one_connection_that_is_dead_brings_down_those_that_were_idle(
    way: Link, store: RedisStore
) -> None:
    """After the first call that was not answered, none waits for another dead connection."""
    way.half_open()
    with pytest.raises(StoreUnavailable):
        await publish(store, 0)
    await publish_all(store)
