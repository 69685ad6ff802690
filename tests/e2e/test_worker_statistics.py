"""Statistics of several worker processes: whichever answers, it counts all of them."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any
import json
import os
import signal

from tests.support.broker import BrokerProcess
from tests.support.subscribers import websocket
from tests.support.waiting import eventually
from tests.support.wire import connected, subscription

CHANNEL = "conversation.100"
SUBSCRIBERS = 12


async def ask(broker: BrokerProcess, target: str) -> dict[str, Any]:
    """Ask one of the workers, whichever takes the connection."""
    async with connected(broker.internal) as http:
        answer = await http.ask(target)
    assert 200 == answer.status, answer
    told: dict[str, Any] = json.loads(answer.body)
    return told


async def test_each_worker_counts_all_of_them() -> None:
    """In a summary with a row for each, by channel, and again after one was killed."""
    async with BrokerProcess("--workers", "2") as broker, AsyncExitStack() as stack:
        token = broker.token(app_id="100", role="operator")
        target = subscription("websocket", [CHANNEL], None, token)
        for _ in range(SUBSCRIBERS):
            await stack.enter_async_context(websocket(broker.public, target))
        for _ in range(8):
            told = await ask(broker, "/channels-stats")
            assert SUBSCRIBERS == told["subscribers"]
            assert 2 == len({worker["pid"] for worker in told["by_worker"]})
            assert SUBSCRIBERS == (await ask(broker, f"/pub?id={CHANNEL}"))["subscribers"]
        told = await ask(broker, "/channels-stats")
        shares = {worker["pid"]: worker["subscribers"] for worker in told["by_worker"]}
        dead = next(iter(shares))
        os.kill(int(dead), signal.SIGKILL)

        async def one_is_replaced() -> bool:
            try:
                rows = (await ask(broker, "/channels-stats"))["by_worker"]
            except (OSError, EOFError):  # it took the connection before it died
                return False
            return len(rows) == 2 and dead not in {row["pid"] for row in rows}

        await eventually(one_is_replaced, 20.0)
        assert SUBSCRIBERS - shares[dead] == (await ask(broker, "/channels-stats"))["subscribers"]
