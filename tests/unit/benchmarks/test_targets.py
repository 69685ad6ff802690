"""Targets and verdicts."""

from __future__ import annotations

import pytest

from benchmarks.figures import FIGURES
from benchmarks.targets import TARGETS, US, Target, judge
from benchmarks.workloads import WORKLOADS
from tests.unit.benchmarks.results import result

CPU = Target(workload="w", figure="cpu_per_delivery_us", limit=0.5, peer="nchan")


@pytest.mark.parametrize(("cpu_s", "met"), [(0.9, True), (1.0, True), (1.1, False)])
def test_ratio_to_peer(cpu_s: float, met: bool) -> None:
    """A cost may be at most its share of the peer's, in the same workload."""
    verdict = judge(CPU, {"w": {US: [result(cpu_s)], "nchan": [result(2.0)]}})

    assert verdict is not None
    assert met == verdict.met
    assert cpu_s / 2.0 == pytest.approx(verdict.measure)


def test_ratio_to_other_workload() -> None:
    """A cost may be held against our own in another workload."""
    target = Target(workload="w", figure="cpu_per_delivery_us", limit=1.3, base="simple")
    verdict = judge(target, {"w": {US: [result(1.2)]}, "simple": {US: [result(1.0)]}})

    assert verdict is not None
    assert verdict.met


@pytest.mark.parametrize(("limit", "met"), [(90_000, True), (110_000, False)])
def test_absolute(limit: float, met: bool) -> None:
    """Of what is better when there is more, the limit must be reached."""
    target = Target(workload="w", figure="deliveries_per_s", limit=limit)
    verdict = judge(target, {"w": {US: [result()]}})

    assert verdict is not None
    assert met == verdict.met


@pytest.mark.parametrize(
    "measured",
    [
        {},
        {"w": {}},
        {"w": {US: [result()]}},
        {"w": {US: [result()], "nchan": [result(delivered=0)]}},
        {"w": {US: [result(delivered=0)], "nchan": [result()]}},
    ],
)
def test_not_measured(measured: dict[str, dict[str, list[dict[str, object]]]]) -> None:
    """There is no verdict without our figure and the one to hold it against."""
    assert judge(CPU, measured) is None


def test_known_names() -> None:
    """Targets name only workloads that there are, and figures that these show."""
    shown = {workload.name: workload.figures for workload in WORKLOADS}

    for target in TARGETS:
        assert target.figure in FIGURES
        assert target.figure in shown[target.workload]
        assert target.base is None or target.figure in shown[target.base]
