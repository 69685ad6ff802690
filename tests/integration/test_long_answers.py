"""Histories that are too long for one answer of the store: read piece by piece, whatever reads."""

from __future__ import annotations

from collections.abc import Callable
import asyncio

import pytest

from broker.core.cursor import START
from broker.core.message import Draft
from broker.core.ring import Retention
from broker.store.base import Lookup, Publication
from broker.store.redis import RedisStore
from tests.support.node import running_node
from tests.support.store_nodes import Connect, Node
from tests.support.stores import StoreServer
from tests.support.target import publish_batch
from tests.support.waiting import eventually

StartStore = Callable[..., StoreServer]

NAMES = ["news.a", "news.b", "news.c"]


async def fill(node: Node, count: int, size: int, *, kept: int = 1000) -> None:
    """Publish messages of one size to each channel, in turns."""
    drafts = [Draft(name, b"%0*d" % (size, at)) for at in range(count) for name in NAMES]
    retentions = [Retention(kept)] * len(drafts)
    await node.store.publish("main", [Publication(drafts, retentions)], START)


async def read_all(node: Node, lookups: list[Lookup]) -> tuple[list[list[int]], int]:
    """Return the ids after some cursors, and in how many calls they were read."""
    found: list[list[int]] = [[] for _ in lookups]
    left, calls = dict(enumerate(lookups)), 0
    while left:
        calls += 1
        histories = await node.store.read("main", [*left.values()], 1000, START)
        for place, history in zip([*left], histories, strict=True):
            assert not history.gap
            found[place] += [message.id for message in history.messages]
            if history.complete:
                del left[place]
            elif history.messages:
                left[place] = left[place]._replace(after=history.messages[-1].cursor)
    return found, calls


@pytest.mark.parametrize(("size", "most_calls"), [(1, 1), (1000, 5), (5000, 30)])
async def test_an_answer_has_so_many_bytes_at_most(
    store_url: str,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    size: int,
    most_calls: int,
) -> None:
    """Each call brings the reader on, and none brings more than there is room for."""
    monkeypatch.setattr("broker.store.redis._READ_BYTES", 10_000)
    node = await connect(store_url)
    await fill(node, 10, size)
    lookups = [Lookup(name, START) for name in [*NAMES, "unknown"]]
    start = (await node.store.read("main", lookups, 1, START))[0].messages[0].prev
    found, calls = await read_all(node, [each._replace(after=start) for each in lookups])
    assert [[*range(1, 11)]] * 3 + [[]] == found
    assert max(1, 30 * size // 15_000) <= calls <= most_calls
    heads = [history.head for history in await node.store.read("main", lookups, 1, START)]
    at_head = [Lookup(name, head) for name, head in zip(NAMES, heads, strict=False)]
    assert ([[], [], []], 1) == await read_all(node, at_head)


async def test_P3_what_is_lost_before_a_cut_answer_is_told(
    store_url: str, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gap is told with the first piece of its channel, and not for what was not read yet."""
    monkeypatch.setattr("broker.store.redis._READ_BYTES", 1)
    node = await connect(store_url)
    await fill(node, 5, 10, kept=3)
    lookups = [Lookup(name, START) for name in NAMES]
    first, second, _ = await node.store.read("main", lookups, 1000, START)
    assert ([3], True, False) == ([each.id for each in first.messages], first.gap, first.complete)
    assert ([], False, False) == ([*second.messages], second.gap, second.complete)
    assert second.head > first.head


async def test_P2_P7_pieces_of_any_size_make_the_whole(
    valkey_server: StoreServer, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who resumes, and who was cut off, gets everything once, in order, piece by piece."""
    monkeypatch.setattr("broker.store.redis._READ_BYTES", 1)
    async with running_node(RedisStore(valkey_url)) as node, node.connect_internal() as http:
        stamps = await publish_batch(http, [(name, {"n": n}) for n in range(20) for name in NAMES])
        async with (
            node.websocket(NAMES, stamps[2].cursor) as resumed,
            node.websocket(NAMES) as newcomer,
        ):
            got = await resumed.envelopes(57)
            assert [n for n in range(1, 20) for _ in NAMES] == [each.message["n"] for each in got]
            valkey_server.command("CLIENT", "PAUSE", 200, "WRITE")
            valkey_server.command("CLIENT", "KILL", "TYPE", "pubsub")
            publishing = asyncio.create_task(
                publish_batch(http, [(name, {"n": n}) for n in range(20, 30) for name in NAMES])
            )
            for subscriber in (resumed, newcomer):
                got = await subscriber.envelopes(30)
                wanted = [n for n in range(20, 30) for _ in NAMES]
                assert wanted == [each.message["n"] for each in got]
            await publishing
            poll = await node.poll(NAMES, stamps[2].cursor)
            assert 87 == len(poll.envelopes)
    await eventually(lambda: valkey_server.command("PUBSUB", "CHANNELS") == [])
