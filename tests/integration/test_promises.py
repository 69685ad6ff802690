"""The promises P1, P2 and P4: thousands of attaches in the middle of a publish storm."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from random import Random
from typing import Any
import asyncio

import pytest

from broker.store.redis import RedisStore
from tests.support.ledger import Heard, Ledger
from tests.support.node import RunningNode, running_node
from tests.support.storm import TRANSPORTS, Reader, storm
from tests.support.waiting import eventually

ATTACHES = 10_000
READERS = 40
CHANNELS = tuple(f"c{number}" for number in range(60))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.asyncio(loop_factories=["uvloop"]),
]


@asynccontextmanager
async def two_nodes(url: str, **settings: Any) -> AsyncIterator[list[RunningNode]]:
    """Run two nodes over one real store."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(running_node(RedisStore(url), **settings))
            for _ in range(2)
        ]


async def attach_in_a_storm(
    url: str,
    seed: int,
    attaches: int,
    attach: Callable[[Reader, Ledger, Random, int], Coroutine[Any, Any, None]],
    **settings: Any,
) -> list[Heard]:
    """
    Attach many times while messages pour in; compare what was heard to what was stored.

    Args:
        url: The store of the two nodes.
        seed: Of everything random.
        attaches: How many.
        attach: Attaches a reader so many times.
        **settings: Of both nodes.

    Returns:
        What was heard, attach by attach.
    """
    print(f"seed {seed}")
    random = Random(seed)
    async with two_nodes(url, **settings) as nodes:
        async with storm(nodes, CHANNELS, random, pause_s=0.004) as ledger:
            readers = [Reader(nodes, ledger, Random(random.random())) for _ in range(READERS)]
            async with asyncio.TaskGroup() as tasks:
                for number, reader in enumerate(readers):
                    rng = Random(f"{seed} {number}")
                    tasks.create_task(attach(reader, ledger, rng, attaches // READERS))
        await eventually(lambda: not any(node.sessions for node in nodes), what="all have left")
    everything = [heard for reader in readers for heard in reader.heard]
    for heard in everything:
        ledger.check(heard)
    assert attaches == len(everything)
    # A quick machine attaches more often than messages come.
    assert attaches < 10 * sum(len(heard.notes) for heard in everything), "enough was heard"
    assert {0, 1} == {heard.node for heard in everything}
    return everything


async def test_P2_ten_thousand_attaches_see_exactly_the_suffix(valkey_url: str) -> None:
    """Newcomers and those who come back, by every transport in turn, on either node."""
    lists = [CHANNELS[:1], CHANNELS[:3], CHANNELS[5:15], CHANNELS[10:60]]

    async def attach(reader: Reader, ledger: Ledger, random: Random, count: int) -> None:
        for turn in range(count):
            channels = lists[(turn // len(TRANSPORTS)) % len(lists)]
            back = random.choice((None, 0, 1, 3, 9))
            after = None if back is None else ledger.some(random.choice(channels), back)
            await reader.read(TRANSPORTS[turn % 4], channels, after, leave_early=False)
        await reader.close()

    await attach_in_a_storm(valkey_url, 2, ATTACHES, attach)


async def test_P1_one_cursor_goes_from_transport_to_transport(valkey_url: str) -> None:
    """Random lists of 1 to 50 channels, random cursors; each read goes on from the last one."""

    async def attach(reader: Reader, ledger: Ledger, random: Random, count: int) -> None:
        cursor = None
        for turn in range(count):
            if turn % 10 == 0:
                cursor = ledger.some(random.choice(CHANNELS), random.randrange(8))
            channels = random.sample(CHANNELS, random.choice((1, 2, 5, 20, 50)))
            transport = random.choice(TRANSPORTS)
            cursor = await reader.read(transport, channels, cursor, leave_early=True)
        await reader.close()

    await attach_in_a_storm(valkey_url, 1, ATTACHES, attach)


async def test_P4_a_client_killed_after_any_frame_loses_nothing(valkey_url: str) -> None:
    """Cut after any message or ping and resumed from it: pings never run ahead of the messages."""

    async def attach(reader: Reader, ledger: Ledger, random: Random, count: int) -> None:
        channels = [*random.sample(CHANNELS, random.choice((1, 4, 12))), "ping"]
        cursor = None
        for _ in range(count):
            transport = random.choice(TRANSPORTS)
            cursor = await reader.read(transport, channels, cursor, leave_early=True)
        await reader.close()
        whole = [note for heard in reader.heard for note in heard.notes]
        assert sorted(set(whole)) == whole, "nothing twice, nothing out of order"
        for one, other in pairwise(reader.heard):
            assert one.end == other.after

    everything = await attach_in_a_storm(valkey_url, 4, 4_000, attach, ping_interval_s=1.0)
    assert 0 < sum(len(heard.pings) for heard in everything)
