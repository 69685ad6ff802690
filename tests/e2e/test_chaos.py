"""The chaos suite in its short form: fewer faults, fewer subscribers than `make chaos`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.chaos.campaign import run_one
from tests.chaos.matrix import SHORT
from tests.chaos.report import line
from tests.chaos.slow import stall
from tests.chaos.soak import SETUP, soak
from tests.chaos.stand import Setup
from tests.chaos.storm import resume_storm

SMALL = Setup(
    crowd={"websocket": 30, "eventsource": 8, "stream": 6, "longpoll": 10, "shortpoll": 6},
    rate=400.0,
    channels=20,
    quiet=4,
)


@pytest.mark.slow
async def test_P7_nothing_is_lost_repeated_or_reordered_whatever_breaks() -> None:
    """Killed nodes and stores, cut and half-open connections: nobody misses anything."""
    outcome = await run_one(SHORT, SMALL, calm_s=1.0)
    assert [] == list(outcome.wrong), (line(outcome), outcome.examples)
    assert SMALL.subscribers == outcome.subscribers
    assert outcome.published > 3000


@pytest.mark.slow
async def test_P2_a_resume_storm_reads_each_channel_twice_at_most() -> None:
    """Everybody who comes back at once gets what was missed; the store hears of each channel."""
    result = await resume_storm(returners=500, channels=20, missed=50)
    assert [] == result.faults
    assert 20 <= result.reads


@pytest.mark.slow
async def test_P8_stalled_subscribers_get_what_the_ring_holds_or_their_gap() -> None:
    """Whoever stalled gets a gap that ends where the ring begins, and everything behind it."""
    result = await stall(healthy=20, stalled=50, rate=800, seconds=4, alone_s=0)
    assert result.sound
    assert [] == result.broken
    assert 50 == result.complete == result.told
    assert [result.wanted_jump] == result.jumps
    assert result.grown_bytes < 50 * 128 * 1024


@pytest.mark.slow
async def test_mixed_load_leaves_no_fault() -> None:
    """A short run under mixed load, with subscribers who come and go, delivers everything."""
    result = await soak(0.05, replace(SETUP, crowd={"websocket": 10, "longpoll": 5}))
    assert [] == result.faults
    assert 3 < result.visitors
    assert {"node 1", "node 2", "nodes together", "store"} == set(result.growth.seen)
