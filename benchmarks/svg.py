"""Two kinds of plot, written as SVG: bars side by side, and lines over a logarithmic axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

WIDTH, HEIGHT = 760, 340
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 56, 56
COLOURS = ("#2563eb", "#d97706", "#059669", "#9333ea", "#dc2626", "#64748b")
INK, GRID = "#1f2937", "#e5e7eb"


@dataclass(frozen=True, slots=True)
class _Frame:
    """The drawing area, with the vertical axis from 0 to `top`."""

    top: float

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / self.top


def bars(
    title: str,
    unit: str,
    categories: Sequence[str],
    series: Mapping[str, Sequence[float | None]],
) -> str:
    """
    Draw one group of bars per category, one bar in it per series.

    Args:
        title: Stands above.
        unit: Of the values.
        categories: Stand below the groups.
        series: Values by name, one per category; None leaves the bar out.
    """
    frame = _Frame(_nice_top(_values(series)))
    parts = [*_axes(title, unit, frame), *_legend(list(series))]
    step = (WIDTH - LEFT - RIGHT) / max(1, len(categories))
    width = step * 0.8 / max(1, len(series))
    for place, category in enumerate(categories):
        left = LEFT + step * place + step * 0.1
        parts.append(_text(left + step * 0.4, HEIGHT - BOTTOM + 18, category, anchor="middle"))
        for number, values in enumerate(series.values()):
            value = values[place]
            if value is not None:
                parts += _bar(left + width * number, width, value, frame, COLOURS[number % 6])
    return _document(parts)


def lines(
    title: str,
    unit: str,
    across: str,
    series: Mapping[str, Sequence[tuple[float, float]]],
) -> str:
    """
    Draw one line per series over a logarithmic axis.

    Args:
        title: Stands above.
        unit: Of the values.
        across: What the horizontal axis counts.
        series: Points by name, of a positive number and a value.
    """
    points = [point for line in series.values() for point in line]
    frame = _Frame(_nice_top([value for _, value in points]))
    low = log10(min((x for x, _ in points), default=1))
    high = log10(max((x for x, _ in points), default=10))
    span = (high - low) or 1.0

    def x(value: float) -> float:
        return LEFT + 20 + (WIDTH - LEFT - RIGHT - 40) * (log10(value) - low) / span

    parts = [*_axes(title, unit, frame), *_legend(list(series))]
    parts += [
        _text(x(value), HEIGHT - BOTTOM + 18, f"{value:,.0f}", anchor="middle")
        for value in sorted({x for x, _ in points})
    ]
    parts.append(_text(WIDTH / 2, HEIGHT - 12, across, anchor="middle"))
    for number, line in enumerate(series.values()):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{x(a):.1f},{frame.y(b):.1f}" for a, b in sorted(line))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [
            f'<circle cx="{x(a):.1f}" cy="{frame.y(b):.1f}" r="3.5" fill="{colour}"/>'
            for a, b in line
        ]
    return _document(parts)


def short(value: float) -> str:
    """Write a number in about three digits, as 4.31, 431 or 1.2M."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= 10 * size or (letter == "M" and abs(value) >= size):
            return f"{value / size:.3g}{letter}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _values(series: Mapping[str, Sequence[float | None]]) -> list[float]:
    return [value for line in series.values() for value in line if value is not None]


def _nice_top(values: Sequence[float]) -> float:
    """Return the smallest of 1, 2, 2.5, 5 x 10^n that is above all values."""
    most = max(values, default=0.0)
    if most <= 0:
        return 1.0
    unit: float = 10 ** floor(log10(most))
    return next(unit * step for step in (1, 2, 2.5, 5, 10) if unit * step >= most)


def _axes(title: str, unit: str, frame: _Frame) -> list[str]:
    parts = [_text(LEFT, 22, title, size=15, weight="600"), _text(LEFT - 8, TOP - 10, unit, "end")]
    for part in range(6):
        value = frame.top * part / 5
        y = frame.y(value)
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="{GRID}"/>'
        )
        parts.append(_text(LEFT - 8, y + 4, short(value), anchor="end"))
    return parts


def _legend(names: Sequence[str]) -> list[str]:
    parts = []
    x = float(LEFT)
    for number, name in enumerate(names):
        colour = COLOURS[number % len(COLOURS)]
        parts.append(f'<rect x="{x}" y="31" width="11" height="11" fill="{colour}"/>')
        parts.append(_text(x + 16, 41, name))
        x += 34 + 7 * ceil(len(name))
    return parts


def _bar(x: float, width: float, value: float, frame: _Frame, colour: str) -> list[str]:
    y = frame.y(value)
    height = frame.y(0) - y
    place = f'x="{x:.1f}" y="{y:.1f}" width="{width * 0.92:.1f}" height="{height:.1f}"'
    return [
        f'<rect {place} fill="{colour}"/>',
        _text(x + width * 0.46, y - 4, short(value), anchor="middle", size=11),
    ]


def _text(
    x: float, y: float, text: str, anchor: str = "start", size: int = 12, weight: str = "400"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
        f'font-weight="{weight}" fill="{INK}">{escape(text)}</text>'
    )


def _document(parts: Sequence[str]) -> str:
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" font-family="system-ui, sans-serif">\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>\n{body}\n</svg>\n'
    )
