"""
YAML text as a tree that remembers where everything stands.

Only what a configuration needs: mappings, lists and scalars of one document. Aliases and tags are
refused, so no text grows when it is read. Plain scalars follow YAML 1.2: `on`, `yes` and `1:30`
are text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol
import re

import yaml

from broker.catalog.problems import CatalogError, Problem
from broker.core.channels import shown
from broker.core.rules import Place

MAX_DEPTH = 16
"""Nesting of a document: a rule stands at 5."""

_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Scalar:
    """
    A single value.

    Attributes:
        text: The value as it was written, without quotes.
        plain: Whether it was written without quotes.
        place: Where it stands.
    """

    text: str
    plain: bool
    place: Place

    @property
    def boolean(self) -> bool | None:
        """The value where it is `true` or `false`, else None."""
        if not self.plain or self.text not in _TRUE | _FALSE:
            return None
        return self.text in _TRUE

    @property
    def is_null(self) -> bool:
        """Whether it stands for no value."""
        return self.plain and self.text in _NULL


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of nodes."""

    items: tuple[Node, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping: keys and values in the order of the file, no key twice."""

    pairs: tuple[tuple[Scalar, Node], ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Broken:
    """Something that was already reported; whoever meets it says nothing more."""

    place: Place


Node = Scalar | Listing | Table | Broken


class _Mark(Protocol):
    @property
    def line(self) -> int: ...

    @property
    def column(self) -> int: ...


def read_document(text: str, file: str, problems: list[Problem]) -> Node:
    """
    Read a YAML document.

    Args:
        text: The document.
        file: Name for the places.
        problems: Takes what is wrong and leaves the rest readable.

    Raises:
        CatalogError: The text cannot be read any further; `problems` are in it.
    """
    builder = _Builder(file, problems)
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            builder.take(event)
    except yaml.reader.ReaderError as exc:
        raise CatalogError([*problems, _unreadable(text, file, exc.position)]) from exc
    except yaml.MarkedYAMLError as exc:
        raise CatalogError([*problems, _syntax(text, file, exc)]) from exc
    except (ValueError, OverflowError) as exc:  # an escape such as "\U99999999"
        fault = Problem(builder.reached, "an escape sequence behind this names no character")
        raise CatalogError([*problems, fault]) from exc
    return builder.root or Scalar("", True, Place(file, 1, 1))


def member(node: Node, name: str) -> Node | None:
    """Return what a mapping has under a key; None where it is no mapping or has no such key."""
    pairs = node.pairs if isinstance(node, Table) else ()
    return next((value for key, value in pairs if key.text == name), None)


class _Builder:
    """Makes nodes of events, with a stack instead of recursion."""

    def __init__(self, file: str, problems: list[Problem]) -> None:
        self.root: Node | None = None
        self.reached = Place(file, 1, 1)
        self._file = file
        self._problems = problems
        self._open: list[tuple[Place, list[Node]]] = []
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        place = self.reached = _place(self._file, event.start_mark)
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                self._fail(place, "the file must hold one document; remove what follows this ---")
        elif isinstance(event, yaml.CollectionStartEvent):
            self._check_tag(event.tag, place)
            self._open.append((place, []))
            if len(self._open) > MAX_DEPTH:
                self._fail(place, f"nested more than {MAX_DEPTH} deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            opened, children = self._open.pop()
            if isinstance(event, yaml.SequenceEndEvent):
                self._add(Listing(tuple(children), opened))
            else:
                self._add(Table(tuple(self._pairs(children)), opened))
        elif isinstance(event, yaml.AliasEvent):
            self._report(place, f"aliases (*{event.anchor}) are not supported; write the value out")
            self._add(Broken(place))
        elif isinstance(event, yaml.ScalarEvent):
            self._add(self._scalar(event, place))

    def _scalar(self, event: yaml.ScalarEvent, place: Place) -> Node:
        self._check_tag(event.tag, place)
        if _FORBIDDEN.search(event.value):
            self._report(place, f"a control character in {shown(event.value)}")
            return Broken(place)
        return Scalar(event.value, event.style is None, place)

    def _pairs(self, children: list[Node]) -> Iterator[tuple[Scalar, Node]]:
        seen: dict[str, int] = {}
        for key, value in zip(children[::2], children[1::2], strict=True):
            if not isinstance(key, Scalar):
                if not isinstance(key, Broken):
                    self._report(key.place, "a key must be a single word; quote a variable")
            elif key.text in seen:
                self._report(
                    key.place,
                    f"the key {shown(key.text)} is already given in line {seen[key.text]}",
                )
            else:
                seen[key.text] = key.place.line
                yield key, value

    def _add(self, node: Node) -> None:
        if self._open:
            self._open[-1][1].append(node)
        else:
            self.root = node

    def _check_tag(self, tag: str | None, place: Place) -> None:
        if tag is not None:
            self._report(place, f"tags ({tag}) are not supported; remove it")

    def _report(self, place: Place, message: str) -> None:
        self._problems.append(Problem(place, message))

    def _fail(self, place: Place, message: str) -> None:
        self._report(place, message)
        raise CatalogError(self._problems)


def _place(file: str, mark: _Mark | None) -> Place:
    if mark is None:  # pragma: no cover - the types allow it, the parser marks everything
        return Place(file, 1, 1)
    return Place(file, mark.line + 1, mark.column + 1)


def _unreadable(text: str, file: str, position: int) -> Problem:
    before = text[:position]
    line_start = before.rfind("\n") + 1
    place = Place(file, before.count("\n") + 1, position - line_start + 1)
    return Problem(place, f"the character {shown(text[position : position + 1])} is not allowed")


def _syntax(text: str, file: str, exc: yaml.MarkedYAMLError) -> Problem:
    place = _place(file, exc.problem_mark or exc.context_mark)
    if _character(text, place) == "\t":
        return Problem(place, "a tab cannot indent; use spaces")
    context = f" {exc.context}" if exc.context else ""
    return Problem(place, f"this is not YAML: {exc.problem}{context}")


def _character(text: str, place: Place) -> str:
    lines = text.splitlines()
    line = lines[place.line - 1] if place.line <= len(lines) else ""
    return line[place.column - 1 : place.column]
