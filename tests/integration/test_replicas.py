"""Waiting for replicas (`store_replicas`): accepted means that they have it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import monotonic
import asyncio

import pytest

from broker.core.cursor import START
from broker.core.errors import StoreUnavailable
from broker.core.message import Draft
from broker.core.revocations import Revocation
from broker.core.ring import Retention
from broker.store.base import Outcome, Publication, Stored
from broker.store.options import StoreOptions
from broker.store.redis import RedisStore
from tests.support.store_nodes import Connect, Node
from tests.support.stores import EMBEDDED, StoreServer
from tests.support.waiting import PATIENCE, eventually

pytestmark = pytest.mark.several_servers

OPTIONS = StoreOptions(timeout_s=1, replicas=1)
KEYED = Publication([Draft("a", b"1")], [Retention(10, 3600)], idempotency_key="k", fingerprint="f")

StartStore = Callable[..., StoreServer]


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[StoreServer, StoreServer]]:
    """Give a master and its replica."""
    prompt = ("--repl-diskless-sync-delay", "0")
    master = StoreServer(EMBEDDED, *prompt)
    replica = StoreServer(EMBEDDED, "--replicaof", "127.0.0.1", str(master.port), *prompt)
    try:
        for server in (master, replica):
            server.start()
        yield master, replica
    finally:
        for server in (replica, master):
            server.close()


@pytest.fixture
async def pair(servers: tuple[StoreServer, StoreServer]) -> tuple[StoreServer, StoreServer]:
    """Give them empty and in step, whatever the test before did to them."""
    master, replica = servers
    master.command("REPLICAOF", "NO", "ONE")
    master.command("CONFIG", "SET", "min-replicas-to-write", "0")
    let_follow(master)
    master.command("FLUSHALL")
    await eventually(lambda: b"connected" == replica.command("ROLE")[3], 10)
    await eventually(lambda: 1 == master.command("WAIT", 1, 100), 10)
    return master, replica


def cut_off(master: StoreServer) -> None:
    """Let no replica follow the master."""
    master.command("ACL", "SETUSER", "default", "-psync", "-sync")
    master.command("CLIENT", "KILL", "TYPE", "replica")


def let_follow(master: StoreServer) -> None:
    """Let replicas follow again."""
    master.command("ACL", "SETUSER", "default", "+psync", "+sync")


async def publish(node: Node) -> Outcome:
    """Publish what has an idempotency key."""
    (outcome,) = await node.store.publish("main", [KEYED], START)
    return outcome


async def test_p6_what_is_accepted_is_on_the_replica(
    pair: tuple[StoreServer, StoreServer], connect: Connect
) -> None:
    """Whenever a publish is answered, the replica has the message already."""
    master, replica = pair
    node = await connect(master.unix_url, StoreOptions(replicas=1))
    for number in range(1, 51):
        await node.publish(b"%d" % number)
        assert number == replica.command("XLEN", "broker:{main}:ring:a")
    await node.listener.tick("main", START)
    assert 50 == len(node.recorder.messages)


async def test_p6_without_the_replica_nothing_is_accepted(
    pair: tuple[StoreServer, StoreServer], connect: Connect
) -> None:
    """What no replica takes is refused in time, as often as it is sent, and then taken once."""
    master, _ = pair
    node = await connect(master.unix_url, OPTIONS)
    cut_off(master)
    for _ in range(2):
        began = monotonic()
        with pytest.raises(StoreUnavailable, match="only 0 of 1 replicas"):
            await publish(node)
        assert monotonic() - began < 2 * PATIENCE
    with pytest.raises(StoreUnavailable, match="only 0 of 1 replicas"):
        await node.store.revoke(Revocation("main", 4_000_000_000, sub="7"))
    let_follow(master)
    outcome = await eventually(lambda: taken(node), 10)
    assert outcome is not None
    assert outcome.repeated
    assert [1] == [stamp.id for stamp in outcome.stamps]
    assert [b"1"] == await node.bodies()


async def taken(node: Node) -> Stored | None:
    """Publish; return what became of it, if it was accepted."""
    try:
        outcome = await publish(node)
    except StoreUnavailable:
        return None
    assert isinstance(outcome, Stored)
    return outcome


async def test_p6_a_retry_on_another_connection_waits_as_well(
    pair: tuple[StoreServer, StoreServer], connect: Connect
) -> None:
    """An answer that is known already is not given before the replica has what it stands for."""
    master, replica = pair
    careless = await connect(master.unix_url)
    node = await connect(master.unix_url, OPTIONS)
    cut_off(master)
    assert isinstance(await publish(careless), Stored)
    # The first answer is known, and this connection wrote nothing yet.
    with pytest.raises(StoreUnavailable, match="only 0 of 1 replicas"):
        await publish(node)
    let_follow(master)
    outcome = await eventually(lambda: taken(node), 10)
    assert outcome is not None
    assert outcome.repeated
    assert 1 == replica.command("XLEN", "broker:{main}:ring:a")


async def test_too_few_replicas_are_warned_of(
    start_store: StartStore, caplog: pytest.LogCaptureFixture
) -> None:
    """A store that has fewer replicas than are waited for is named at start."""
    store = RedisStore(start_store().unix_url, OPTIONS)
    await store.open()
    assert "has 0 replicas" in caplog.text
    await store.close()


async def test_a_replica_is_not_taken_for_the_store(
    pair: tuple[StoreServer, StoreServer],
) -> None:
    """An address that leads to a replica is refused in time, for what it answers may be old."""
    store = RedisStore(pair[1].unix_url, StoreOptions(timeout_s=0.3))
    with pytest.raises(StoreUnavailable, match="is a replica"):
        await store.open()
    await store.close()


async def test_p7_behind_one_address_the_next_master_is_found(
    pair: tuple[StoreServer, StoreServer], connect: Connect
) -> None:
    """A master that becomes a replica is left, and waited for until it is one again."""
    master, _ = pair
    node = await connect(master.unix_url, StoreOptions(timeout_s=5))
    await node.publish(b"1")
    master.command("REPLICAOF", "127.0.0.1", "1")
    publishing = asyncio.create_task(node.publish(b"2"))
    reading = asyncio.create_task(node.bodies())
    await asyncio.wait([publishing], timeout=0.3)
    assert not publishing.done()
    master.command("REPLICAOF", "NO", "ONE")
    assert 2 == await publishing
    assert {b"1"} <= set(await reading)


async def test_p6_a_master_that_misses_its_replicas_is_waited_for(
    pair: tuple[StoreServer, StoreServer], connect: Connect
) -> None:
    """`min-replicas-to-write` delays a publish; it stores nothing meanwhile."""
    master, _ = pair
    node = await connect(master.unix_url, StoreOptions(timeout_s=10))
    await node.publish(b"1")
    cut_off(master)
    master.command("CONFIG", "SET", "min-replicas-to-write", "1")
    publishing = asyncio.create_task(node.publish(b"2"))
    await asyncio.wait([publishing], timeout=0.3)
    assert not publishing.done()
    assert [b"1"] == await node.bodies()
    let_follow(master)
    assert 2 == await publishing
