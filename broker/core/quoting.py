"""Where a word of a template stands, and so how its value has to be written there."""

from __future__ import annotations

from enum import Enum, auto
from typing import Protocol


class Quoting(Enum):
    """
    How a value is written.

    Attributes:
        PLAIN: As it is.
        VALUE: As a JSON value.
        QUOTED: As the inside of a JSON string.
        SCRIPT_VALUE: As a value in a script of a page.
        SCRIPT_QUOTED: As the inside of a string in a script of a page.
        MARKUP: As text of a page.
    """

    PLAIN = auto()
    VALUE = auto()
    QUOTED = auto()
    SCRIPT_VALUE = auto()
    SCRIPT_QUOTED = auto()
    MARKUP = auto()


class Misplaced(ValueError):
    """A word stands where no value is safe; the text says where."""


class Reader(Protocol):
    """Reads the text between words, and tells where the next word stands."""

    def read(self, text: str) -> None:
        """Take the text before the next word."""

    def quoting(self) -> Quoting:
        """
        Return how the next value is written.

        Raises:
            Misplaced: It would not be safe there.
        """


class PlainReader:
    """Reads text of no known form: every value stands there as it is."""

    def read(self, text: str) -> None:
        """Take the text before the next word."""

    def quoting(self) -> Quoting:
        """Return that the value stays as it is."""
        return Quoting.PLAIN


class JsonReader:
    """Reads JSON, where a word stands inside a string or for a whole value."""

    def __init__(self) -> None:
        self._inside = False
        self._escaped = False

    def read(self, text: str) -> None:
        """Take the text before the next word."""
        for char in text:
            if self._escaped:
                self._escaped = False
            elif char == "\\":
                self._escaped = self._inside
            elif char == '"':
                self._inside = not self._inside

    def quoting(self) -> Quoting:
        """Return whether the next value stands in a string."""
        return Quoting.QUOTED if self._inside else Quoting.VALUE


class PageReader:
    """
    Reads HTML as browsers do, as far as it matters: text, tags, and scripts with their strings.

    Source: WHATWG HTML, section 13.2.5 (script data); ECMA-262, section 12.9.4 (strings).
    """

    def __init__(self) -> None:
        self._in_tag = False
        self._in_script = False
        self._end = ""  # what ends the string or comment of a script that we are in
        self._tag = ""

    def read(self, text: str) -> None:
        """Take the text before the next word."""
        at = 0
        while at < len(text):
            at += self._step(text, at)

    def quoting(self) -> Quoting:
        """
        Return how the next value is written.

        Raises:
            Misplaced: It stands inside a tag, a template string or a comment.
        """
        if self._in_tag:
            raise Misplaced("inside a tag")
        if not self._in_script:
            return Quoting.MARKUP
        if not self._end:
            return Quoting.SCRIPT_VALUE
        if self._end in {"'", '"'}:
            return Quoting.SCRIPT_QUOTED
        raise Misplaced("inside a comment or a template string of a script")

    def _step(self, text: str, at: int) -> int:
        """Read what stands at a place; return how long it is."""
        if self._in_script:
            return self._step_in_script(text, at)
        char = text[at]
        if self._in_tag:
            self._tag += char
            if char == ">":
                self._in_tag = False
                self._in_script = self._tag.lower().startswith("script")
        elif char == "<":
            self._in_tag = True
            self._tag = ""
        return 1

    def _step_in_script(self, text: str, at: int) -> int:
        if text[at : at + 8].lower() == "</script":  # ends it even in the middle of a string
            self._in_script = False
            self._end = ""
            return 0
        if self._end:
            if text[at] == "\\" and len(self._end) == 1 and self._end != "\n":
                return 2
            if text.startswith(self._end, at):
                size = len(self._end)
                self._end = ""
                return size
            return 1
        for start, end in (("//", "\n"), ("/*", "*/"), ("'", "'"), ('"', '"'), ("`", "`")):
            if text.startswith(start, at):
                self._end = end
                return len(start)
        return 1
