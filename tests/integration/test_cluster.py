"""The store on a cluster: lost masters, slots that move, and what the other tenants notice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from time import monotonic
import asyncio

from redis.crc import key_slot
import pytest

from broker.core.cursor import START
from broker.core.errors import StoreUnavailable
from broker.store.keys import Keys
from broker.store.options import StoreOptions
from broker.store.redis import RedisStore
from tests.conformance.store_subjects import Recorder
from tests.support.clusters import ClusterSet
from tests.support.store_nodes import Connect, Node, Storm, is_rising
from tests.support.stores import CURRENT, EMBEDDED, StoreServer
from tests.support.waiting import PATIENCE, eventually, wait_until

pytestmark = pytest.mark.several_servers

PATIENT = StoreOptions(timeout_s=20)
"""A deadline that outlasts a failover on a slow machine."""
AOF = ("--appendonly", "yes", "--appendfsync", "always", "--cluster-require-full-coverage", "no")


@pytest.fixture(scope="module", params=[EMBEDDED, CURRENT], ids=lambda binary: binary.name)
def whole_cluster(request: pytest.FixtureRequest) -> Iterator[ClusterSet]:
    """Give three masters with a replica each."""
    if request.param.path is None:
        pytest.skip(f"no {request.param.name} here; it comes with {request.param.source}")
    servers = ClusterSet(request.param, *AOF, replicas=1)
    try:
        servers.start()
        yield servers
    finally:
        servers.close()


@pytest.fixture
def cluster(whole_cluster: ClusterSet) -> ClusterSet:
    """Give the cluster in order and empty, whatever the test before did to it."""
    for server in whole_cluster.servers:
        if not server.is_running:
            server.start()
    whole_cluster.wait_until_whole()
    for master in whole_cluster.masters:
        master.command("FLUSHALL")
    return whole_cluster


def slot_of(tenant: str) -> int:
    """Return the slot of a tenant."""
    return key_slot(Keys(tenant).clock.encode())


def home(cluster: ClusterSet, tenant: str) -> StoreServer:
    """Return the master that has a tenant."""
    return cluster.server_of(Keys(tenant).clock)


def tenants_apart(cluster: ClusterSet) -> tuple[str, str]:
    """Return two tenants of different masters."""
    first = "t0"
    others = (f"t{number}" for number in range(1, 100))
    return first, next(each for each in others if home(cluster, each) is not home(cluster, first))


async def both(connect: Connect, cluster: ClusterSet) -> tuple[Node, str, str]:
    """Return a node that listens to two tenants of different masters."""
    first, second = tenants_apart(cluster)
    node = await connect(cluster.url, PATIENT, tenant=first)
    await node.listener.listen(second, ["a"])
    return node, first, second


def has_grown(storm: Storm, before: int) -> bool:
    """Tell whether fifty more messages were answered since."""
    return len(storm.stamps) > before + 50


def is_back(node: Node, times: int) -> bool:
    """Tell whether a node heard everything again so many times."""
    return node.recorder.events.count("resumed") >= times


async def assert_complete(node: Node, storm: Storm, tenant: str) -> None:
    """Check that all that was answered is there once, in order, and what was heard is in order."""
    history = await node.history(tenant=tenant)
    assert storm.bodies == [message.body for message in history.messages]
    assert is_rising(history.messages)
    assert [stamp.cursor for stamp in storm.stamps] == [each.cursor for each in history.messages]
    heard = [each for each in node.recorder.messages if each in history.messages]
    assert is_rising(heard)
    last = await node.stamp(b"last", tenant=tenant)
    await node.listener.tick(tenant, START)
    assert last.cursor in [message.cursor for message in node.recorder.messages]


class Tenants(Recorder):
    """A sink that keeps which tenants were interrupted, and which came back."""

    def __init__(self) -> None:
        super().__init__()
        self.cut: set[str] = set()
        self.back: set[str] = set()

    def interrupted(self, tenants: object = None) -> None:
        assert isinstance(tenants, list)
        self.cut.update(tenants)

    def resumed(self, tenants: object = None) -> None:
        assert isinstance(tenants, list)
        self.back.update(tenants)


async def test_tenants_are_spread_and_each_is_one_slot(
    cluster: ClusterSet, connect: Connect
) -> None:
    """Tenants lie on different servers, all of one on the same, and each is listed whole."""
    node = await connect(cluster.url)
    tenants = [f"t{number}" for number in range(12)]
    for tenant in tenants:
        for channel in "abc":
            await node.publish(channel=channel, tenant=tenant)
    assert 3 == len({home(cluster, tenant).port for tenant in tenants})
    for tenant in tenants:
        assert ["a", "b", "c"] == [
            info.channel for info in await node.store.channels(tenant, "", 10)
        ]
        keys = [set(each.command("KEYS", f"broker:{{{tenant}}}:*")) for each in cluster.masters]
        assert 1 == sum(map(bool, keys))


async def test_p7_a_lost_master_interrupts_its_own_tenants_only(
    cluster: ClusterSet, connect: Connect
) -> None:
    """When a master dies, its tenants wait for the replica, and the others notice nothing."""
    node, first, second = await both(connect, cluster)
    sink = Tenants()
    listener = await node.store.listener(sink)
    for tenant in (first, second):
        await listener.listen(tenant, ["a"])
    async with Storm(node, tenant=second) as healthy:
        async with Storm(node, tenant=first) as hurt:
            await eventually(lambda: len(hurt.stamps) > 100)
        master = home(cluster, first)
        await eventually(lambda: is_in_step(cluster, master))
        await asyncio.to_thread(master.kill)
        at_death = len(healthy.stamps)
        began = monotonic()
        await node.stamp(b"%d" % len(hurt.stamps), tenant=first)
        outage_s = monotonic() - began
        assert len(healthy.stamps) > at_death + 10 * outage_s
        await eventually(lambda: first in sink.back, 10)
    assert {first} == sink.cut == sink.back
    await assert_complete(node, healthy, second)
    found = await node.history(tenant=first)
    assert [*hurt.bodies, b"%d" % len(hurt.stamps)] == [each.body for each in found.messages]
    assert is_rising(found.messages)
    await listener.close()


def is_in_step(cluster: ClusterSet, master: StoreServer) -> bool:
    """Tell whether every replica of a master has all that it has."""
    _, offset, replicas = master.command("ROLE")
    return bool(replicas) and all(int(each[2]) >= offset for each in replicas)


async def test_p6_p7_a_failover_by_hand_loses_nothing(
    cluster: ClusterSet, connect: Connect
) -> None:
    """Masters that hand over to their replicas under publishing lose and repeat nothing."""
    node, first, _ = await both(connect, cluster)
    async with Storm(node, tenant=first) as storm:
        for round_ in range(1, 3):
            before = len(storm.stamps)
            await eventually(partial(has_grown, storm, before))
            await asyncio.to_thread(hand_over, cluster, home(cluster, first))
            await eventually(partial(is_back, node, round_), 10)
    await assert_complete(node, storm, first)


def hand_over(cluster: ClusterSet, master: StoreServer) -> None:
    """Have the replica of a master take over."""
    cluster.wait_until_whole()
    wait_until(lambda: bool(master.command("ROLE")[2]), 10)  # the old master has come back to it
    port = int(master.command("ROLE")[2][0][1])
    replica = next(server for server in cluster.servers if server.port == port)
    for _ in range(5):  # Redis 7.0 sometimes begins, and then lets it be
        replica.command("CLUSTER", "FAILOVER")
        with suppress(AssertionError):
            wait_until(lambda: replica in cluster.masters, 2)
            return
    raise AssertionError("the replica did not take over")


async def test_p6_p7_a_slot_moves_under_publishing(cluster: ClusterSet, connect: Connect) -> None:
    """While a tenant's keys move to another master and back, all stays in order and complete."""
    node, first, second = await both(connect, cluster)
    here, there = home(cluster, first), home(cluster, second)
    async with Storm(node, tenant=first) as storm, Storm(node, tenant=second) as other:
        for from_, to in ((here, there), (there, here)):
            before = len(storm.stamps)
            await eventually(partial(has_grown, storm, before))
            await asyncio.to_thread(move, cluster, slot_of(first), from_, to)
            after = len(storm.stamps)
            await eventually(partial(has_grown, storm, after))
    await eventually(lambda: node.recorder.events[-1] != "interrupted")
    await assert_complete(node, storm, first)
    await assert_complete(node, other, second)


