"""Instruments hold what was counted, and never more series than their bound."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
import pytest

from broker.metrics.instruments import (
    MOST_SERIES,
    OTHER,
    Counter,
    Counters,
    Gauge,
    Gauges,
    Histogram,
    Histograms,
    Row,
)


def test_a_counter_adds_up() -> None:
    """What is added, by method or to the value itself, is in its row."""
    counter = Counter()
    counter.add()
    counter.value += 2
    assert [Row((), (3,))] == list(counter.rows())


def test_a_counter_follows_what_is_counted_elsewhere() -> None:
    """The number is read when it is asked for."""
    counter, elsewhere = Counter(), [1.0]
    counter.follow(lambda: elsewhere[0])
    elsewhere[0] = 5.0
    assert [Row((), (5.0,))] == list(counter.rows())


def test_counters_keep_their_labels_apart() -> None:
    """Each combination of labels has a counter of its own, the same one each time."""
    counters = Counters(2)
    counters.of("websocket", "1000").add()
    counters.of("websocket", "1001").add(2)
    assert counters.of("websocket", "1000") is counters.of("websocket", "1000")
    assert [
        Row(("websocket", "1000"), (1,)),
        Row(("websocket", "1001"), (2,)),
    ] == list(counters.rows())


def test_counters_are_bounded() -> None:
    """Label values beyond the bound are counted together, and nothing is lost."""
    counters = Counters(1)
    for number in range(MOST_SERIES + 50):
        counters.of(str(number)).add()
    rows = list(counters.rows())
    assert MOST_SERIES + 1 == len(rows)
    assert Row((OTHER,), (50,)) == rows[-1]


def test_counters_follow_a_mapping() -> None:
    """Numbers by a label that are counted elsewhere are read when they are asked for."""
    counters, elsewhere = Counters(1), {"poll": 1.0}
    counters.follow(lambda: elsewhere)
    elsewhere["websocket"] = 2.0
    assert {("poll",): 1.0, ("websocket",): 2.0} == {
        row.labels: row.values[0] for row in counters.rows()
    }


def test_a_gauge_says_nothing_until_it_is_known_how_to_read_it() -> None:
    """A gauge without a reader has no row; with one, it has what that says now."""
    gauge, gauges = Gauge(), Gauges()
    assert [] == [*gauge.rows(), *gauges.rows()]
    gauge.follow(lambda: 3.0)
    gauges.follow(lambda: {"poll": 4.0})
    assert [Row((), (3.0,))] == list(gauge.rows())
    assert [Row(("poll",), (4.0,))] == list(gauges.rows())


@given(st.lists(st.floats(0, 100), max_size=50))
def test_a_histogram_counts_every_value_once(values: list[float]) -> None:
    """Each bucket holds the values above the bound before it, up to its own."""
    bounds = (1.0, 10.0)
    histogram = Histogram(bounds)
    for value in values:
        histogram.observe(value)
    [row] = histogram.rows()
    *counts, total = row.values
    assert [
        sum(value <= 1 for value in values),
        sum(1 < value <= 10 for value in values),
        sum(value > 10 for value in values),
    ] == counts
    assert pytest.approx(sum(values)) == total


def test_histograms_are_bounded() -> None:
    """Label values beyond the bound share a histogram."""
    histograms = Histograms((1.0,))
    for number in range(MOST_SERIES + 2):
        histograms.of(str(number)).observe(0.5)
    rows = list(histograms.rows())
    assert MOST_SERIES + 1 == len(rows)
    assert Row((OTHER,), (2, 0, 1.0)) == rows[-1]
