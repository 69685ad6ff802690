"""The report and its plots."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from benchmarks import svg
from benchmarks.report import Setting, markdown, number, plots, table
from benchmarks.targets import US
from benchmarks.workloads import WORKLOADS
from tests.unit.benchmarks.results import phase, reception, result

SVG = "{http://www.w3.org/2000/svg}"

SETTING = Setting(
    machine={"processor": "2 x Abacus"},
    versions={US: "broker 1.0", "nchan": "nchan 1.3"},
    repetitions=3,
    date="2026-01-02 03:04 UTC",
    absent={"ws": "npm is not installed"},
)
CHOSEN = [each for each in WORKLOADS if each.name in ("fanout-1000-100", "fanout-1000-20")]
MEASURED = {
    "fanout-1000-100": {
        US: [result(0.9), result(1.0), result(1.1)],
        "nchan": [result(2.0), result(2.0), result(2.0)],
    },
    "fanout-1000-20": {US: [result(1.9)], "nchan": [result(2.0)]},
}


def parse(drawing: str) -> ET.Element:
    """Read a drawing."""
    return ET.fromstring(drawing)  # noqa: S314 - our own


def lines_with(text: str, *words: str) -> list[str]:
    """Return the lines in which all words stand."""
    return [line for line in text.splitlines() if all(word in line for word in words)]


def test_machine() -> None:
    """Machine, versions, date and absent peers are told."""
    text = markdown(CHOSEN, MEASURED, SETTING)

    for words in ("2 x Abacus", "broker 1.0", "nchan 1.3", "2026-01-02 03:04 UTC", "npm is not"):
        assert words in text


def test_figures() -> None:
    """A row has our median with its spread, the peer's, and the ratio."""
    text = markdown(CHOSEN, MEASURED, SETTING)

    assert ["| CPU per delivery | 2.00 µs ±10% | 4.00 µs ±0% | 0.50 |"] == lines_with(
        text, "CPU per delivery", "±10%"
    )


def test_targets() -> None:
    """A target met and one missed are told apart, one not measured is neither."""
    text = markdown(CHOSEN, MEASURED, SETTING)
    (met,) = lines_with(text, "≤ 0.95 x nchan")
    (missed,) = lines_with(text, "≤ 0.85 x nchan")

    assert met.endswith("| 0.50 | yes |")
    assert missed.endswith("| 0.95 | **no** |")
    assert "not measured" in markdown(CHOSEN, {}, SETTING)


def test_faults() -> None:
    """A run that lost something is named with what it lost."""
    wrong = result(subscribers=reception(1000, 499_999, lost=1), sound=False)
    text = markdown(CHOSEN, {"fanout-1000-100": {US: [wrong]}}, SETTING)

    assert ["- fanout-1000-100, broker: 1 lost (subscribers)"] == lines_with(text, "- fanout")
    assert "1 lost, 0 repeated" in text


def test_disturbed() -> None:
    """It is told how many runs shared the machine."""
    shared = result(publish=phase(5.0, 1.0, 500_000, others_s=3.0))
    text = markdown(CHOSEN, {"fanout-1000-100": {US: [shared, result()]}}, SETTING)

    assert "1 of 2 measurements shared the machine" in text


def test_without_us() -> None:
    """Peers can be measured alone."""
    text = markdown(CHOSEN, {"fanout-1000-100": {"nchan": [result(2.0)]}}, SETTING)

    assert ["| CPU per delivery | 4.00 µs |"] == lines_with(text, "| CPU per delivery | 4")


def test_plots() -> None:
    """Every plot of the report is drawn, and nothing else."""
    drawn = plots(CHOSEN, MEASURED)
    text = markdown(CHOSEN, MEASURED, SETTING)

    assert ["fan-out-to-1-000.svg"] == list(drawn)
    assert "(fan-out-to-1-000.svg)" in text


def test_bars() -> None:
    """Bars are as high as their values, and a missing one is left out."""
    drawing = parse(svg.bars("a < b", "ms", ["x", "y"], {"one": [2.0, 4.0], "two": [1.0, None]}))
    bars = [each for each in drawing.iter(f"{SVG}rect") if each.get("height") not in ("11", "340")]
    heights = [float(each.get("height", "0")) for each in bars]

    assert [2.0, 1.0, 4.0] == pytest.approx([height / heights[1] for height in heights], rel=0.01)
    assert "a < b" in [each.text for each in drawing.iter(f"{SVG}text")]


def test_lines() -> None:
    """Tenfold steps are equally far apart."""
    drawing = parse(
        svg.lines("t", "µs", "subscribers", {"one": [(10, 1.0), (100, 2.0), (1000, 3.0)]})
    )
    places = [float(each.get("cx", "0")) for each in drawing.iter(f"{SVG}circle")]

    assert places[1] - places[0] == pytest.approx(places[2] - places[1], abs=0.2)


@pytest.mark.parametrize("series", [{}, {"one": []}, {"one": [(5.0, 0.0)]}])
def test_lines_of_little(series: dict[str, list[tuple[float, float]]]) -> None:
    """Nothing, or a single point, is drawn as well."""
    parse(svg.lines("t", "µs", "n", series))


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (0.0421, "µs", "0.042 µs"),
        (0.5, "µs", "0.50 µs"),
        (4.312, "µs", "4.31 µs"),
        (43.12, "KiB", "43.1 KiB"),
        (431.2, "ms", "431 ms"),
        (1_234_567.8, "/s", "1,234,568/s"),
        (0.0, "ms", "0.00 ms"),
    ],
)
def test_number(value: float, unit: str, expected: str) -> None:
    """Three digits that matter, and the unit."""
    assert expected == number(value, unit)


def test_table() -> None:
    """Tables are Markdown."""
    assert "| a | b |\n| --- | --: |\n| c | 1 |" == table(("a", "b"), [("c", "1")])
