"""The words of a configuration file of nginx, each with its place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from broker.core.rules import Place
from broker.migration.errors import BadConfiguration

MAX_WORD_CHARACTERS = 64 * 1024
"""Length of one word: nginx itself reads through a buffer of 4 KiB."""

_SPACE = frozenset(" \t\r\n")
_MARKS = frozenset(";{}")
_ENDS = _SPACE | {";", "{"}
_BEHIND_QUOTES = _ENDS | {")", ""}
_ESCAPES = {'"': '"', "'": "'", "\\": "\\", "t": "\t", "r": "\r", "n": "\n"}


class Token(NamedTuple):
    """
    A word, or one of the marks `;`, `{` and `}`.

    Attributes:
        text: The word without its quotes, its escapes resolved.
        quoted: Whether it stood in quotes; a mark never does.
        place: Where it begins.
    """

    text: str
    quoted: bool
    place: Place

    @property
    def mark(self) -> str:
        """The mark that it is, else empty."""
        return "" if self.quoted or self.text not in _MARKS else self.text


class Tokens:
    """
    Reads the words of one file, one after the other.

    Args:
        text: The file.
        file: Its name, for the places.

    Source: nginx's `ngx_conf_read_token`.
    """

    def __init__(self, text: str, file: str) -> None:
        self._text = text
        self._file = file
        self._at = 0
        self._line = 1
        self._line_start = 0

    def __iter__(self) -> Iterator[Token]:
        while (token := self._next()) is not None:
            yield token

    def skip_block(self) -> None:
        """
        Skip to behind the brace that closes an opened block in another language.

        Raises:
            BadConfiguration: Nothing closes it.
        """
        place, depth = self._place(), 1
        while depth:
            character = self._take()
            if not character:
                raise BadConfiguration(place, "the block is never closed; a } is missing")
            depth += (character == "{") - (character == "}")

    def _next(self) -> Token | None:
        self._skip_space()
        place = self._place()
        character = self._peek()
        if not character:
            return None
        if character in _MARKS:
            return Token(self._take(), False, place)
        if character in "\"'":
            return Token(self._quoted(place), True, place)
        return Token(self._plain(place), False, place)

    def _skip_space(self) -> None:
        while (character := self._peek()) and (character in _SPACE or character == "#"):
            if self._take() == "#":
                while self._peek() not in {"\n", ""}:
                    self._take()

    def _quoted(self, place: Place) -> str:
        quote = self._take()
        found: list[str] = []
        while (character := self._take()) != quote:
            if not character:
                raise BadConfiguration(place, f"the quote {quote} is never closed")
            found.append(self._escape() if character == "\\" else character)
        if self._peek() not in _BEHIND_QUOTES:
            raise BadConfiguration(self._place(), f"a space, ; or {{ must follow a closing {quote}")
        return self._checked("".join(found), place)

    def _plain(self, place: Place) -> str:
        found: list[str] = []
        while (character := self._peek()) and character not in _ENDS:
            self._take()
            if character == "\\":
                character = self._escape()
            elif character == "$" and self._peek() == "{":
                character += self._take()
            found.append(character)
        return self._checked("".join(found), place)

    def _escape(self) -> str:
        character = self._take()
        return _ESCAPES.get(character, f"\\{character}")

    def _checked(self, word: str, place: Place) -> str:
        if len(word) > MAX_WORD_CHARACTERS:
            raise BadConfiguration(place, f"a word of {len(word)} characters is too long")
        return word

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self) -> str:
        character = self._peek()
        self._at += 1
        if character == "\n":
            self._line += 1
            self._line_start = self._at
        return character

    def _place(self) -> Place:
        return Place(self._file, self._line, self._at - self._line_start + 1)
