"""The store behind sentinels: failovers, by death and by silence, and sentinels that are wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from time import monotonic
import asyncio

import pytest

from broker.core.cursor import START, Cursor
from broker.core.errors import StoreUnavailable
from broker.core.revocations import Revocation
from broker.store.options import StoreOptions
from broker.store.redis import RedisStore
from broker.store.wire import pack
from tests.support.sentinels import SERVICE, SentinelSet
from tests.support.store_nodes import Connect, Node, Storm, is_rising
from tests.support.stores import EMBEDDED, StoreServer, free_port
from tests.support.waiting import PATIENCE, eventually

pytestmark = pytest.mark.several_servers

PATIENT = StoreOptions(timeout_s=20)
"""A deadline that outlasts a failover on a slow machine."""

StartSet = Callable[..., SentinelSet]


@pytest.fixture
def start_set() -> Iterator[StartSet]:
    """Give a function that starts a master, replicas and sentinels."""
    with ExitStack() as stack:

        def start(*options: str, replicas: int = 1) -> SentinelSet:
            servers = SentinelSet(EMBEDDED, *options, replicas=replicas)
            stack.callback(servers.close)
            servers.start()
            return servers

        yield start


def is_back(node: Node) -> bool:
    """Tell whether a node hears everything again."""
    return "resumed" in node.recorder.events


def lag(servers: SentinelSet) -> int:
    """Return how many bytes the replicas are behind."""
    offsets = [server.command("ROLE") for server in servers.servers]
    ahead = max(role[1] for role in offsets if role[0] == b"master")
    return int(ahead - min(role[4] for role in offsets if role[0] == b"slave"))


async def test_p6_p7_a_dead_master_is_replaced_under_publishing(
    start_set: StartSet, connect: Connect
) -> None:
    """With replicas waited for, publishers on two nodes wait, and all they were told is so."""
    servers = start_set(replicas=2)
    options = StoreOptions(timeout_s=20, replicas=1)
    one, other = await connect(servers.url, options), await connect(servers.url, options)
    await one.listener.listen("main", ["b"])
    async with Storm(one, "a") as first, Storm(other, "b") as second:
        await eventually(lambda: min(len(first.stamps), len(second.stamps)) > 100)
        master = servers.master
        await asyncio.to_thread(master.kill)
        at_death = len(first.stamps), len(second.stamps)
        await eventually(lambda: len(first.stamps) > at_death[0] + 50, 20)
        await eventually(lambda: len(second.stamps) > at_death[1] + 50, 20)
    assert master is not servers.master
    for storm, channel in ((first, "a"), (second, "b")):
        history = await one.history(channel=channel)
        # Sent anew after the failover, a message that was stored but not answered is stored once.
        assert storm.bodies == [message.body for message in history.messages]
        assert [stamp.cursor for stamp in storm.stamps] == [m.cursor for m in history.messages]
        assert is_rising(history.messages)
    for number, node in enumerate((one, other), 1):
        await eventually(partial(is_back, node))
        await other.publish(b"after %d" % number)
        await node.listener.tick("main", START)
        assert is_rising(node.recorder.messages)
        assert b"after %d" % number == node.recorder.bodies[-1]


async def test_p7_a_frozen_master_is_replaced_within_the_deadline(
    start_set: StartSet, connect: Connect
) -> None:
    """A call that hangs in a silent master ends at its successor, as does the listening."""
    servers = start_set()
    node = await connect(servers.url, PATIENT)
    await node.publish(b"before")
    await eventually(lambda: lag(servers) == 0)
    master = servers.master
    master.freeze()
    try:
        began = monotonic()
        await asyncio.gather(node.publish(b"during"), node.listener.tick("main", START))
        assert monotonic() - began < 15 * PATIENCE
        assert servers.master is not master
    finally:
        master.thaw()
    await eventually(lambda: "resumed" in node.recorder.events)
    await node.publish(b"after")
    await node.listener.tick("main", START)
    assert [b"before", b"during", b"after"] == await node.bodies()
    assert b"after" == node.recorder.bodies[-1]
    assert master.command("PUBSUB", "CHANNELS", "broker:*") == []


async def test_p5_what_a_failover_loses_gives_no_cursor_back(
    start_set: StartSet, connect: Connect
) -> None:
    """Messages that no replica had are lost with their master, but their cursors are not reused."""
    servers = start_set()
    node = await connect(servers.url, PATIENT)
    # A second that lasts: nobody's clock comes near it.
    await node.stamp(b"0", floor=Cursor(2_000_000_000, 5))
    await eventually(lambda: lag(servers) == 0)
    master = servers.master
    master.command("ACL", "SETUSER", "default", "-psync", "-sync")
    master.command("CLIENT", "KILL", "TYPE", "replica")
    lost = [await node.stamp(b"lost") for _ in range(20)]
    master.kill()
    stranger = await connect(servers.url, PATIENT)
    found = await stranger.stamp(b"1")
    assert found.cursor > lost[-1].cursor
    assert 2_000_000_000 == found.cursor.time
    assert [b"0", b"1"] == await stranger.bodies()


async def test_p7_revocations_survive_a_failover(start_set: StartSet, connect: Connect) -> None:
    """A node that watches hears, after a failover, of what was revoked meanwhile."""
    servers = start_set()
    watcher, other = await connect(servers.url, PATIENT), await connect(servers.url, PATIENT)
    await watcher.listener.watch(watcher.recorder.revoked)
    master = servers.master
    await eventually(lambda: lag(servers) == 0)
    await asyncio.to_thread(master.kill)
    revocation = Revocation("main", 4_000_000_000, sub="7")
    await other.store.revoke(revocation)
    await eventually(lambda: revocation in watcher.recorder.revocations, 10)


# --- sentinels that answer as they are told ---------------------------------------------------


class Scripted:
    """A sentinel that says what a test wants, or nothing."""

    def __init__(self) -> None:
        self.port = free_port()
        self.epoch = 1
        self.master: int | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer both questions at once, as often as they are asked."""
        while await reader.read(1000):
            if self.master is None:
                break
            facts = pack(("config-epoch", self.epoch))
            writer.write(facts + pack(("127.0.0.1", self.master)))
        writer.close()


