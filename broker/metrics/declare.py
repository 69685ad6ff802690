"""How a metric is declared: a field of a dataclass that knows its name, labels and meaning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import Field, dataclass, field, fields
from enum import Enum
from functools import partial
from typing import Any, TypeVar

from broker.metrics.instruments import (
    Counter,
    Counters,
    Gauge,
    Gauges,
    Histogram,
    Histograms,
    Instrument,
)

PREFIX = "broker_"
"""How the names of all metrics begin."""

WORKER = "worker"
"""Label of metrics that are told for each worker."""

_KEY = "metric"

AnyInstrument = TypeVar("AnyInstrument", bound=Instrument)


class Kind(Enum):
    """Kinds of metrics, by the names that Prometheus has for them."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """
    What is known of one metric.

    Attributes:
        name: Its name.
        kind: Its kind.
        help: What it says, in one sentence.
        labels: Names of its labels, without `WORKER`.
        bounds: Upper bounds of a histogram's buckets.
        by_worker: Whether each worker's numbers are told by themselves, instead of their sum.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    by_worker: bool = False

    @property
    def shown_labels(self) -> tuple[str, ...]:
        """Names of the labels as they are told."""
        return (*self.labels, WORKER) if self.by_worker else self.labels


def counter(name: str, text: str, *, by_worker: bool = False) -> Counter:
    """Declare a counter; its name ends with `_total`."""
    return _declare(Metric(name, Kind.COUNTER, text, by_worker=by_worker), Counter)


def counters(name: str, labels: Sequence[str], text: str) -> Counters:
    """Declare counters by labels; their name ends with `_total`."""
    make = partial(Counters, len(labels))
    return _declare(Metric(name, Kind.COUNTER, text, tuple(labels)), make)


def gauge(name: str, text: str, *, by_worker: bool = False) -> Gauge:
    """Declare a gauge."""
    return _declare(Metric(name, Kind.GAUGE, text, by_worker=by_worker), Gauge)


def gauges(name: str, label: str, text: str) -> Gauges:
    """Declare gauges by a label."""
    return _declare(Metric(name, Kind.GAUGE, text, (label,)), Gauges)


def histogram(
    name: str, bounds: Sequence[float], text: str, *, by_worker: bool = False
) -> Histogram:
    """Declare a histogram; its name ends with the unit."""
    metric = Metric(name, Kind.HISTOGRAM, text, (), tuple(bounds), by_worker)
    return _declare(metric, partial(Histogram, metric.bounds))


def histograms(name: str, label: str, bounds: Sequence[float], text: str) -> Histograms:
    """Declare histograms by a label; their name ends with the unit."""
    metric = Metric(name, Kind.HISTOGRAM, text, (label,), tuple(bounds))
    return _declare(metric, partial(Histograms, metric.bounds))


def declared(group: type) -> tuple[tuple[str, Metric], ...]:
    """Return the attributes of a dataclass made of metrics, each with its metric, in order."""
    return tuple((each.name, _metric(each)) for each in fields(group))


def _declare(metric: Metric, make: Callable[[], AnyInstrument]) -> AnyInstrument:
    return field(default_factory=make, metadata={_KEY: metric})


def _metric(declaration: Field[Any]) -> Metric:
    metric: Metric = declaration.metadata[_KEY]
    return metric
