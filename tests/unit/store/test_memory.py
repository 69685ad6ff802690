"""What the store in memory forgets."""

from __future__ import annotations

from broker.core.cursor import START, Cursor
from broker.core.message import Draft
from broker.core.ring import Retention
from broker.store.base import Publication, Stored
from broker.store.memory import MemoryStore
from broker.store.options import StoreOptions


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def publication(channel: str, key: str = "") -> Publication:
    """Return a publication of one message."""
    return Publication([Draft(channel, b"1")], [Retention(10, 60)], key)


async def test_idempotency_keys_are_forgotten() -> None:
    """After its time a key stores again, and takes no memory meanwhile."""
    clock = Clock()
    store = MemoryStore(clock, StoreOptions(idempotency_ttl_s=60))
    keyed = publication("a", "k")
    repeats = []
    for step in (0, 59, 1, 59):
        clock.now += step
        (outcome,) = await store.publish("main", [keyed], START)
        assert isinstance(outcome, Stored)
        repeats.append(outcome.repeated)
    assert [False, True, False, True] == repeats
    clock.now += 60
    await store.info("main", "a")
    assert not store._tenants["main"].once


async def test_silent_channels_are_forgotten() -> None:
    """Only channels with a message in the time to live take memory."""
    clock = Clock()
    store = MemoryStore(clock, StoreOptions(channel_ttl_s=100))
    for number in range(1000):
        clock.now += 1
        await store.publish("main", [publication(f"c{number}"), publication("busy")], START)
    known = [info.channel for info in await store.channels("main", "", 2000)]
    assert len(known) == 102
    assert {"busy", "c899", "c999"} <= set(known)


async def test_the_clock_gives_time_and_first_tag() -> None:
    """The first tag of a tenant holds the microsecond, and later seconds count from one."""
    clock = Clock()
    clock.now = 1000.25
    store = MemoryStore(clock)
    (first,) = await store.publish("main", [publication("a")], START)
    clock.now = 1001.75
    (second,) = await store.publish("main", [publication("a")], START)
    clock.now = 900.0
    (third,) = await store.publish("main", [publication("a")], START)
    assert [Cursor(1000, 1_250_001), Cursor(1001, 1), Cursor(1001, 2)] == [
        outcome.stamps[0].cursor
        for outcome in (first, second, third)
        if isinstance(outcome, Stored)
    ]
