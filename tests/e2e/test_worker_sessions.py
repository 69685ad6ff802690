"""Sessions of several worker processes: whichever answers, it lists and ends those of all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any, NamedTuple
import json
import os
import signal

import pytest

from tests.support.broker import BrokerProcess, serving
from tests.support.subscribers import WebSocket, websocket
from tests.support.waiting import eventually
from tests.support.wire import Http, connected, subscription

CHANNEL = "conversation.100"

MOST = 64
"""Subscribers until each worker has one: the kernel spreads them evenly."""


class Stage(NamedTuple):
    """
    A broker with two workers, each of which has subscribers.

    Attributes:
        http: Connection to one worker, which keeps answering it.
        asked: Name of that worker's node.
        sockets: The subscribers.
    """

    http: Http
    asked: str
    sockets: list[WebSocket]

    async def ask(self, target: str, status: int = 200, method: str = "GET") -> dict[str, Any]:
        """Ask the one worker."""
        answer = await self.http.ask(target, method=method)
        assert status == answer.status, answer
        told: dict[str, Any] = json.loads(answer.body)
        return told

    async def rows(self) -> list[dict[str, Any]]:
        """Return the sessions of all workers."""
        told = await self.ask("/sessions?limit=1000")
        rows: list[dict[str, Any]] = told["sessions"]
        return rows

    async def elsewhere(self) -> dict[str, Any]:
        """Return a session of the other worker."""
        return next(row for row in await self.rows() if row["node"] != self.asked)


@pytest.fixture(scope="module")
def workers() -> Iterator[BrokerProcess]:
    """Give one broker with two workers to all these tests."""
    with serving("--workers", "2", "--drain-s", "0") as broker:
        yield broker


@pytest.fixture
async def stage(workers: BrokerProcess) -> AsyncIterator[Stage]:
    """Subscribe until both workers have somebody."""
    async with AsyncExitStack() as stack:
        token = workers.token(app_id="100", role="operator")
        target = subscription("websocket", [CHANNEL], None, token)
        http = await stack.enter_async_context(connected(workers.internal))
        asked = json.loads((await http.ask("/sessions")).body)["node"]
        stage = Stage(http, asked, [])
        await eventually(lambda: _two_nodes(stage), 20.0)
        for _ in range(MOST):
            stage.sockets.append(await stack.enter_async_context(websocket(workers.public, target)))
            nodes = {row["node"] for row in await stage.rows()}
            if len(nodes) == 2 and len(stage.sockets) >= 4:
                break
        yield stage


async def _two_nodes(stage: Stage) -> bool:
    return len((await stage.ask("/nodes"))["nodes"]) == 2


async def test_sessions_of_every_worker_are_listed_and_ended(stage: Stage) -> None:
    """One of the other worker as well as one's own; one that is not there is 404, and said so."""
    rows = await stage.rows()
    assert len(stage.sockets) == len(rows)
    assert 2 == len({row["node"] for row in rows})
    shares = {row["node"]: row["subscribers"] for row in (await stage.ask("/nodes"))["nodes"]}
    for node, share in shares.items():
        told = await stage.ask(f"/sessions?node={node}&limit=1000")
        assert share == len(told["sessions"])
        assert told["complete"]
    row = await stage.elsewhere()
    target = f"/sessions/{row['session']}"
    assert {"ended": row["session"]} == await stage.ask(target, method="DELETE")
    left = {each["session"] for each in rows} - {row["session"]}
    assert left == {each["session"] for each in await stage.rows()}
    refused = await stage.ask(target, 404, "DELETE")
    assert "there is no session" in refused["detail"]
    refused = await stage.ask("/sessions/unheard-of", 404, "DELETE")
    assert "unheard-of" in refused["detail"]


async def test_a_worker_that_does_not_answer_is_named(stage: Stage) -> None:
    """What it has is missing, which is said; once it goes on, everything is there again."""
    row = await stage.elsewhere()
    nodes = (await stage.ask("/nodes"))["nodes"]
    stuck = next(each for each in nodes if each["node"] == row["node"])
    os.kill(stuck["pid"], signal.SIGSTOP)
    try:
        for _ in range(2):
            told = await stage.ask("/sessions")
            named = [{name: stuck[name] for name in ("node", "host", "pid")}]
            assert (False, named) == (told["complete"], told["silent"])
            assert {stage.asked} == {each["node"] for each in told["sessions"]}
        refused = await stage.ask(f"/sessions/{row['session']}", 503, "DELETE")
        assert f"process {stuck['pid']}" in refused["detail"]
        assert [stuck["pid"]] == [each["pid"] for each in (await stage.ask("/nodes"))["silent"]]
    finally:
        os.kill(stuck["pid"], signal.SIGCONT)

    async def is_whole() -> bool:
        return not (await stage.ask("/sessions"))["silent"] and await _two_nodes(stage)

    await eventually(is_whole, 20.0)
