"""Typed values out of nodes; whatever is wrong is reported, with its place."""

from __future__ import annotations

from broker.catalog.document import Broken, Listing, Node, Scalar, Table
from broker.catalog.problems import Problem, suggest
from broker.core.channels import shown
from broker.core.rules import Place
from broker.core.units import format_duration, format_size, parse_duration, parse_size

_DIGITS = 9


class ValueReader:
    """
    Reads values and collects problems.

    Every method reports what is wrong with its node and then gives something harmless, so that
    one run finds every mistake.

    Args:
        problems: Takes what is wrong.
    """

    def __init__(self, problems: list[Problem]) -> None:
        self._problems = problems

    def report(self, place: Place, message: str) -> None:
        """Add a problem."""
        self._problems.append(Problem(place, message))

    def table(self, node: Node, what: str, allowed: tuple[str, ...]) -> dict[str, Node]:
        """Read a mapping whose keys are known; unknown ones are reported with the nearest."""
        if not isinstance(node, Table):
            self._mismatch(node, what, f"a mapping with {', '.join(allowed)}")
            return {}
        table: dict[str, Node] = {}
        for key, value in node.pairs:
            if key.text in allowed:
                table[key.text] = value
            else:
                unknown = f"unknown key {shown(key.text)} in {what}"
                self.report(key.place, f"{unknown}; {suggest(key.text, allowed)}")
        return table

    def listing(self, node: Node, what: str, limit: int) -> tuple[Node, ...]:
        """Read a list of at most `limit` nodes."""
        if not isinstance(node, Listing):
            self._mismatch(node, what, "a list")
            return ()
        if len(node.items) > limit:
            self.report(node.place, f"{what} has {len(node.items)} members, the limit is {limit}")
        return node.items[:limit]

    def text(self, node: Node, what: str) -> str | None:
        """Read text; None where there is none."""
        if not isinstance(node, Scalar) or node.is_null:
            self._mismatch(node, what, "text")
            return None
        return node.text

    def choice(self, node: Node, what: str, allowed: tuple[str, ...]) -> str | None:
        """Read one of some words; None where it is none of them."""
        text = self.text(node, what)
        if text is None or text in allowed:
            return text
        self.report(node.place, f"unknown {what} {shown(text)}; {suggest(text, allowed)}")
        return None

    def number(self, node: Node, what: str, low: int, high: int) -> int:
        """Read a whole number from `low` to `high`; `low` where it is none."""
        wanted = str(low) if low == high else f"a whole number from {low} to {high}"
        if not isinstance(node, Scalar) or node.is_null or not node.plain:
            self._mismatch(node, what, wanted)
            return low
        is_number = node.text.isascii() and node.text.isdecimal() and len(node.text) <= _DIGITS
        if not is_number or not low <= int(node.text) <= high:
            self._mismatch(node, what, wanted)
            return low
        return int(node.text)

    def duration(self, node: Node, what: str, high_s: int) -> int:
        """Read a duration from a second to `high_s`; in seconds."""
        text = self.text(node, what)
        if text is None:
            return 1
        try:
            seconds = parse_duration(text)
        except ValueError as exc:
            self.report(node.place, f"{what} cannot be {shown(text)}: {exc}")
            return 1
        if not 1 <= seconds <= high_s:
            self._mismatch(node, what, f"from 1s to {format_duration(high_s)}")
        return seconds

    def size(self, node: Node, what: str, high: int) -> int:
        """Read a size from one byte to `high`; in bytes."""
        text = self.text(node, what)
        if text is None:
            return 1
        try:
            size = parse_size(text)
        except ValueError as exc:
            self.report(node.place, f"{what} cannot be {shown(text)}: {exc}")
            return 1
        if not 1 <= size <= high:
            self._mismatch(node, what, f"from 1 to {format_size(high)}")
        return size

    def _mismatch(self, node: Node, what: str, wanted: str) -> None:
        if not isinstance(node, Broken):
            self.report(node.place, f"{what} must be {wanted}, not {_kind(node)}")


def _kind(node: Node) -> str:
    if isinstance(node, Scalar):
        return "empty" if node.is_null else shown(node.text)
    return "a list" if isinstance(node, Listing) else "a mapping"
