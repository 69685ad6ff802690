"""The load generator against a server that makes known mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any
import asyncio
import json
import shutil

import pytest

from benchmarks.program import LoadProgram
from tests.unit.benchmarks.faulty_server import FaultyServer, Mistake, Subscription, faithful

RUN_S = 20

pytestmark = pytest.mark.skipif(
    shutil.which("cc") is None or shutil.which("make") is None,
    reason="the load generator needs a C compiler and make",
)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The load generator, built."""
    directory = tmp_path_factory.mktemp("load")
    LoadProgram.build(directory)
    return directory / "load"


async def measure(program: Path, *words: str) -> dict[str, Any]:
    """Run the load generator and return what it prints."""
    process = await asyncio.create_subprocess_exec(
        str(program),
        *("--settle", "0.05", "--grace", "0.4", "--limit", "10", *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), RUN_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, err.decode()
    result: dict[str, Any] = json.loads(out)
    return result


async def fan_out(program: Path, mistake: Mistake, *words: str) -> dict[str, Any]:
    """Publish 20 messages to 3 subscribers of a server that makes a mistake."""
    async with FaultyServer(mistake) as address:
        return await measure(
            program,
            *("--subscribe", f"{address}/ws/{{channels}}", "--subscribers", "3"),
            *("--publish", f"{address}/pub/{{channel}}", "--messages", "20"),
            *words,
        )


@pytest.mark.parametrize(
    ("transport", "path"), [("websocket", "ws"), ("stream", "sse"), ("longpoll", "poll")]
)
async def test_sound(program: Path, transport: str, path: str) -> None:
    """A server without mistakes is found sound on every transport."""
    async with FaultyServer() as address:
        result = await measure(
            program,
            *("--transport", transport, "--subscribe", f"{address}/{path}/{{channels}}"),
            *("--subscribers", "5", "--publish", f"{address}/pub/{{channel}}", "--messages", "40"),
        )

    assert result["sound"]
    assert 200 == result["subscribers"]["delivered"]
    assert 200 == result["publish"]["delivered"]
    assert 40 == result["published"]["accepted"]


@pytest.mark.parametrize(("transport", "path"), [("websocket", "ws"), ("stream", "sse")])
@pytest.mark.parametrize("piece", [1, 7, 100])
async def test_pieces(program: Path, transport: str, path: str, piece: int) -> None:
    """Frames and chunks are understood however they are cut on the way."""
    async with FaultyServer(piece=piece) as address:
        result = await measure(
            program,
            *("--transport", transport, "--subscribe", f"{address}/{path}/{{channels}}"),
            *("--subscribers", "2", "--publish", f"{address}/pub/{{channel}}", "--messages", "10"),
        )

    assert result["sound"]
    assert 20 == result["subscribers"]["delivered"]


async def test_loss(program: Path) -> None:
    """A message kept from one subscriber is one lost."""

    def drop(subscription: Subscription, rank: int, message: bytes) -> list[bytes]:
        return [] if (subscription.number, rank) == (1, 7) else [message]

    result = await fan_out(program, drop)

    assert not result["sound"]
    assert 1 == result["subscribers"]["lost"]
    assert 59 == result["subscribers"]["delivered"]


async def test_loss_at_the_end(program: Path) -> None:
    """A last message that never comes is lost as well."""

    def drop(_: Subscription, rank: int, message: bytes) -> list[bytes]:
        return [] if rank == 19 else [message]

    result = await fan_out(program, drop)

    assert not result["sound"]
    assert 3 == result["subscribers"]["lost"]


async def test_repetition(program: Path) -> None:
    """A message sent twice is one repeated, and not one more delivered."""

    def repeat(subscription: Subscription, rank: int, message: bytes) -> list[bytes]:
        return [message] * (1 + ((subscription.number, rank) == (2, 3)))

    result = await fan_out(program, repeat)

    assert not result["sound"]
    assert 1 == result["subscribers"]["repeated"]
    assert 60 == result["subscribers"]["delivered"]


async def test_order(program: Path) -> None:
    """Two messages that change places are one late and none lost."""

    def swap(subscription: Subscription, rank: int, message: bytes) -> list[bytes]:
        if (subscription.number, rank) == (0, 4):
            subscription.kept.append(message)
            return []
        return [message, *([subscription.kept.pop()] if subscription.kept else [])]

    result = await fan_out(program, swap)

    assert not result["sound"]
    assert 1 == result["subscribers"]["late"]
    assert 0 == result["subscribers"]["lost"]
    assert 60 == result["subscribers"]["delivered"]


@pytest.mark.parametrize("place", [10, 17, 25, 35, 45, 100, 199])
async def test_damage(program: Path, place: int) -> None:
    """One changed byte anywhere in a payload is noticed."""

    def change(subscription: Subscription, rank: int, message: bytes) -> list[bytes]:
        if (subscription.number, rank) != (0, 5):
            return [message]
        other = b"1" if message[place : place + 1] != b"1" else b"2"
        return [message[:place] + other + message[place + 1 :]]

    result = await fan_out(program, change)

    assert not result["sound"]
    assert 1 == result["subscribers"]["damaged"]
    assert 1 == result["subscribers"]["lost"]


async def test_cut_message(program: Path) -> None:
    """A message whose end is missing is damaged, and the next ones are read."""

    def cut(subscription: Subscription, rank: int, message: bytes) -> list[bytes]:
        return [message[:90] if (subscription.number, rank) == (0, 5) else message]

    result = await fan_out(program, cut)

    assert 1 == result["subscribers"]["damaged"]
    assert 59 == result["subscribers"]["delivered"]


async def test_foreign(program: Path) -> None:
    """A message of a channel that a subscriber did not ask for is noticed."""
    seen: list[bytes] = []

    def mix(_: Subscription, __: int, message: bytes) -> list[bytes]:
        seen.append(message)
        return [message, seen[0]] if len(seen) == 6 else [message]

    result = await fan_out(program, mix, "--channels", "3", "--listing", "spread")

    assert not result["sound"]
    assert 1 == result["subscribers"]["foreign"]


async def test_gone(program: Path) -> None:
    """A connection that the server ends is counted, and what it missed is lost."""

    def leave(subscription: Subscription, rank: int, message: bytes) -> list[bytes]:
        if (subscription.number, rank) == (1, 10):
            subscription.writer.close()
        return [message] if rank < 10 or subscription.number != 1 else []

    result = await fan_out(program, leave)

    assert not result["sound"]
    assert 1 == result["subscribers"]["gone"]
    assert 10 == result["subscribers"]["lost"]
    assert "closed" in result["subscribers"]["error"]


async def test_refused(program: Path) -> None:
    """A publish that is not answered 2xx is told."""
    async with FaultyServer(status=503) as address:
        result = await measure(
            program, "--publish", f"{address}/pub/{{channel}}", "--messages", "5"
        )

    assert not result["sound"]
    assert 5 == result["published"]["refused"]
    assert "503" in result["published"]["error"]


async def test_many_publishers(program: Path) -> None:
    """Several connections, requests in flight, batches and channels at once stay in order."""
    async with FaultyServer() as address:
        result = await measure(
            program,
            *("--subscribe", f"{address}/ws/{{channels}}", "--separator", ","),
            *("--subscribers", "6", "--channels", "5", "--per-subscriber", "2"),
            *("--listing", "random", "--publish", f"{address}/pub/{{channel}}"),
            *("--publishers", "3", "--depth", "4", "--messages", "300", "--window", "64"),
        )

    assert result["sound"]
    assert 6 * 2 * 300 // 5 == result["subscribers"]["due"]
    assert result["subscribers"]["due"] == result["subscribers"]["delivered"]


async def test_threads(program: Path) -> None:
    """Subscribers of several threads are checked and counted together."""
    async with FaultyServer() as address:
        result = await measure(
            program,
            *("--subscribe", f"{address}/ws/{{channels}}", "--subscribers", "7", "--threads", "3"),
            *("--publish", f"{address}/pub/{{channel}}", "--messages", "50"),
            *("--storm", f"{address}/ws/{{channels}}?all", "--storm-subscribers", "5"),
        )

    assert result["sound"]
    assert 350 == result["subscribers"]["delivered"]
    assert 250 == result["stormers"]["delivered"]


async def test_batches(program: Path) -> None:
    """Messages of one request are joined by line feeds and counted one by one."""
    async with FaultyServer() as address:
        result = await measure(
            program,
            *("--subscribe", f"{address}/ws/{{channels}}", "--subscribers", "2"),
            *("--publish", f"{address}/pub/{{channel}}", "--batch", "10", "--messages", "50"),
        )

    assert result["sound"]
    assert 5 == result["published"]["requests"]
    assert 50 == result["published"]["accepted"]
    assert 100 == result["subscribers"]["delivered"]


async def test_storm(program: Path) -> None:
    """Latecomers that want the history get all of it, and a hole in it is noticed."""

    def drop(subscription: Subscription, rank: int, message: bytes) -> list[bytes]:
        return [] if (subscription.number, rank) == (4, 2) else [message]

    for mistake, lost in ((faithful, 0), (drop, 1)):
        async with FaultyServer(mistake) as address:
            result = await measure(
                program,
                *("--subscribe", f"{address}/ws/{{channels}}", "--subscribers", "1"),
                *("--publish", f"{address}/pub/{{channel}}", "--messages", "30"),
                *("--storm", f"{address}/ws/{{channels}}?all", "--storm-subscribers", "6"),
            )

        assert lost == result["stormers"]["lost"]
        assert 180 - lost == result["stormers"]["delivered"]
        assert result["storm"]["delivered"] == result["stormers"]["delivered"]


async def test_slow(program: Path) -> None:
    """Slow subscribers read nothing until the end, and then must get everything."""
    async with FaultyServer() as address:
        result = await measure(
            program,
            *("--subscribe", f"{address}/ws/{{channels}}", "--subscribers", "4"),
            *("--slow", "2", "--catch-up", "--publish", f"{address}/pub/{{channel}}"),
            *("--messages", "25"),
        )

    assert result["sound"]
    assert 50 == result["publish"]["delivered"]
    assert 50 == result["catch_up"]["delivered"]


async def test_rate(program: Path) -> None:
    """A rate is kept, and only what was published after the warm-up is measured."""
    async with FaultyServer() as address:
        result = await measure(
            program,
            *("--subscribe", f"{address}/ws/{{channels}}", "--subscribers", "1"),
            *("--publish", f"{address}/pub/{{channel}}", "--rate", "200"),
            *("--warmup", "0.2", "--seconds", "0.5"),
        )

    assert result["sound"]
    assert 100 == pytest.approx(result["published"]["measured"], abs=2)
    assert 140 == pytest.approx(result["published"]["messages"], abs=4)
    assert result["published"]["measured"] == result["subscribers"]["latency"]["count"]


async def test_elsewhere(program: Path) -> None:
    """No address but a loopback one is accepted."""
    process = await asyncio.create_subprocess_exec(
        str(program),
        *("--subscribe", "192.0.2.1:80/ws", "--subscribers", "1"),
        stderr=asyncio.subprocess.PIPE,
    )
    _, err = await asyncio.wait_for(process.communicate(), RUN_S)

    assert 2 == process.returncode
    assert b"loopback" in err
