"""What a connection leaves behind is freed by its last reference: no collection has to find it."""

from __future__ import annotations

from collections import Counter
import gc

from tests.support.node import RunningNode, running_node
from tests.support.subscribers import subscribe_events, upgrade
from tests.support.waiting import eventually
from tests.support.wire import connected, subscription

ROUNDS = 20


async def come_and_go(node: RunningNode) -> None:
    """Connect in every way, and cut the connection."""
    for transport in ("websocket", "eventsource", "shortpoll"):
        path = subscription(transport, ["a.b"], None, "")
        async with connected(node.public) as http:
            if transport == "websocket":
                await upgrade(http, path)
            elif transport == "eventsource":
                await subscribe_events(http, path)
            else:
                await http.ask(path)
    async with connected(node.internal) as http:
        await http.ask("/stats")


async def test_connections_leave_no_cycles() -> None:
    """After connections of every kind have gone, a full collection finds nothing."""
    async with running_node() as node:
        await come_and_go(node)
        gc.collect()
        gc.disable()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            for _ in range(ROUNDS):
                await come_and_go(node)
            await eventually(lambda: node.sessions == 0)
            gc.collect()
            ours = [type(each) for each in gc.garbage if type(each).__module__.startswith("broker")]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()
    assert Counter() == Counter(ours)
