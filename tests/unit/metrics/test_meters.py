"""Every metric is named and explained as Prometheus wants it."""

from __future__ import annotations

import re

import pytest

from broker.metrics import METRICS, PREFIX, Kind, Meters, Metric

UNITS = ("_seconds", "_bytes", "_messages")

every = pytest.mark.parametrize("metric", METRICS.values(), ids=lambda metric: metric.name)


@every
def test_names_follow_the_conventions(metric: Metric) -> None:
    """Names begin alike, counters end with `_total`, histograms with their unit."""
    assert re.fullmatch(PREFIX + r"[a-z]+(_[a-z]+)*", metric.name)
    assert (metric.kind is Kind.COUNTER) == metric.name.endswith("_total")
    if metric.kind is Kind.HISTOGRAM:
        assert metric.name.endswith(UNITS)


@every
def test_each_is_explained_in_a_line(metric: Metric) -> None:
    """The help is one sentence on one line."""
    assert metric.help.endswith(".")
    assert "\n" not in metric.help


@every
def test_bounds_ascend(metric: Metric) -> None:
    """The buckets of a histogram ascend; nothing else has any."""
    assert sorted(set(metric.bounds)) == list(metric.bounds)
    assert bool(metric.bounds) == (metric.kind is Kind.HISTOGRAM)


def test_no_label_names_a_channel() -> None:
    """Labels have few values: nothing is told by channel, subject, tenant or address."""
    known = {
        "transport",
        "listener",
        "code",
        "error",
        "outcome",
        "pattern",
        "call",
        "limit",
        "path",
    }
    assert set() == {label for metric in METRICS.values() for label in metric.labels} - known - {
        "version"
    }


def test_every_metric_has_an_instrument() -> None:
    """A process counts everything that is declared, and nothing else."""
    assert list(METRICS) == list(Meters().instruments())
