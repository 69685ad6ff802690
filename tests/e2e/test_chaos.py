"""The chaos suite in its short form: a few faults in a row, fewer subscribers than `make chaos`."""

from __future__ import annotations

import pytest

from tests.chaos.campaign import run_one
from tests.chaos.matrix import SHORT
from tests.chaos.report import line
from tests.chaos.stand import Setup

SMALL = Setup(
    crowd={"websocket": 30, "eventsource": 12, "longpoll": 12, "shortpoll": 6},
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
