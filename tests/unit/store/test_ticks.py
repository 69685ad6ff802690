"""Ticks that wait together are one."""

from __future__ import annotations

import asyncio

import pytest

from broker.core.cursor import START, Cursor
from broker.core.errors import StoreUnavailable
from broker.store.ticks import Ticks


class Clock:
    """Answers ticks when it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Cursor]] = []
        self.answers: list[asyncio.Future[Cursor]] = []

    async def ask(self, tenant: str, floor: Cursor) -> Cursor:
        self.asked.append((tenant, floor))
        self.answers.append(asyncio.get_running_loop().create_future())
        return await self.answers[-1]


async def turns() -> None:
    """Let everything that can run do so."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_all_who_wait_share_one() -> None:
    """Wishes of one turn are one call, with the highest of their floors."""
    clock = Clock()
    ticks = Ticks(clock.ask)
    floors = [Cursor(1, 1), Cursor(9, 9), START]
    waiting = [asyncio.create_task(ticks.tick("one", floor)) for floor in floors]
    await turns()
    assert [("one", Cursor(9, 9))] == clock.asked
    clock.answers[0].set_result(Cursor(10, 0))
    assert [Cursor(10, 0)] * 3 == await asyncio.gather(*waiting)


async def test_a_tick_under_way_does_not_count() -> None:
    """Who comes while a tick is under way waits for the next, and shares that."""
    clock = Clock()
    ticks = Ticks(clock.ask)
    first = asyncio.create_task(ticks.tick("one", START))
    await turns()
    later = [asyncio.create_task(ticks.tick("one", START)) for _ in range(3)]
    await turns()
    clock.answers[0].set_result(Cursor(1, 0))
    await turns()
    assert await first == Cursor(1, 0)
    assert not any(task.done() for task in later)
    clock.answers[1].set_result(Cursor(2, 0))
    assert [Cursor(2, 0)] * 3 == await asyncio.gather(*later)
    assert len(clock.asked) == 2


async def test_tenants_tick_apart() -> None:
    """A tick of one tenant does not wait for that of another."""
    clock = Clock()
    ticks = Ticks(clock.ask)
    waiting = [asyncio.create_task(ticks.tick(tenant, START)) for tenant in ("one", "two")]
    await turns()
    assert [("one", START), ("two", START)] == clock.asked
    for answer in clock.answers:
        answer.set_result(Cursor(1, 0))
    await asyncio.gather(*waiting)


async def test_who_gives_up_does_not_take_the_others_along() -> None:
    """A cancelled wish leaves the shared tick to the rest; a failure is theirs all."""
    clock = Clock()
    ticks = Ticks(clock.ask)
    impatient, *patient = [asyncio.create_task(ticks.tick("one", START)) for _ in range(3)]
    await turns()
    impatient.cancel()
    await turns()
    clock.answers[0].set_exception(StoreUnavailable("gone"))
    for task in patient:
        with pytest.raises(StoreUnavailable, match="gone"):
            await task
    assert impatient.cancelled()
    again = asyncio.create_task(ticks.tick("one", START))
    await turns()
    clock.answers[1].set_result(Cursor(3, 0))
    assert await again == Cursor(3, 0)


async def test_closing_fails_all_who_wait() -> None:
    """Neither the tick under way nor the next is waited for any longer."""
    clock = Clock()
    ticks = Ticks(clock.ask)
    first = asyncio.create_task(ticks.tick("one", START))
    await turns()
    second = asyncio.create_task(ticks.tick("one", START))
    await turns()
    await ticks.close()
    for task in (first, second):
        with pytest.raises(StoreUnavailable):
            await task
