"""Whether something grows over a long run that should not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

WARM_UP_MINUTES = 10.0
"""Until then whatever has a bound may fill up."""

ENOUGH = 8
"""Looks behind the warm-up without which nothing can be said."""

GROWN = 1.05
"""How far the last quarter may lie above the first one."""

GROWN_LEAST: Mapping[str, float] = {
    "resident, MiB": 4.0,
    "descriptors": 16.0,
    "tasks": 16.0,
    "sessions": 16.0,
    "keys": 16.0,
}
"""What may come and go besides, by kind."""


@dataclass
class Growth:
    """
    What was seen of whom, in order.

    Attributes:
        minutes: When, since the beginning.
        seen: By name and kind, what there was then.
    """

    minutes: list[float] = field(default_factory=list)
    seen: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    def note(self, minutes: float, looks: Mapping[str, Mapping[str, float]]) -> None:
        """Enter one look at everything."""
        self.minutes.append(round(minutes, 2))
        for name, kinds in looks.items():
            for kind, value in kinds.items():
                self.seen.setdefault(name, {}).setdefault(kind, []).append(value)

    @property
    def warm(self) -> dict[str, dict[str, list[float]]]:
        """What was seen once all was warm."""
        first = sum(minutes < WARM_UP_MINUTES for minutes in self.minutes)
        return {
            name: {kind: values[first:] for kind, values in kinds.items()}
            for name, kinds in self.seen.items()
        }

    @property
    def faults(self) -> list[str]:
        """What grows."""
        return [
            f"{kind} of {name} grows: {summary(values)}"
            for name, kinds in self.warm.items()
            for kind, values in kinds.items()
            if grows(values, GROWN_LEAST[kind])
        ]


def grows(values: Sequence[float], least: float) -> bool:
    """Tell whether the last quarter lies above the first, and below none, each by its median."""
    if len(values) < ENOUGH:
        return False
    first, *between, last = quarters(values)
    return last > max(GROWN * first, first + least, *between)


def summary(values: Sequence[float]) -> str:
    """Return the median of each quarter."""
    return " → ".join(f"{value:.5g}" for value in quarters(values))


def quarters(values: Sequence[float]) -> list[float]:
    """Return the median of each quarter; of fewer than four values, the values."""
    quarter = max(1, len(values) // 4)
    starts = range(0, min(len(values), 4 * quarter), quarter)
    return [median(values[at : at + quarter]) for at in starts]
