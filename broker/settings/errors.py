"""What can be wrong with the settings: every fault is collected, then raised at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import NamedTuple

MAX_SHOWN_CHARS = 200
"""Characters of a wrong text that a fault shows."""


class Unreadable(ValueError):
    """
    A text is no value of its setting.

    Args:
        problem: What is wrong, with the limit that was passed; never the text itself.
        nearest: The nearest right text, where there is one.
    """

    def __init__(self, problem: str, nearest: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.nearest = nearest


class Fault(NamedTuple):
    """
    One thing that is wrong.

    Attributes:
        source: The flag or environment variable at fault.
        text: What it says; None where that is secret or says nothing.
        problem: What is wrong with it.
        nearest: The nearest right thing, or empty.
    """

    source: str
    text: str | None
    problem: str
    nearest: str = ""

    def __str__(self) -> str:
        shown = self.source if self.text is None else f"{self.source}={printable(self.text)}"
        hint = f" (nearest: {printable(self.nearest)})" if self.nearest else ""
        return f"{shown}: {self.problem}{hint}"


class SettingsError(Exception):
    """
    The settings cannot be used.

    Args:
        faults: Everything that is wrong, in the order of the settings.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(faults)
        self.faults = tuple(faults)

    def __str__(self) -> str:
        return "\n".join(map(str, self.faults))


def printable(text: str) -> str:
    """Return a text on one line of a terminal: nothing that moves its cursor, and not too long."""
    plain = text if text.isprintable() else ascii(text)
    return plain if len(plain) <= MAX_SHOWN_CHARS else f"{plain[:MAX_SHOWN_CHARS]}…"


def nearest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """
    Return the known word that is most like a wrong one, whatever the case; empty when none is.

    Args:
        word: What was said.
        known: What would have been right.
        cutoff: How much alike they must be, from 0 to 1.
    """
    by_lower = {name.lower(): name for name in known}
    found = get_close_matches(word.lower(), by_lower, 1, cutoff)
    return by_lower[found[0]] if found else ""
