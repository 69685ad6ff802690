"""Rings keep to their memory, and the least used give way first."""

from __future__ import annotations

from broker.core.ring import Retention
from broker.hub.budget import Budget
from broker.hub.channel import Channel
from tests.support.messages import at, chain


def make(limit_bytes: int, count: int) -> tuple[Budget, list[Channel]]:
    """Return a budget and channels of ten messages each, the first used longest ago."""
    channels: list[Channel] = []
    budget = Budget(limit_bytes, lambda: ((channel, 1000) for channel in channels))
    for number in range(count):
        channel = Channel(f"c{number}", Retention(100, 60), at(0), budget.tally)
        channel.extend(chain(channel.name, *range(1, 11)))
        channel.release()
        channel.used_at = number
        channels.append(channel)
    return budget, channels


def test_nothing_is_dropped_within_the_budget() -> None:
    """Rings stay as they are, and nobody looks through them for size."""
    budget, channels = make(10**6, 5)
    budget.keep()
    assert [10] * 5 == [len(channel.ring) for channel in channels]
    assert 0 == budget.sheds


def test_the_least_used_rings_go_first() -> None:
    """So many as bring it a little below the budget, so that the next message needs no more."""
    budget, channels = make(20_000, 10)
    each_bytes = channels[0].memory_bytes
    channels[0].used_at = 99
    budget.keep()
    kept = [channel for channel in channels if len(channel.ring)]
    assert [channels[0], *channels[-len(kept) + 1 :]] == kept
    assert len(kept) * each_bytes == budget.tally.bytes <= 18_000
    assert (len(kept) + 1) * each_bytes > 18_000
    assert 1 == budget.sheds


def test_a_ring_that_is_being_synchronised_stays() -> None:
    """It would only be read once more."""
    budget, channels = make(100, 2)
    channels[0].hold(at(10))
    budget.keep()
    assert [10, 0] == [len(channel.ring) for channel in channels]


def test_old_messages_go_in_turns() -> None:
    """Every channel is visited within a few calls, however many there are."""
    channels: list[Channel] = []
    budget = Budget(10**9, lambda: ((channel, 5000) for channel in channels))
    for number in range(1200):
        channel = Channel(f"c{number}", Retention(100, 60), at(0), budget.tally)
        channel.extend(chain(channel.name, 1))
        channels.append(channel)
    for _ in range(4):
        budget.keep()
    assert 0 == budget.tally.bytes
