"""Mixed load for a long time: whether anything grows that should not."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any
import asyncio
import json
import time

from tests.chaos.growth import Growth, summary
from tests.chaos.process import descriptors, resident_bytes
from tests.chaos.stand import SECRET, Setup, Stand
from tests.chaos.verdict import Verdict
from tests.chaos.visitors import Visitors
from tests.support.broker import BrokerProcess
from tests.support.scrape import Scrape
from tests.support.wire import connected

SETUP = Setup(
    crowd={"websocket": 80, "eventsource": 30, "stream": 10, "longpoll": 40, "shortpoll": 40},
    rate=200.0,
    ring=200,
    flags=(
        *("--idempotency-ttl-s", "60s"),
        *("--known-requests", "500", "--token-cache-size", "500"),
    ),
)
"""
Whatever fills up does so within minutes: rings, and what is remembered of publishers' keys, of
requests and of tokens. With the default bounds, visitors fill the last two for more than an hour.
"""

SAMPLES = 240
"""Looks at every process over a run, about; never more often than `SHORTEST_S`."""

SHORTEST_S = 1.0
LEAVE_S = 5.0
"""Time between two rounds of subscribers who come back."""

LEAVE_SHARE = 0.02
TOGETHER = "nodes together"
"""Who leaves one node goes to another: only their sum stays the same."""

_MIB = 2**20


@dataclass(frozen=True)
class SoakResult:
    """
    What a long run showed.

    Attributes:
        minutes: How long it was.
        subscribers: How many there were.
        rate: Messages a second.
        published: Messages that were accepted.
        visitors: How many came for one message, each with a token and a channel of its own.
        verdict: Faults of delivery.
        growth: What was seen of the processes and the store.
        other: What went wrong besides.
    """

    minutes: float
    subscribers: int
    rate: float
    published: int
    visitors: int
    verdict: Verdict
    growth: Growth
    other: list[str] = field(default_factory=list)

    @property
    def faults(self) -> list[str]:
        """What must not be."""
        faults = [*self.other, *self.growth.faults]
        if self.verdict.is_faulty or self.verdict.told or self.verdict.late:
            faults.append(f"delivery: {self.verdict}")
        return faults

    @property
    def figures(self) -> dict[str, str]:
        """What is to be told of it."""
        return {
            "minutes": f"{self.minutes:g}",
            "subscribers": f"{self.subscribers}, and {self.visitors:,} visitors",
            "published": f"{self.published:,} ({self.rate:g} a second)",
            "delivered": f"{self.verdict.messages:,}, lost {self.verdict.lost}, repeated"
            f" {self.verdict.repeated}, reordered {self.verdict.reordered}",
            **{
                f"{kind} of {name}, by quarter behind the first ten minutes": summary(values)
                for name, kinds in self.growth.warm.items()
                for kind, values in kinds.items()
                if values
            },
        }

    def as_json(self) -> dict[str, Any]:
        """Return it for a report."""
        return {**asdict(self), "faults": self.faults}


async def soak(minutes: float, setup: Setup = SETUP) -> SoakResult:
    """Load a stand for some minutes; a few subscribers leave and come back all the time."""
    growth = Growth()
    async with Stand(setup) as stand:
        await stand.begin()
        visitors = Visitors(stand.nodes, SECRET)
        visiting = asyncio.create_task(visitors.run())
        await _watch(stand, minutes, growth)
        visiting.cancel()
        with suppress(asyncio.CancelledError):
            await visiting
        press, crowd = await stand.finish()
        complaints = stand.complaints[:3]
    return SoakResult(
        minutes=minutes,
        subscribers=setup.subscribers,
        rate=setup.rate,
        published=press["tally"]["accepted"],
        visitors=visitors.came,
        verdict=Verdict(**crowd["verdict"]),
        growth=growth,
        other=[*complaints, *crowd["faults"][:1], *visitors.faults],
    )


async def _watch(stand: Stand, minutes: float, growth: Growth) -> None:
    began = time.monotonic()
    every_s = max(SHORTEST_S, 60 * minutes / SAMPLES)
    leave_at = look_at = 0.0
    while (now := time.monotonic() - began) < 60 * minutes:
        if now >= leave_at:
            await stand.crowd.ask("leave", share=LEAVE_SHARE, away_s=2.0)
            leave_at = now + LEAVE_S
        if now >= look_at:
            with suppress(TimeoutError):  # a busy machine: the next look will do
                growth.note(now / 60, await _look(stand))
            look_at = now + every_s
        await asyncio.sleep(min(every_s, LEAVE_S) / 2)


async def _look(stand: Stand) -> dict[str, dict[str, float]]:
    together = {"descriptors": 0.0, "tasks": 0.0, "sessions": 0.0}
    looks: dict[str, dict[str, float]] = {}
    for number, node in enumerate(stand.nodes, 1):
        told = await _metrics(node)
        looks[f"node {number}"] = {"resident, MiB": resident_bytes(node.pid) / _MIB}
        together["descriptors"] += descriptors(node.pid)
        together["tasks"] += told("loop_tasks", worker="0")
        together["sessions"] += await _sessions(node)
    looks[TOGETHER] = together
    looks["store"] = {
        "keys": await asyncio.to_thread(stand.topology.keys),
        "resident, MiB": sum(resident_bytes(pid) for pid in stand.topology.pids()) / _MIB,
    }
    return looks


async def _metrics(node: BrokerProcess) -> Scrape:
    async with connected(node.internal) as http:
        answer = await http.ask("/metrics")
    return Scrape(answer.body.decode())


async def _sessions(node: BrokerProcess) -> float:
    async with connected(node.internal) as http:
        answer = await http.ask("/stats")
    return float(json.loads(answer.body)["sessions"])
