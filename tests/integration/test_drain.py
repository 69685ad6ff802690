"""A node that stops tells everybody, whenever they came, and leaves no connection open."""

from __future__ import annotations

from bisect import bisect_left
import asyncio
import json

import pytest

from broker.core.cursor import START, Cursor
from broker.core.errors import BrokerError
from broker.core.session import Session
from tests.support.clock import JumpingLoop
from tests.support.node import RunningNode, running_node
from tests.support.outlets import LineEncoder, RecordingOutlet
from tests.support.slow import SlowStore
from tests.support.subscribers import UPGRADE, WebSocket
from tests.support.waiting import eventually
from tests.support.wire import Http, connect, connected, subscription

CHANNEL = "chat.1"


async def open_when_draining(node: RunningNode, store: SlowStore) -> None:
    """Let the store answer once the node has begun to stop."""
    await eventually(lambda: node.node.draining, what="the node stops")
    store.gate.set()


async def asking(node: RunningNode, store: SlowStore) -> Http:
    """Send a WebSocket's request, and wait until it waits for the store."""
    http = await connect(node.public)
    before = store.waiting
    await http.send(subscription("websocket", [CHANNEL], Cursor(1, 1)), UPGRADE)
    await eventually(lambda: store.waiting > before, what="the store is asked")
    return http


@pytest.mark.parametrize("drain_s", [0.0, 0.2])
async def test_P4_who_is_let_in_while_the_node_stops_is_told_its_cursor(drain_s: float) -> None:
    """Its request was waiting for the store when the drain began, or even when it was over."""
    store = SlowStore()
    async with running_node(store, drain_s=drain_s) as node:
        store.gate.set()
        async with node.websocket([CHANNEL + "x"]) as first:
            store.gate.clear()
            http = await asking(node, store)
            opening = asyncio.create_task(open_when_draining(node, store))
            stopping = asyncio.create_task(node.node.stop())
            late = WebSocket(http, await http.head())
            for subscriber in (first, late):
                frame = await subscriber.closing()
                assert 3503 == frame.code
                assert {"cursor", "retry_after"} == json.loads(frame.reason).keys()
            await asyncio.gather(opening, stopping)
            await http.close()


async def test_idle_connections_are_closed() -> None:
    """Of polls, of publishers, and of who has sent nothing yet."""
    async with running_node() as node:
        https = [await connect(url) for url in (node.public, node.internal, node.public)]
        assert 304 == (await https[0].ask(subscription("shortpoll", [CHANNEL]))).status
        assert 200 == (await https[1].ask("/publish/chat.1", method="POST", body=b"1")).status
    for http in https:
        assert b"" == await http.ended()
        await http.close()


async def test_a_held_poll_is_answered_and_closed() -> None:
    """It gets its cursor and the time to come back, and nothing follows."""
    async with running_node() as node, connected(node.public) as http:
        await http.send(subscription("longpoll", [CHANNEL], await node.now([CHANNEL])))
        await eventually(lambda: node.sessions == 1, what="the poll is held")
        stopping = asyncio.create_task(node.node.stop())
        answer = await http.answer()
        assert 503 == answer.status
        assert {"ETag", "Last-Modified", "Retry-After"} <= answer.headers.keys()
        assert b"" == await http.ended()
        await stopping


class Leaving(Session):
    """
    A session without a connection, which notes when it is sent away.

    Args:
        node: Where it is attached.
        ends: When sessions were sent away, in loop time.
    """

    def __init__(self, node: RunningNode, ends: list[float]) -> None:
        attendance, hub = node.node.attendance, node.node.hub
        super().__init__(RecordingOutlet(), None, notices=False, farewell=attendance.leave)
        self._ends = ends
        attendance.join(self)
        hub.feed(hub.tenant("main"), (), LineEncoder()).attach(self, START)

    def end(self, error: BrokerError | None, retry_after_s: float | None = None) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, JumpingLoop)
        self._ends.append(loop.time())
        if len(self._ends) == 20:
            loop.advance(3.0)
        super().end(error, retry_after_s)


@pytest.mark.jumping
async def test_a_stall_does_not_bunch_those_who_are_sent_away() -> None:
    """What a stall of three seconds has delayed goes over the time that is left, not at once."""
    ends: list[float] = []
    async with running_node(drain_s=8.0) as node:
        for _ in range(80):
            Leaving(node, ends)
    assert 80 == len(ends)
    assert 7 < ends[-1] - ends[0] < 9
    most = max(bisect_left(ends, at + 1.0) - place for place, at in enumerate(ends))
    assert most <= 25  # twenty a second from then on
