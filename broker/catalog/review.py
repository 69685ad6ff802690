"""What only shows when entries stand side by side."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from broker.catalog.problems import Problem
from broker.core.rules import Entry


def review(entries: Iterable[Entry]) -> Iterator[Problem]:
    """
    Find entries that can never match, because an earlier one takes every channel of theirs.

    Args:
        entries: The entries in the order of the file.
    """
    earlier: defaultdict[tuple[str | None, int], list[Entry]] = defaultdict(list)
    for entry in entries:
        pattern = entry.pattern
        size = len(pattern.segments)
        rivals = earlier[pattern.head, size] + (earlier[None, size] if pattern.head else [])
        rival = next((other for other in rivals if other.pattern.covers(pattern)), None)
        if rival is not None:
            yield Problem(entry.place, _message(entry, rival))
        earlier[pattern.head, size].append(entry)


def _message(entry: Entry, rival: Entry) -> str:
    text, line = entry.pattern.text, rival.place.line
    if rival.pattern.text == text:
        return f'the pattern "{text}" is already given in line {line}'
    return (
        f'the pattern "{text}" can never match: "{rival.pattern.text}" in line {line} takes all'
        " its channels; put the narrower one first"
    )
