"""Where a location takes its channels from, as a mount says it."""

from __future__ import annotations

from typing import NamedTuple
import re

from broker.migration.configuration import Directive
from broker.migration.draft import NoCounterpart, Value

_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_CAPTURE = re.compile(r"\((?:\?P?<(\w+)>)?((?:[^()\[\]\\]|\\.|\[[^\]]*\])*)\)")
_LITERAL = re.compile(r"(?:[\w/~,:;=@%-]|\\[./-])*", re.ASCII)
_BACKTRACK = re.compile(r"\.b\d+$")
_ANYTHING = frozenset({".*", ".+", ".*?", ".+?", "[^/]+", "[^/]*"})
_REGULAR = frozenset({"~", "~*"})


class Source(NamedTuple):
    """
    The path of a mount and where its channels come from.

    Attributes:
        path: The path, without a slash at the end.
        keys: `argument`, `fixed` or `prefix`; none for channels in the path.
        remark: How it differs from the location; empty where it does not.
    """

    path: str
    keys: dict[str, Value]
    remark: str = ""


class _Place(NamedTuple):
    """A location's path, and the names of what its expression captures."""

    path: str
    captures: tuple[str, ...] = ()
    remark: str = ""


class _Word(NamedTuple):
    """One channel expression: text before a variable, and the variable; one of them is empty."""

    prefix: str
    variable: str


def find_source(block: Directive, words: tuple[str, ...], group: str = "") -> Source:
    """
    Find out what a mount must say to take the channels that a location takes.

    Args:
        block: The `location` or `server`.
        words: The expressions of its channels.
        group: What is put before every name.

    Raises:
        NoCounterpart: No mount can.
    """
    place = _location(block)
    if not words:
        raise NoCounterpart("nothing says which channels it is about")
    parsed = [_word(word) for word in words]
    variables = [word.variable for word in parsed]
    if not any(variables):
        return _fixed(place, parsed, group)
    prefixes = {word.prefix for word in parsed}
    if not all(variables) or len(prefixes) > 1:
        raise NoCounterpart("a mount takes all its channels from one place")
    keys: dict[str, Value] = {}
    if prefix := group + prefixes.pop():
        keys["prefix"] = prefix
    if tuple(variables) == place.captures:
        return Source(place.path, keys, place.remark)
    if len(variables) == 1 and variables[0].startswith("arg_"):
        keys["argument"] = variables[0].removeprefix("arg_")
        return Source(place.path, keys, place.remark)
    raise NoCounterpart(
        f"a mount reads channels from its path or an argument, not from ${variables[0]}"
    )


def _fixed(place: _Place, words: list[_Word], group: str) -> Source:
    names = (name for word in words for name in word.prefix.strip("/").split("/"))
    fixed = tuple(dict.fromkeys(group + _BACKTRACK.sub("", name) for name in names if name))
    if not fixed:
        raise NoCounterpart("its channel has no name")
    return Source(place.path, {"fixed": fixed}, place.remark)


def _word(text: str) -> _Word:
    found = list(_VARIABLE.finditer(text))
    if not found:
        return _Word(text, "")
    if len(found) > 1 or found[0].end() != len(text):
        raise NoCounterpart(f'channels named "{text}" are no plain variable with a prefix')
    return _Word(text[: found[0].start()], found[0][1] or found[0][2])


def _location(block: Directive) -> _Place:
    if block.name != "location" or not block.words:
        return _checked(_Place("/", remark="it answers under every path of its server"))
    *modifier, text = block.words
    if text.startswith("@"):
        raise NoCounterpart("an internal location is reached by no client")
    if modifier and modifier[0] in _REGULAR:
        return _checked(_expression(text))
    return _checked(_Place(text.rstrip("/")))


def _expression(text: str) -> _Place:
    rest = text.removeprefix("^").removesuffix("$")
    literal = _LITERAL.match(rest)
    path = literal[0] if literal else ""
    rest = rest[len(path) :]
    captures: list[str] = []
    narrow = False
    while (capture := _CAPTURE.match(rest)) is not None:
        captures.append(capture[1] or str(len(captures) + 1))
        narrow = narrow or capture[2] not in _ANYTHING
        rest = rest[capture.end() :].removeprefix("/")
    if rest not in {"", "?"} or not path.startswith("/"):
        raise NoCounterpart(
            f'the path of a mount is text, and "{text}" is not text with captures behind it'
        )
    remark = "any name is taken, where the expression takes certain ones" if narrow else ""
    return _Place(path.replace("\\", "").rstrip("/"), tuple(captures), remark)


def _checked(place: _Place) -> _Place:
    if not place.path.strip("/"):
        raise NoCounterpart("a mount needs a path of its own")
    return place
