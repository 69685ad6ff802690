"""The campaign: scenario after scenario, each on a fresh stand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
import asyncio
import time

from tests.chaos.matrix import Scenario
from tests.chaos.outcome import Outcome, conclude, drain_peak
from tests.chaos.stand import DRAIN_S, Setup, Stand

WARM_UP_S = 3.0
"""Undisturbed time before the first fault."""

CALM_S = 2.0
"""Undisturbed time behind each fault."""


def run(scenarios: Iterable[Scenario], setup: Setup) -> Iterator[Outcome]:
    """Run scenarios and give the outcome of each as soon as it is there."""
    for scenario in scenarios:
        yield asyncio.run(run_one(scenario, setup))


async def run_one(scenario: Scenario, setup: Setup, calm_s: float = CALM_S) -> Outcome:
    """Run one scenario."""
    began = time.monotonic()
    setup = replace(setup, linked=scenario.linked, nodes=scenario.nodes)
    async with Stand(setup, scenario.topology()) as stand:
        await stand.begin()
        await asyncio.sleep(WARM_UP_S)
        for _ in range(scenario.rounds):
            for fault in scenario.faults:
                await fault(stand)
                await asyncio.sleep(calm_s)
        press, crowd = await stand.finish()
        complaints = stand.complaints
    return conclude(
        scenario,
        press,
        crowd,
        seconds=time.monotonic() - began,
        complaints=complaints,
        dropped=sum(link.dropped for link in stand.links),
        drain_peak=drain_peak(stand.drains, crowd["arrivals"], DRAIN_S),
    )
