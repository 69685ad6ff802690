"""What counts as growth in a long run."""

from __future__ import annotations

import pytest

from tests.chaos.growth import WARM_UP_MINUTES, Growth, grows, summary


@pytest.mark.parametrize(
    ("values", "growing"),
    [
        ([], False),
        ([10, 90, 170, 250], False),
        ([10, 20, 30, 40, 50, 60, 70, 80, 90], True),
        ([100, 100, 100, 100, 100, 100, 106, 106], True),
        ([100, 100, 100, 100, 100, 100, 104, 104], False),
        ([2, 2, 2, 2, 2, 2, 5, 5], False),
        ([100, 100, 130, 130, 90, 90, 110, 110], False),
        ([100, 100, 100, 100, 100, 100, 100, 100, 100, 300, 100, 100], False),
        ([100, 90, 80, 70, 60, 50, 40, 30], False),
    ],
)
def test_growth_is_a_last_quarter_above_the_first(values: list[float], growing: bool) -> None:
    """It must lie above by a twentieth and by more than comes and goes; a peak alone is none."""
    assert growing == grows(values, least=4)


def test_what_grows_while_warming_up_does_not_count() -> None:
    """Only looks from the tenth minute on are judged, each kind of each process by itself."""
    growth = Growth()
    for look in range(40):
        minutes = look / 2
        rising = 100.0 * minutes
        settled = min(rising, 100.0 * WARM_UP_MINUTES)
        growth.note(minutes, {"node": {"keys": settled, "tasks": rising}})
    assert ["tasks of node grows: 1100 → 1350 → 1600 → 1850"] == growth.faults


def test_a_summary_names_the_median_of_each_quarter() -> None:
    """Four medians in a row."""
    assert "1 → 3 → 5 → 9" == summary([1, 1, 3, 3, 5, 5, 9, 9])
