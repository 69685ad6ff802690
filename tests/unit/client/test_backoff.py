"""How long a client waits before it comes back."""

from __future__ import annotations

from collections.abc import Callable
import random

import pytest

from broker.client.backoff import STEADY_S, Backoff
from broker.client.options import ClientOptions


def longest(low: float, high: float) -> float:
    """Choose the longest wait."""
    return high


def shortest(low: float, high: float) -> float:
    """Choose the shortest wait."""
    return low


@pytest.mark.parametrize(("choose", "waits"), [(shortest, [0, 20, 20]), (longest, [1, 30, 30])])
def test_d49_waits_are_20_to_30_seconds_after_a_quick_one(
    choose: Callable[[float, float], float], waits: list[float]
) -> None:
    """The first retry is quick, every further one takes 20 to 30 seconds."""
    backoff = Backoff(ClientOptions(), choose)
    assert waits == [backoff.next_s() for _ in waits]


def test_waits_are_spread() -> None:
    """A crowd that lost its broker comes back over the whole time."""
    chance = random.Random(7)
    waits = []
    for _ in range(200):
        backoff = Backoff(ClientOptions(), chance.uniform)
        backoff.next_s()
        waits.append(backoff.next_s())
    assert all(any(low <= wait < low + 1 for wait in waits) for low in range(20, 30))


def test_a_connection_that_held_earns_a_quick_retry() -> None:
    """One that breaks off at once does not: it would be made anew for ever."""
    backoff = Backoff(ClientOptions(), longest)
    backoff.next_s()
    backoff.held(STEADY_S - 0.1)
    assert 30 == backoff.next_s()
    backoff.held(STEADY_S)
    assert 1 == backoff.next_s()
    assert 30 == backoff.next_s()


@pytest.mark.parametrize(("asked_s", "wait_s"), [(0.0, 0.0), (23.0, 23.0), (3600.0, 30.0)])
def test_what_the_broker_asks_for_is_heeded(asked_s: float, wait_s: float) -> None:
    """Up to the longest wait of the client's own, and it uses up the quick retry."""
    backoff = Backoff(ClientOptions(), longest)
    assert wait_s == backoff.next_s(asked_s)
    assert 30 == backoff.next_s()


def test_options_that_cannot_work_are_refused() -> None:
    """No transport at all, and waits that are upside down."""
    with pytest.raises(ValueError, match="transports"):
        ClientOptions(transports=())
    with pytest.raises(ValueError, match="retry_s"):
        ClientOptions(retry_s=(30.0, 20.0))