def move(cluster: ClusterSet, slot: int, from_: StoreServer, to: StoreServer) -> None:
    """Move a slot key by key, as operators do."""
    source, target = (server.command("CLUSTER", "MYID").decode() for server in (from_, to))
    to.command("CLUSTER", "SETSLOT", slot, "IMPORTING", source)
    from_.command("CLUSTER", "SETSLOT", slot, "MIGRATING", target)
    while keys := from_.command("CLUSTER", "GETKEYSINSLOT", slot, 100):
        from_.command("MIGRATE", "127.0.0.1", to.port, "", 0, 5000, "KEYS", *keys)
    for server in (to, from_, *cluster.masters):
        server.command("CLUSTER", "SETSLOT", slot, "NODE", target)


async def test_p3_a_flushed_master_gives_gaps_to_its_tenants(
    cluster: ClusterSet, connect: Connect
) -> None:
    """FLUSHALL on one master is a gap for its tenants, and nothing to the others."""
    node, first, second = await both(connect, cluster)
    stamps = {tenant: await node.stamp(tenant=tenant) for tenant in (first, second)}
    before = [await node.stamp(tenant=tenant) for tenant in (first, second)]
    home(cluster, first).command("FLUSHALL")
    assert (await node.history(stamps[first].cursor, tenant=first)).gap
    kept = await node.history(stamps[second].cursor, tenant=second)
    assert (False, 1) == (kept.gap, len(kept.messages))
    assert (await node.stamp(tenant=first)).cursor > before[0].cursor


