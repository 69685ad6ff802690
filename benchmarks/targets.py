"""What must be reached, as data, and whether it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan

from benchmarks.figures import FIGURES, Result, sample

Measured = Mapping[str, Mapping[str, Sequence[Result]]]
"""Results by workload and peer."""

US = "broker"
"""Our name among the peers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """
    A limit for one figure of one workload.

    Attributes:
        workload: Its name.
        figure: Its name.
        limit: What must not be passed; for a figure of which more is better, what must be reached.
        peer: The peer whose figure is the unit of the limit; None: the limit is absolute.
        base: The workload of our own whose figure is the unit; None: the same workload.
        stage: `core`: for the first complete broker; `speed`: for the tuned one.
    """

    workload: str
    figure: str
    limit: float
    peer: str | None = None
    base: str | None = None
    stage: str = "speed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    A target beside what was measured.

    Attributes:
        target: The target.
        value: Our figure.
        unit: The figure in which the limit is expressed; None for an absolute limit.
    """

    target: Target
    value: float
    unit: float | None

    @property
    def measure(self) -> float:
        """What is held against the limit: our figure, or its ratio to the unit."""
        return self.value if self.unit is None else self.value / self.unit

    @property
    def met(self) -> bool:
        """Whether the target is reached."""
        if FIGURES[self.target.figure].more_is_better:
            return self.measure >= self.target.limit
        return self.measure <= self.target.limit


_CPU = "cpu_per_delivery_us"

TARGETS = (
    Target(workload="fanout-1000-100", figure=_CPU, limit=1.0, peer="nchan", stage="core"),
    Target(workload="fanout-1000-saturated", figure=_CPU, limit=0.1667, peer="nchan", stage="core"),
    Target(workload="idle-5000", figure="kib_per_connection", limit=4, stage="core"),
    Target(workload="publish-batch", figure="publishes_per_s", limit=50_000, stage="core"),
    Target(workload="fanout-1000-20", figure=_CPU, limit=0.85, peer="nchan"),
    Target(workload="fanout-1000-100", figure=_CPU, limit=0.95, peer="nchan"),
    Target(workload="fanout-1000-100", figure="latency_p99_ms", limit=1.0, peer="nchan"),
    Target(workload="fanout-1000-saturated", figure=_CPU, limit=0.08, peer="nchan"),
    Target(workload="fanout-1000-saturated", figure="deliveries_per_s", limit=12, peer="nchan"),
    Target(workload="fanout-5000-saturated", figure=_CPU, limit=0.05, peer="nchan"),
    Target(workload="channels-10000x1", figure=_CPU, limit=1.5, peer="nchan"),
    Target(workload="dashboards-same", figure=_CPU, limit=1.3, base="dashboards-one"),
    Target(workload="dashboards-different", figure=_CPU, limit=2.0, base="dashboards-one"),
    Target(workload="idle-10000", figure="kib_per_connection", limit=3),
    Target(workload="resume-storm", figure="replayed_per_s", limit=1_000_000),
    Target(workload="publish-batch", figure="publishes_per_s", limit=100_000),
    Target(workload="publish-single", figure="publishes_per_s", limit=15_000),
    Target(workload="longpoll-wake", figure=_CPU, limit=1.0, peer="nchan"),
    Target(workload="shortpoll-304", figure="polls_per_s", limit=40_000),
    Target(workload="connect", figure="connects_per_s", limit=10_000),
    Target(workload="workers-2", figure="deliveries_per_s", limit=1.7, base="workers-1"),
)
"""Everything that must be reached."""


def judge(target: Target, measured: Measured) -> Verdict | None:
    """Hold what was measured against a target; None when something for it was not measured."""
    ours = measured.get(target.workload, {}).get(US)
    if not ours:
        return None
    value = sample(target.figure, ours).middle
    if isnan(value):
        return None
    if target.peer is None and target.base is None:
        return Verdict(target, value, None)
    results = measured.get(target.base or target.workload, {}).get(target.peer or US)
    unit = sample(target.figure, results).middle if results else 0.0
    return Verdict(target, value, unit) if unit and not isnan(unit) else None
