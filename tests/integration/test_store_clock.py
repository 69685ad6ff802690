"""The store's clock steps, and the store that comes back with less than it had (P5)."""

from __future__ import annotations

from collections.abc import Callable
import asyncio

from broker.core.cursor import START, Cursor
from broker.core.ring import Retention
from broker.store.base import Lookup
from tests.conformance.store_subjects import publication
from tests.support.stepped import SteppedServer
from tests.support.store_nodes import Connect, Storm, is_rising
from tests.support.stores import StoreServer
from tests.support.waiting import eventually

HOUR_S = 3600


async def test_p5_the_clock_steps_an_hour_back_under_publishing(
    start_stepped: Callable[..., SteppedServer], connect: Connect
) -> None:
    """Cursors go on from the last one, though the clock is an hour behind; nothing is lost."""
    server = start_stepped()
    node, stranger = await connect(server.unix_url), await connect(server.unix_url)
    async with Storm(node) as storm:
        await eventually(lambda: len(storm.stamps) > 50)
        server.step(-HOUR_S)
        await eventually(lambda: server.time < storm.stamps[-1].cursor.time - HOUR_S / 2)
        before = len(storm.stamps)
        await eventually(lambda: len(storm.stamps) > before + 50)
    stamp = await stranger.stamp(b"last")
    assert stamp.cursor > storm.stamps[-1].cursor
    assert stamp.cursor.time - storm.stamps[0].cursor.time < HOUR_S / 2
    history = await node.history()
    assert [*storm.bodies, b"last"] == [message.body for message in history.messages]
    assert is_rising(history.messages)
    tick = await node.listener.tick("main", START)
    assert tick >= stamp.cursor
    assert history.messages == node.recorder.messages
    resumed = await stranger.history(storm.stamps[10].cursor)
    assert (False, history.messages[11:]) == (resumed.gap, resumed.messages)


async def test_p3_p5_the_clock_steps_an_hour_forward_and_back(
    start_stepped: Callable[..., SteppedServer], connect: Connect
) -> None:
    """What is an hour old then is gone, and said so; cursors stay ahead when the clock returns."""
    server = start_stepped()
    node = await connect(server.unix_url)
    first = await node.stamp(b"1")
    long = publication("b", b"kept", retention=Retention(10, 3 * HOUR_S))
    await node.store.publish("main", [long], START)
    server.step(HOUR_S + 60)
    await eventually(lambda: server.time > first.cursor.time + HOUR_S)
    ahead = await node.stamp(b"2")
    assert ahead.cursor.time > first.cursor.time + HOUR_S
    history = await node.history(Cursor(first.cursor.time, 0))
    assert (True, [b"2"]) == (history.gap, [message.body for message in history.messages])
    (kept,) = await node.store.read("main", [Lookup("b", START)], 10, START)
    assert [b"kept"] == [message.body for message in kept.messages]
    server.step(0)
    await eventually(lambda: server.time < ahead.cursor.time - HOUR_S / 2)
    back = await node.stamp(b"3")
    assert Cursor(ahead.cursor.time, ahead.cursor.tag + 1) == back.cursor
    resumed = await node.history(ahead.cursor)
    assert (False, [b"3"]) == (resumed.gap, [message.body for message in resumed.messages])
    await node.listener.tick("main", START)
    assert [b"1", b"2", b"3"] == node.recorder.bodies


async def test_p5_a_store_that_comes_back_older_gives_no_cursor_back(
    start_store: Callable[..., StoreServer], connect: Connect
) -> None:
    """A server that restarts from an old snapshot, within a second, goes on behind what it lost."""
    server = start_store("--save", "3600 1000000")
    node = await connect(server.unix_url)
    # A second that lasts: the clock of the machine comes nowhere near it.
    await node.stamp(b"kept", floor=Cursor(2_000_000_000, 5))
    await node.stamp(b"kept", tenant="other")
    server.command("SAVE")
    lost = [await node.stamp(b"lost") for _ in range(10)]
    lost_elsewhere = await node.stamp(b"lost", tenant="other")
    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)
    stranger = await connect(server.unix_url)
    # Reading and ticking first must not hide that the server has come back older.
    await stranger.history()
    await stranger.listener.tick("main", START)
    found = await stranger.stamp(b"new")
    assert found.cursor > lost[-1].cursor
    assert (lost[0].id, 2_000_000_000) == (found.id, found.cursor.time)
    assert (await stranger.stamp(b"new", tenant="other")).cursor > lost_elsewhere.cursor
    assert [b"kept", b"new"] == await stranger.bodies()
    again = await stranger.stamp(b"newer")
    assert found.cursor.tag + 1 == again.cursor.tag