async def test_p7_a_master_without_replica_comes_back(connect: Connect) -> None:
    """Its tenants get an answer in time, the others go on, and all is there once it is back."""
    cluster = ClusterSet(EMBEDDED, *AOF)
    try:
        await asyncio.to_thread(cluster.start)
        first, second = tenants_apart(cluster)
        node = await connect(cluster.url, StoreOptions(timeout_s=1), tenant=first)
        await node.publish(b"1", tenant=first)
        master = home(cluster, first)
        master.kill()
        ends = await asyncio.gather(
            node.publish(tenant=first),
            node.history(tenant=first),
            node.listener.tick(first, START),
            node.listener.listen(first, ["b"]),
            return_exceptions=True,
        )
        assert [StoreUnavailable] * 4 == list(map(type, ends))
        assert 1 == await node.publish(tenant=second)
        # A node that starts now serves whom it can.
        late = await connect(cluster.url, StoreOptions(timeout_s=1), tenant=second)
        assert 2 == await late.publish(tenant=second)
        await asyncio.to_thread(master.start)
        await eventually(lambda: "resumed" in node.recorder.events, 10)
        patient = await connect(cluster.url, PATIENT, tenant=first)
        assert 2 == await patient.publish(b"2", tenant=first)
        await node.listener.tick(first, START)
        assert [b"1", b"2"] == node.recorder.bodies == await node.bodies(tenant=first)
    finally:
        cluster.close()


async def test_a_cluster_is_told_from_a_single_server(
    cluster: ClusterSet, start_store: object
) -> None:
    """The wrong kind of URL is refused in time, with what is right."""
    assert callable(start_store)
    single = start_store()
    with pytest.raises(StoreUnavailable, match=r"redis\+cluster://"):
        await opened(cluster.servers[0].tcp_url)
    with pytest.raises(StoreUnavailable, match="cluster support disabled"):
        await opened(single.tcp_url.replace("redis", "redis+cluster"))


async def opened(url: str) -> None:
    """Open a store, and close it."""
    store = RedisStore(url, StoreOptions(timeout_s=2))
    began = monotonic()
    try:
        await store.open()
    finally:
        assert monotonic() - began < 3 * PATIENCE
        await store.close()
