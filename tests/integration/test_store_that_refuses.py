"""Servers that take no messages for a while: full, unable to save, short of replicas, busy."""

from __future__ import annotations

from collections.abc import Callable
import asyncio

from redis.exceptions import OutOfMemoryError, ResponseError
import pytest

from broker.core.cursor import START, Cursor
from broker.core.errors import StoreUnavailable
from broker.core.message import Draft
from broker.core.ring import Retention
from broker.store.base import Publication, Stored
from broker.store.options import StoreOptions
from broker.store.redis import RedisStore
from tests.support.node import running_node
from tests.support.store_nodes import Connect, Node
from tests.support.stores import BINARIES, StoreBinary, StoreServer
from tests.support.target import publish_batch
from tests.support.waiting import eventually

pytestmark = pytest.mark.several_servers

StartStore = Callable[..., StoreServer]

SHORT = StoreOptions(timeout_s=0.5)
UNKEPT = Retention(0, 0)
JSON = {"Content-Type": "application/json"}

every_server = pytest.mark.parametrize("binary", BINARIES, ids=lambda binary: binary.name)


async def send(node: Node, *channels: str, retention: Retention | None = None) -> None:
    """Publish one message to some channels, all or none."""
    drafts = [Draft(channel, b"0") for channel in channels]
    retentions = [retention or Retention()] * len(drafts)
    (outcome,) = await node.store.publish("main", [Publication(drafts, retentions)], START)
    assert isinstance(outcome, Stored)


def fill(server: StoreServer) -> None:
    """Leave a server without memory."""
    server.command("CONFIG", "SET", "maxmemory", "1")


def free(server: StoreServer) -> None:
    """Give it memory again."""
    server.command("CONFIG", "SET", "maxmemory", "0")


def beyond(cursor: Cursor) -> Cursor:
    """Return a cursor that the store has not given out yet."""
    return Cursor(cursor.time, cursor.tag + 5)


async def heard(node: Node) -> list[bytes]:
    """Return what was announced up to now."""
    await node.listener.tick("main", START)
    return node.recorder.bodies


# --- full -----------------------------------------------------------------------


@every_server
async def test_P6_a_full_server_announces_nothing_that_it_refuses(
    start_store: StartStore, connect: Connect, binary: StoreBinary
) -> None:
    """A message of a channel without a ring is refused as well, and nobody has heard it."""
    server = start_store(binary=binary)
    node = await connect(server.unix_url)
    await node.listener.listen("main", ["unkept"])
    await send(node, "unkept", retention=UNKEPT)
    fill(server)
    for channels in (["unkept"], ["unkept", "a"]):
        with pytest.raises(StoreUnavailable):
            await send(node, *channels, retention=UNKEPT)
    free(server)
    await send(node, "unkept", retention=UNKEPT)
    assert [b"0", b"0"] == await heard(node)
    first, second = node.recorder.messages
    assert (first.cursor, 2) == (second.prev, second.id)


@every_server
async def test_P6_a_full_server_takes_no_new_channel(
    start_store: StartStore, connect: Connect, binary: StoreBinary
) -> None:
    """A channel's first message is refused like any other, alone and before that of an old one."""
    server = start_store(binary=binary)
    node = await connect(server.unix_url)
    await node.publish(b"1")
    fill(server)
    for channels in (["new"], ["new", "a"]):
        with pytest.raises(StoreUnavailable):
            await send(node, *channels)
    assert await node.store.info("main", "new") is None
    assert [b"1"] == await node.bodies()
    free(server)
    await send(node, "new", "a")
    assert [b"0"] == await node.bodies("new")


@every_server
async def test_P7_a_full_server_serves_its_readers(
    start_store: StartStore, connect: Connect, binary: StoreBinary
) -> None:
    """Who only reads comes in, of tenants that are new to the store too, and its clock goes on."""
    server = start_store(binary=binary)
    node = await connect(server.unix_url)
    stamp = await node.stamp(b"1")
    life = await node.store.life()
    fill(server)
    floor = beyond(await node.listener.tick("main", beyond(stamp.cursor)))
    assert (
        floor <= await node.listener.tick("main", floor) <= await node.listener.tick("main", START)
    )
    assert [b"1"] == await node.bodies()
    assert [] == await node.bodies(tenant="other")
    assert START < await node.listener.tick("third", START)
    assert life == await node.store.life()
    server.command("DEL", "broker:{@revoked}:life")
    assert life != await node.store.life()


# --- unable to save -------------------------------------------------------------


def fail_to_save(server: StoreServer) -> None:
    """Let a server fail to write its snapshot, as on a full disk."""
    (server.directory / "dump.rdb").mkdir()
    server.command("CONFIG", "SET", "save", "3600 1")
    server.command("BGSAVE")


def save(server: StoreServer) -> None:
    """Let it write its snapshot again."""
    (server.directory / "dump.rdb").rmdir()
    server.command("BGSAVE")


def cannot_save(server: StoreServer) -> bool:
    """Tell whether a server takes no writes for that reason."""
    try:
        server.command("SET", "any", "1")
    except ResponseError as error:
        return "MISCONF" in str(error)
    return False


