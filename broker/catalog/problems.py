"""What is wrong with a catalogue, all of it, with places and suggestions."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import NamedTuple

from broker.core.rules import Place

MAX_PROBLEMS = 200
"""Problems that one run reports: more than anyone reads before the next run."""


class Problem(NamedTuple):
    """
    One mistake.

    Attributes:
        place: Where it is.
        message: What is wrong, and what would be right.
    """

    place: Place
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


class CatalogError(Exception):
    """
    A catalogue that cannot be used.

    Args:
        problems: Every mistake found.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        ordered = sorted(dict.fromkeys(problems), key=lambda problem: problem.place)
        self.problems = tuple(ordered[:MAX_PROBLEMS])
        self.left_out = len(ordered) - len(self.problems)
        super().__init__(ordered)

    def __str__(self) -> str:
        lines = [str(problem) for problem in self.problems]
        if self.left_out:
            lines.append(f"and {self.left_out} more")
        return "\n".join(lines)


def suggest(word: str, known: Iterable[str]) -> str:
    """
    Return the end of a message about an unknown word.

    Args:
        word: The word found.
        known: The words that would be right.

    Returns:
        The nearest of them, where one is near, and all of them.
    """
    words = list(known)
    allowed = f"allowed: {', '.join(words)}" if words else "none is allowed here"
    near = get_close_matches(word.lower(), words, n=1, cutoff=0.5)
    return f'did you mean "{near[0]}"? ({allowed})' if near else allowed
