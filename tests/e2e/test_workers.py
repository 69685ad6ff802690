"""Several workers behind the same ports, watched by a supervisor."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
import os
import signal
import time

import aiohttp

from tests.support.broker import BrokerProcess
from tests.support.subscribers import UPGRADE
from tests.support.waiting import eventually
from tests.support.wire import connected


def workers(supervisor: int) -> set[int]:
    """Return the pids of a supervisor's workers."""
    text = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text(encoding="ascii")
    return {int(pid) for pid in text.split() if "valkey" not in command(int(pid))}


def command(pid: int) -> str:
    """Return the command line of a process, or nothing once it has gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8")
    except OSError:
        return ""


async def publish(session: aiohttp.ClientSession, broker: BrokerProcess, text: str) -> None:
    """Publish a message, over a connection of its own."""
    url = f"{broker.internal}/publish/conversation.100.7"
    async with session.post(url, json={"body": text}, headers={"Connection": "close"}) as answer:
        assert 200 == answer.status


async def test_P1_workers_share_one_stream_and_outlive_one_another() -> None:
    """Whichever worker one comes to, the stream is the same; one that is killed is replaced."""
    async with BrokerProcess("--workers", "2", "--drain-s", "0") as broker:
        first = workers(broker.pid)
        assert 2 == len(first)
        began = int(time.time()) - 1
        victim = min(first)
        async with aiohttp.ClientSession() as session:
            await publish(session, broker, "before")
            os.kill(victim, signal.SIGKILL)
            await eventually(
                lambda: victim not in workers(broker.pid) and 2 == len(workers(broker.pid)),
                what="the worker is replaced",
            )
            await publish(session, broker, "after")
            token = broker.token(sub="7", app_id="100")
            query = f"auth_token={token}&tag=0&time={began}"
            bodies = set()
            for _ in range(8):
                url = f"{broker.public}/shortpoll/conversation.100.7?{query}"
                async with session.get(url, headers={"Connection": "close"}) as answer:
                    bodies.add(await answer.text())
        assert 1 == len(bodies)
        assert 2 == bodies.pop().count("\n")


async def test_a_supervisor_stops_with_its_workers() -> None:
    """SIGTERM ends every process, with exit code 0."""
    async with BrokerProcess("--workers", "2", "--drain-s", "0") as broker:
        pids = workers(broker.pid)
        assert 0 == await broker.stop()
        assert not any(command(pid) for pid in pids)


async def test_workers_end_with_their_supervisor() -> None:
    """A supervisor that is killed leaves nobody behind who would hold its ports."""
    async with BrokerProcess("--workers", "2", "--drain-s", "0") as broker:
        pids = workers(broker.pid)
        assert 2 == len(pids)
        broker.kill()
        await eventually(lambda: not any("serve" in command(pid) for pid in pids), 10)


async def test_workers_that_cannot_start_end_the_supervisor() -> None:
    """A store that cannot be reached is told once, instead of being tried for ever."""
    flags = ("--workers", "2", "--store", "redis://127.0.0.1:1/0", "--store-timeout-s", "1")
    broker = BrokerProcess(*flags)
    try:
        program = broker.run(
            "serve", "--public", "127.0.0.1:0", "--internal", "127.0.0.1:0", *flags
        )
        assert 4 == await program.ended(20)
    finally:
        broker.close()


async def test_workers_share_the_connections_of_the_machine() -> None:
    """The limit on connections holds for all workers together."""
    async with BrokerProcess("--workers", "2", "--max-connections", "4") as broker:
        target = f"/websocket/ping?auth_token={broker.token()}"
        async with AsyncExitStack() as stack:
            statuses = []
            for _ in range(24):
                http = await stack.enter_async_context(connected(broker.public))
                await http.send(target, UPGRADE)
                statuses.append((await http.head()).status)
        assert {101, 503} == set(statuses)
        assert 2 <= statuses.count(101) <= 4