@every_server
async def test_P7_a_server_that_cannot_save_serves_its_readers(
    start_store: StartStore, connect: Connect, binary: StoreBinary
) -> None:
    """It refuses messages; who reads comes in, over new connections too, until it can save."""
    server = start_store(binary=binary)
    node = await connect(server.unix_url)
    stamp = await node.stamp(b"1")
    fail_to_save(server)
    await eventually(lambda: cannot_save(server))
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="MISCONF"):
            await send(node, "unkept", retention=UNKEPT)
        floor = beyond(stamp.cursor)
        assert floor <= await node.listener.tick("main", floor)
        assert [b"1"] == await node.bodies()
        assert [] == await node.bodies(tenant="other")
        assert await node.store.life()
        node.recorder.events.clear()
        server.command("CLIENT", "KILL", "TYPE", "pubsub")
        await eventually(lambda: "resumed" in node.recorder.events)
    silent = [connection for _, connection in node.listener._exchange._lines]  # type: ignore[attr-defined]
    assert 1 == len(silent)
    answered = silent[0].ping()
    await asyncio.wait_for(answered, 5)
    assert "" == silent[0].refusal
    save(server)
    await eventually(lambda: not cannot_save(server))
    await node.publish(b"2")
    assert [b"1", b"2"] == await heard(node)


# --- short of replicas, busy ----------------------------------------------------


@every_server
async def test_P6_a_server_short_of_replicas_announces_nothing(
    start_store: StartStore, connect: Connect, binary: StoreBinary
) -> None:
    """What is tried until the deadline and refused was not heard once."""
    server = start_store(binary=binary)
    node = await connect(server.unix_url, SHORT)
    await node.listener.listen("main", ["unkept"])
    await send(node, "unkept", retention=UNKEPT)
    server.command("CONFIG", "SET", "min-replicas-to-write", "1")
    with pytest.raises(StoreUnavailable):
        await send(node, "unkept", retention=UNKEPT)
    server.command("CONFIG", "SET", "min-replicas-to-write", "0")
    await node.publish(b"2")
    assert [b"0", b"2"] == await heard(node)


@every_server
async def test_P7_a_script_of_somebody_else_only_delays(
    start_store: StartStore, connect: Connect, binary: StoreBinary
) -> None:
    """While another script keeps the server busy, calls wait for it to be over."""
    server = start_store("--lua-time-limit", "20", binary=binary)
    node = await connect(server.unix_url)
    await node.publish(b"1")
    endless = asyncio.create_task(asyncio.to_thread(run_endless_script, server))
    await eventually(lambda: is_busy(server))
    publishing = asyncio.create_task(node.publish(b"2"))
    done, _ = await asyncio.wait([publishing], timeout=0.2)
    assert not done
    server.command("SCRIPT", "KILL")
    await endless
    assert 2 == await publishing
    await eventually(lambda: [b"1", b"2"] == node.recorder.bodies)


def run_endless_script(server: StoreServer) -> None:
    """Run a script until it is killed."""
    with pytest.raises(ResponseError):
        server.command("EVAL", "while true do end", 0)


def is_busy(server: StoreServer) -> bool:
    """Tell whether a script keeps a server busy."""
    try:
        server.command("GET", "any")
    except ResponseError as error:
        return str(error).startswith("BUSY")
    return False


# --- a whole node ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("refuse", "recover"), [(fill, free), (fail_to_save, save)], ids=["full", "cannot-save"]
)
async def test_P7_a_node_starts_on_a_server_that_takes_no_messages(
    start_store: StartStore,
    monkeypatch: pytest.MonkeyPatch,
    refuse: Callable[[StoreServer], None],
    recover: Callable[[StoreServer], None],
) -> None:
    """Newcomers and those who resume come in, publishers are told so, and then all goes on."""
    monkeypatch.setattr("broker.census.circle.GREET_S", 0.05)
    server = start_store()
    async with running_node(RedisStore(server.unix_url)) as old, old.connect_internal() as http:
        [stamp, _] = await publish_batch(http, [("news.a", {"n": 1}), ("news.a", {"n": 2})])
    refuse(server)
    await eventually(lambda: takes_nothing(server))
    async with (
        running_node(RedisStore(server.unix_url)) as node,
        node.connect_internal() as http,
        node.websocket(["news.a"]) as newcomer,
        node.websocket(["news.a", "news.b"], stamp.cursor) as resumed,
    ):
        assert [2] == [each.message["n"] for each in await resumed.envelopes(1)]
        poll = await node.poll(["news.b"], stamp.cursor, mode="shortpoll")
        assert 304 == poll.status
        refused = await http.ask("/publish/news.a", JSON, method="POST", body=b"{}")
        assert 503 == refused.status
        recover(server)
        await eventually(lambda: not takes_nothing(server))
        await publish_batch(http, [("news.a", {"n": 3})])
        for subscriber in (newcomer, resumed):
            assert [3] == [each.message["n"] for each in await subscriber.envelopes(1)]
        async with running_node(RedisStore(server.unix_url)) as other:
            await eventually(lambda: [node.node.circle.who.node] == [*other.node.circle.others])


def takes_nothing(server: StoreServer) -> bool:
    """Tell whether a server refuses to store anything."""
    try:
        server.command("SET", "any", "1")
    except ResponseError:
        return True
    except OutOfMemoryError:
        return True
    return False
