"""
Instruments: plain numbers that one process counts up, without locks and without files.

Only the event loop of the process touches them. Whoever counts on a hot path adds to `value`
itself; what is counted elsewhere already is only read, when somebody asks (`follow`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

MOST_SERIES = 256
"""Label values of one metric; further ones are counted together as `OTHER`."""

OTHER = "other"
"""Label value that stands for everything beyond `MOST_SERIES`."""


class Row(NamedTuple):
    """
    One series of a metric.

    Attributes:
        labels: Values of the metric's labels, in its order.
        values: The number alone; of a histogram the count of each bucket, then the sum.
    """

    labels: tuple[str, ...]
    values: Sequence[float]


class Instrument(Protocol):
    """What holds the numbers of one metric."""

    def rows(self) -> Iterator[Row]:
        """Give every series as it is now."""


class Counter:
    """
    A number that only grows.

    Attributes:
        value: The number.
    """

    __slots__ = ("_read", "value")

    def __init__(self) -> None:
        self.value: float = 0
        self._read: Callable[[], float] | None = None

    def add(self, amount: float = 1) -> None:
        """Count something."""
        self.value += amount

    def follow(self, read: Callable[[], float]) -> None:
        """Take the number from where it is counted already, whenever it is asked for."""
        self._read = read

    def rows(self) -> Iterator[Row]:
        """Give the number."""
        yield Row((), (self.value if self._read is None else self._read(),))


class Counters:
    """
    Counters of one metric by its labels.

    Args:
        labels: How many labels there are.
    """

    __slots__ = ("_counters", "_labels", "_read")

    def __init__(self, labels: int) -> None:
        self._labels = labels
        self._counters: dict[tuple[str, ...], Counter] = {}
        self._read: Callable[[], Mapping[str, float]] | None = None

    def of(self, *labels: str) -> Counter:
        """Return the counter of these label values, to be kept where there is much to count."""
        counter = self._counters.get(labels)
        if counter is None:
            if len(self._counters) >= MOST_SERIES:
                labels = (OTHER,) * self._labels
            counter = self._counters.setdefault(labels, Counter())
        return counter

    def follow(self, read: Callable[[], Mapping[str, float]]) -> None:
        """Take the numbers, by their only label, from where they are counted already."""
        self._read = read

    def rows(self) -> Iterator[Row]:
        """Give every counter."""
        for labels, counter in self._counters.items():
            yield from (Row(labels, row.values) for row in counter.rows())
        if self._read is not None:
            yield from (Row((label,), (value,)) for label, value in self._read().items())


class Gauge:
    """A number that is read whenever it is asked for; there is none until it is known how."""

    __slots__ = ("_read",)

    def __init__(self) -> None:
        self._read: Callable[[], float] | None = None

    def follow(self, read: Callable[[], float]) -> None:
        """Say how the number is read."""
        self._read = read

    def rows(self) -> Iterator[Row]:
        """Give the number, if it is known how."""
        if self._read is not None:
            yield Row((), (self._read(),))


class Gauges:
    """Numbers of one metric by its only label, read whenever they are asked for."""

    __slots__ = ("_reads",)

    def __init__(self) -> None:
        self._reads: list[Callable[[], Mapping[str, float]]] = []

    def follow(self, read: Callable[[], Mapping[str, float]]) -> None:
        """Say how numbers are read, further ones each time."""
        self._reads.append(read)

    def rows(self) -> Iterator[Row]:
        """Give the numbers, as far as it is known how."""
        for read in self._reads:
            yield from (Row((label,), (value,)) for label, value in read().items())


class Histogram:
    """
    How often something was how large.

    Args:
        bounds: Upper bounds of its buckets, ascending; the last bucket has none.
    """

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count one."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def rows(self) -> Iterator[Row]:
        """Give the counts of its buckets, each by itself, and the sum."""
        yield Row((), (*self._counts, self._sum))


class Histograms:
    """
    Histograms of one metric by its only label.

    Args:
        bounds: Upper bounds of their buckets.
    """

    __slots__ = ("_bounds", "_histograms")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._histograms: dict[str, Histogram] = {}

    def of(self, label: str) -> Histogram:
        """Return the histogram of a label value."""
        histogram = self._histograms.get(label)
        if histogram is None:
            if len(self._histograms) >= MOST_SERIES:
                label = OTHER
            histogram = self._histograms.setdefault(label, Histogram(self._bounds))
        return histogram

    def rows(self) -> Iterator[Row]:
        """Give every histogram."""
        for label, histogram in self._histograms.items():
            yield from (Row((label,), row.values) for row in histogram.rows())
