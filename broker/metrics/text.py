"""The text forms that Prometheus reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.core import Metric as Family
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from broker.metrics.declare import Kind, Metric
from broker.metrics.instruments import Row
from broker.metrics.meters import METRICS
from broker.metrics.snapshot import Snapshot


def write(snapshot: Snapshot, accepted: str = "") -> tuple[bytes, str]:
    """
    Return a snapshot as text, and the type of that text.

    Args:
        snapshot: The numbers.
        accepted: The `Accept` header of whoever asks: it may name OpenMetrics.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Told(snapshot))
    encode, content_type = choose_encoder(accepted)
    return encode(registry), content_type


class _Told(Collector):
    """A snapshot, as the client library wants it."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Family]:
        for name, metric in METRICS.items():
            yield _family(metric, self._snapshot.get(name, ()))


def _family(metric: Metric, rows: Sequence[Row]) -> Family:
    if metric.kind is Kind.HISTOGRAM:
        return _histogram(metric, rows)
    make = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    family = make(metric.name, metric.help, labels=metric.shown_labels)
    for row in rows:
        family.add_metric(row.labels, row.values[0])
    return family


def _histogram(metric: Metric, rows: Sequence[Row]) -> Family:
    family = HistogramMetricFamily(metric.name, metric.help, labels=metric.shown_labels)
    bounds = [*map(floatToGoString, metric.bounds), "+Inf"]
    for row in rows:
        *counts, total = row.values
        buckets = list(zip(bounds, accumulate(counts), strict=True))
        family.add_metric(row.labels, buckets, total)
    return family