@asynccontextmanager
async def scripted(count: int) -> AsyncIterator[list[Scripted]]:
    """Run so many scripted sentinels."""
    sentinels = [Scripted() for _ in range(count)]
    servers = [
        await asyncio.start_server(sentinel.serve, "127.0.0.1", sentinel.port)
        for sentinel in sentinels
    ]
    yield sentinels
    for server in servers:
        server.close()


def url_of(sentinels: list[Scripted]) -> str:
    """Return the URL of a store behind them."""
    return f"redis+sentinel://{','.join(f'127.0.0.1:{each.port}' for each in sentinels)}/{SERVICE}"


async def master_of(store: RedisStore) -> int:
    """Look for the master, and return its port."""
    await store._topology.look()
    (address,) = store._topology.addresses
    return int(address.name.partition("127.0.0.1:")[2].partition("/")[0])


async def test_p7_a_sentinel_that_is_behind_misleads_nobody(
    start_store: Callable[..., StoreServer],
) -> None:
    """The newest of what more than half say counts; fewer are believed if they know no less."""
    old, new = start_store().port, start_store().port
    async with scripted(3) as sentinels:
        for sentinel in sentinels:
            sentinel.master = old
        store = RedisStore(url_of(sentinels), StoreOptions(timeout_s=5))
        await store.open()
        assert old == await master_of(store)
        for sentinel in sentinels[:2]:
            sentinel.master, sentinel.epoch = new, 2
        # Two of three answer at a time, so at least one of them knows.
        found = {await master_of(store) for _ in range(20)}
        assert {new} == found
        sentinels[0].master = sentinels[1].master = None
        assert new == await master_of(store)
        sentinels[2].epoch = 3
        assert old == await master_of(store)
        sentinels[2].master = None
        assert old == await master_of(store)
        await store.close()


async def test_nobody_who_knows_is_told_in_time(caplog: pytest.LogCaptureFixture) -> None:
    """Where no sentinel answers, opening ends with the deadline and says so, once."""
    async with scripted(2) as sentinels:
        store = RedisStore(url_of(sentinels), StoreOptions(timeout_s=0.5))
        began = monotonic()
        with pytest.raises(StoreUnavailable, match=SERVICE):
            await store.open()
        with pytest.raises(StoreUnavailable, match="no sentinel says"):
            await store.info("main", "a")
        assert monotonic() - began < 3 * PATIENCE
        assert 1 == caplog.text.count("is not known")
        await store.close()
