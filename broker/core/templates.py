"""Templates: the text that a mount writes for a message, with words for its parts."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import NamedTuple
import json
import re

from broker.core.quoting import JsonReader, Misplaced, PageReader, PlainReader, Quoting, Reader

WORDS = ("id", "text", "channel", "tag", "time", "size", "event-id", "event-type")
"""What a template may name, between two tildes, in any case (push-stream reference, section 4)."""

MAX_TEMPLATE_CHARACTERS = 16_384
"""Length of a template, header or footer: a small page with a script."""

_WORD = re.compile(r"~([A-Za-z][A-Za-z-]*)~")


class BadTemplate(ValueError):
    """A template cannot be used; the text says why."""


class Word(NamedTuple):
    """
    A word of a template.

    Attributes:
        name: One of `WORDS`.
        quoting: How its value is written where it stands.
    """

    name: str
    quoting: Quoting


class Template(NamedTuple):
    """
    A template, taken apart.

    Attributes:
        text: As it was written.
        parts: Text and words in turn.
        is_json: Whether it makes a JSON text of every message.
    """

    text: str
    parts: tuple[str | Word, ...]
    is_json: bool


def parse_template(text: str, *, page: bool = False, before: str = "") -> Template:
    """
    Take a template apart.

    Where it makes JSON, values are written as JSON or inside a JSON string; in a page, so that they
    stay text or values of a script; anywhere else as they are.

    Args:
        text: The template.
        page: Whether it is part of an HTML page.
        before: What a page holds before the first message.

    Raises:
        BadTemplate: It is blank or too long, names an unknown word, or has a word where no value
            would be safe.

    Source: push-stream reference, section 4.
    """
    if not text.strip():
        raise BadTemplate("a template cannot be blank")
    if len(text) > MAX_TEMPLATE_CHARACTERS:
        raise BadTemplate(f"a template has at most {MAX_TEMPLATE_CHARACTERS} characters")
    pieces = _WORD.split(text)
    for name in pieces[1::2]:
        _check_word(name)
    if page:
        reader: Reader = PageReader()
        reader.read(before)
        return Template(text, tuple(_parts(pieces, reader)), is_json=False)
    is_json = _makes_json(pieces)
    reader = JsonReader() if is_json else PlainReader()
    return Template(text, tuple(_parts(pieces, reader)), is_json)


def _check_word(name: str) -> None:
    if name.lower() not in WORDS:
        near = get_close_matches(name.lower(), WORDS, n=1)
        hint = f'did you mean "~{near[0]}~"? ' if near else ""
        known = ", ".join(f"~{word}~" for word in WORDS)
        raise BadTemplate(f"the word ~{name}~ is not known; {hint}({known})")


def _parts(pieces: list[str], reader: Reader) -> Iterator[str | Word]:
    for place, piece in enumerate(pieces):
        if place % 2 == 0:
            reader.read(piece)
            if piece:
                yield piece
            continue
        try:
            yield Word(piece.lower(), reader.quoting())
        except Misplaced as error:
            raise BadTemplate(f"~{piece}~ cannot stand {error}") from error


def _makes_json(pieces: list[str]) -> bool:
    """Tell whether a template is a JSON text around its words, once they have values."""
    if not pieces[0].lstrip().startswith(("{", "[", '"')):
        return False
    reader = JsonReader()
    sample = ""
    for place, piece in enumerate(pieces):
        if place % 2 == 0:
            reader.read(piece)
            sample += piece
        else:
            sample += "0"
    try:
        json.loads(sample)
    except ValueError:
        return False
    return True
