"""Faults: each strikes a stand once, is lifted, and waits until everybody has healed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
import asyncio
import time

from tests.chaos.link import no_loss
from tests.chaos.stand import Stand
from tests.chaos.topology import Stepped

Fault = Callable[[Stand], Awaitable[None]]

HEAL_S = 25.0
"""Time in which everybody must get what is sent after a fault; later ones count as not healed."""

PAUSE_S = 10.0
LOSS_S = 12.0
LOSS = 0.01
QUIET_LOSS = 0.5
"""Of quiet channels: what is lost there shows by the audit alone, as no later message names it."""

DOWN_S = 2.0
HOUR_S = 3600
STEP_S = 2.0
CLOCK_SLACK_S = 5.0


async def kill_node(stand: Stand) -> None:
    """Kill a node, have everybody go to the others, start it again."""
    node = stand.nodes[stand.strikes % len(stand.nodes)]
    node.kill()
    await _lift(stand)
    await node.start()


async def kill_store(stand: Stand) -> None:
    """Kill the store's server, start it again a second later on what it has on disk."""
    server = stand.topology.chief()
    await asyncio.to_thread(server.kill)
    await asyncio.sleep(1.0)
    await asyncio.to_thread(stand.topology.mend, server)
    await _lift(stand)


async def lose_master(stand: Stand) -> None:
    """Kill the server that everybody writes to; once a replica has its place, give it back."""
    server = await asyncio.to_thread(stand.topology.chief)
    await asyncio.to_thread(server.kill)
    await _lift(stand)
    assert await asyncio.to_thread(stand.topology.chief) is not server, "nobody took its place"
    await asyncio.to_thread(stand.topology.mend, server)


async def pause_store(stand: Stand) -> None:
    """Stop the store's server from answering for ten seconds."""
    server = stand.topology.chief()
    server.freeze()
    await asyncio.sleep(PAUSE_S)
    server.thaw()
    await _lift(stand)


async def flush_store(stand: Stand) -> None:
    """Empty the store while some subscribers are away."""
    await stand.crowd.ask("leave", share=0.3, away_s=3.0)
    await asyncio.sleep(0.5)
    await asyncio.to_thread(stand.topology.chief().command, "FLUSHALL")
    await _lift(stand)


async def step_clock(stand: Stand) -> None:
    """Set the store's clock an hour back, right, and an hour forward."""
    assert isinstance(stand.topology, Stepped)
    server = stand.topology.server
    for seconds in (-HOUR_S, 0, HOUR_S, 0):
        await asyncio.to_thread(server.step, seconds)
        off_s = await asyncio.to_thread(lambda: server.time) - time.time()
        assert abs(off_s - seconds) < CLOCK_SLACK_S, f"the clock was not stepped: {off_s:.0f} s off"
        await _lift(stand)
        await asyncio.sleep(STEP_S)


async def lose_announcements(stand: Stand) -> None:
    """Drop one announcement in a hundred on the way to each node."""
    for link in stand.links:
        link.lose(_loss)
    await asyncio.sleep(LOSS_S)
    for link in stand.links:
        link.lose(no_loss)
    await _lift(stand)


async def cut_links(stand: Stand) -> None:
    """Cut every connection of every node to the store."""
    for link in stand.links:
        link.cut()
    await _lift(stand)


async def lower_links(stand: Stand) -> None:
    """Take the store away from one node after the other for two seconds."""
    for link in stand.links:
        link.lower()
        await asyncio.sleep(DOWN_S)
        link.raise_()
        await _lift(stand)


async def half_open_links(stand: Stand) -> None:
    """Leave every node with dead connections to the store that look alive."""
    for link in stand.links:
        link.half_open()
    await _lift(stand)


async def cut_clients(stand: Stand) -> None:
    """Cut a third of the subscribers' connections, in the middle of whatever comes."""
    await stand.crowd.ask("leave", share=0.33, away_s=0.5)
    await _lift(stand)


async def half_open_clients(stand: Stand) -> None:
    """Have a fifth of the subscribers come back without closing their old connection."""
    await stand.crowd.ask("abandon", share=0.2)
    await _lift(stand)


async def restart_nodes(stand: Stand) -> None:
    """Restart node after node, each as its operator would."""
    for node in stand.nodes:
        stand.drains.append(time.monotonic())
        await node.stop()
        await node.start()
        await _lift(stand)


def _loss(name: bytes) -> float:
    if b":new@" not in name:
        return 0.0  # a node's own ticks
    return QUIET_LOSS if b":quiet." in name else LOSS


async def _lift(stand: Stand) -> None:
    await stand.lifted()
    await stand.healed(HEAL_S)
