"""Figures, medians, ratios and faults."""

from __future__ import annotations

from math import isnan

import pytest

from benchmarks.figures import FIGURES, disturbance, faults, ratio, sample
from benchmarks.workloads import WORKLOADS
from tests.unit.benchmarks.results import phase, reception, result


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cpu_per_delivery_us", 2.0),
        ("deliveries_per_s", 100_000.0),
        ("latency_p50_ms", 1.5),
        ("latency_p99_ms", 4.0),
        ("publishes_per_s", 100.0),
        ("cpu_per_publish_us", 2000.0),
        ("publish_p99_ms", 2.0),
        ("kib_per_connection", 4.0),
        ("connects_per_s", 10_000.0),
        ("cpu_per_connect_us", 20.0),
    ],
)
def test_read(name: str, expected: float) -> None:
    """Each figure is worked out from the right members."""
    assert expected == pytest.approx(FIGURES[name].read(result()))


def test_read_polls() -> None:
    """Polls count whether there was something new or not."""
    idle = phase(2.0, 0.5, answered_200=10_000, answered_304=90_000)

    assert 50_000 == FIGURES["polls_per_s"].read(result(idle=idle))
    assert 5.0 == pytest.approx(FIGURES["cpu_per_poll_us"].read(result(idle=idle)))


def test_read_storm() -> None:
    """A replay is measured over the phase in which everybody came back."""
    storm = phase(0.5, 0.25, 1_000_000)

    assert 2_000_000 == FIGURES["replayed_per_s"].read(result(storm=storm))
    assert 0.25 == pytest.approx(FIGURES["cpu_per_replayed_us"].read(result(storm=storm)))


def test_kernel_counts() -> None:
    """What the kernel's threads sent in the server's name is the server's."""
    publish = phase(5.0, 0.4, 500_000, kernel_s=0.6)

    assert 2.0 == pytest.approx(FIGURES["cpu_per_delivery_us"].read(result(publish=publish)))


def test_nothing_delivered() -> None:
    """A run in which nothing came has no cost and no latency, and the others count without it."""
    nothing = result(delivered=0)

    assert isnan(FIGURES["cpu_per_delivery_us"].read(nothing))
    assert isnan(FIGURES["latency_p99_ms"].read(nothing))
    assert isnan(sample("latency_p99_ms", [nothing]).middle)
    assert 2.0 == pytest.approx(sample("cpu_per_delivery_us", [nothing, result()]).middle)
    assert ratio("cpu_per_delivery_us", [result()], [nothing]) is None


def test_known_figures() -> None:
    """Workloads name only figures that there are."""
    assert set() == {name for each in WORKLOADS for name in each.figures} - set(FIGURES)


def test_sample() -> None:
    """The middle one of three counts, however far off the others are."""
    taken = sample("cpu_per_delivery_us", [result(1.0), result(9.0), result(1.5)])

    assert 3.0 == pytest.approx(taken.middle)
    assert 16 / 3 == pytest.approx(taken.spread)


def test_sample_of_nothing() -> None:
    """No result has no median."""
    with pytest.raises(ValueError, match="cpu_per_delivery_us"):
        sample("cpu_per_delivery_us", [])


def test_ratio() -> None:
    """A ratio is one median over the other, and nothing over zero."""
    ours, theirs = [result(0.5), result(1.0), result(1.5)], [result(4.0)]

    assert 0.25 == pytest.approx(ratio("cpu_per_delivery_us", ours, theirs))
    assert ratio("cpu_per_delivery_us", ours, [result(0.0)]) is None


def test_no_faults() -> None:
    """A sound run has no faults."""
    assert [] == faults(result())


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"subscribers": reception(9, lost=3)}, "3 lost (subscribers)"),
        ({"stormers": reception(9, late=1)}, "1 late (stormers)"),
        (
            {"subscribers": reception(9, gone=2, error="why")},
            "2 connections lost (subscribers): why",
        ),
        ({"subscribers": reception(9, ready=8)}, "1 connections lost"),
        ({"published": {"refused": 1, "error": "503"}}, "publishing: 503"),
        ({"out_of_time": True}, "out of time"),
        ({"sound": False}, "not sound"),
    ],
)
def test_faults(changed: dict[str, object], words: str) -> None:
    """Whatever was wrong is said."""
    (fault,) = faults({**result(), **changed})

    assert words in fault


def test_disturbance() -> None:
    """The share of other programs is that of the worst phase; very short ones hardly count."""
    disturbed = result(connect=phase(0.01, 0, others_s=0.01), publish=phase(5, 1, others_s=2.0))

    assert 0.4 == pytest.approx(disturbance(disturbed))
