"""A bucket never gives more than its rate in the long run, and never keeps anyone out for good."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
import pytest

from broker.core.bucket import Bucket

RATES = st.floats(0.1, 10_000)
STEPS = st.lists(st.tuples(st.floats(0, 5), st.floats(0.01, 20_000)), min_size=1, max_size=60)


def test_a_second_of_the_rate_may_be_taken_at_once() -> None:
    """A new bucket is full; once it is empty there is a wait."""
    bucket = Bucket(10, now=0)
    for _ in range(10):
        assert 0 == bucket.wait_s(0)
        bucket.take(1, 0)
    assert 0.1 == pytest.approx(bucket.wait_s(0))
    assert 0 == bucket.wait_s(0.11)


def test_a_batch_larger_than_the_rate_passes_and_is_paid_for() -> None:
    """Whoever takes a hundred seconds' worth gets nothing more for a hundred seconds."""
    bucket = Bucket(10, now=0)
    bucket.take(1000, 0)
    assert 99.1 == pytest.approx(bucket.wait_s(0))
    assert 0 < bucket.wait_s(99.0)
    assert 0 == bucket.wait_s(99.2)


@given(RATES, STEPS)
def test_what_is_taken_stays_within_the_rate(rate: float, steps: list[tuple[float, float]]) -> None:
    """All that was taken is what the time gave, a second's worth, and the last amount at most."""
    bucket = Bucket(rate, now=0)
    now = taken = last = 0.0
    for pause, amount in steps:
        now += pause
        if bucket.wait_s(now) == 0:
            bucket.take(amount, now)
            taken, last = taken + amount, amount
    assert taken <= (rate * now + max(1, rate)) * (1 + 1e-6) + last


@given(RATES, STEPS)
def test_whoever_waits_as_long_as_told_is_served(
    rate: float, steps: list[tuple[float, float]]
) -> None:
    """After the wait that it names, something may be taken."""
    bucket = Bucket(rate, now=0)
    now = 0.0
    for _, amount in steps:
        now += bucket.wait_s(now) * (1 + 1e-6) + 1e-6
        assert 0 == bucket.wait_s(now)
        bucket.take(amount, now)


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=30))
def test_a_clock_that_goes_back_gives_nothing(times: list[float]) -> None:
    """Time that has been counted once is not counted again."""
    bucket, steady = Bucket(10, now=0), Bucket(10, now=0)
    bucket.take(1000, 0)
    steady.take(1000, 0)
    for now in times:
        bucket.take(0, now)
    latest = max(0.0, *times)
    assert steady.wait_s(latest) == pytest.approx(bucket.wait_s(latest), abs=1e-9)
