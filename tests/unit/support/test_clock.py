"""The jumping clock: time passes at once when idle, and never when there is something to do."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from tests.support.clock import JumpingLoop

pytestmark = pytest.mark.jumping


def jumping_loop() -> JumpingLoop:
    """Return the loop of the running test."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, JumpingLoop)
    return loop


async def test_a_long_wait_takes_no_real_time() -> None:
    """A wait of an hour passes on the loop's clock and hardly on the real one."""
    loop, began = jumping_loop(), time.monotonic()
    before, wall = loop.time(), loop.wall()

    await asyncio.sleep(3600)

    assert pytest.approx(3600, abs=1) == loop.time() - before
    assert pytest.approx(3600, abs=1) == loop.wall() - wall
    assert time.monotonic() - began < 2


async def test_timers_fire_in_order() -> None:
    """Timers set in any order fire by their time, none before it."""
    loop = jumping_loop()
    began = loop.time()
    fired: list[tuple[int, bool]] = []

    async def fire_after(delay: int) -> None:
        await asyncio.sleep(delay)
        fired.append((delay, loop.time() - began >= delay))

    await asyncio.gather(*map(fire_after, (30, 10, 20)))

    assert [(10, True), (20, True), (30, True)] == fired


async def test_a_socket_is_served_before_a_timer() -> None:
    """Bytes that are under way arrive before a timeout, however many round trips they take."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    async with asyncio.timeout(1):
        for _ in range(100):
            writer.write(b"hello\n")
            assert b"hello\n" == await reader.readline()
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()


async def test_the_clock_waits_for_threads() -> None:
    """A function in a thread is not overtaken by a timeout that is longer than it takes."""
    never_set = threading.Event()
    slow = asyncio.to_thread(never_set.wait, 0.05)
    assert await asyncio.wait_for(slow, timeout=10) is False


async def test_a_timeout_fires() -> None:
    """What never comes is given up after its timeout, at once."""
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), timeout=25)


async def test_the_clock_moves_by_hand() -> None:
    """Advancing by hand makes due what lies in between."""
    loop = jumping_loop()
    fired = asyncio.Event()
    loop.call_later(5, fired.set)

    loop.advance(6)
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert fired.is_set()
