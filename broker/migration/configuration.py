"""A configuration of nginx as a tree of directives, with what it includes put in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path

from broker.core.rules import Place
from broker.migration.errors import BadConfiguration
from broker.migration.tokens import Token, Tokens

MAX_FILES = 500
"""Files that one configuration may consist of."""

MAX_FILE_BYTES = 4 * 1024 * 1024
"""Size of one file."""

MAX_DEPTH = 32
"""Nesting of blocks and of files that include one another."""

_FOREIGN = "_by_lua_block"


@dataclass(frozen=True, slots=True)
class Directive:
    """
    One directive, and what stands in its block.

    Attributes:
        name: Its name.
        words: What follows the name, without quotes.
        place: Where it stands.
        block: The directives between its braces; None where it has no braces.
    """

    name: str
    words: tuple[str, ...]
    place: Place
    block: tuple[Directive, ...] | None = None

    def __str__(self) -> str:
        return " ".join((self.name, *(_shown(word) for word in self.words)))

    @property
    def value(self) -> str:
        """The first word, empty where there is none."""
        return self.words[0] if self.words else ""

    @property
    def children(self) -> tuple[Directive, ...]:
        """The directives of its block, none where it has none."""
        return self.block or ()


@dataclass(frozen=True, slots=True)
class Configuration:
    """
    Everything that was read.

    Attributes:
        directives: The outermost directives, in their order.
        unread: Each `include` of which nothing could be read.
        files: How many files were read.
    """

    directives: tuple[Directive, ...]
    unread: tuple[Directive, ...]
    files: int


def read_configuration(path: Path) -> Configuration:
    """
    Read a configuration file and all that it includes.

    Files are looked for beside the first one, as nginx does. It may also be a part of a
    configuration: server or location blocks on their own.

    Args:
        path: The file.

    Raises:
        BadConfiguration: It cannot be read, or is none.
    """
    reader = _Reader(path.parent)
    directives = reader.file(path, Place(str(path), 1, 1))
    return Configuration(directives, tuple(reader.unread), reader.files)


def walk(directives: tuple[Directive, ...]) -> Iterator[Directive]:
    """Yield directives and all that stand in their blocks, in the order of the files."""
    for directive in directives:
        yield directive
        yield from walk(directive.children)


class _Reader:
    """Reads files, each into directives."""

    def __init__(self, base: Path) -> None:
        self.unread: list[Directive] = []
        self.files = 0
        self._base = base
        self._open: list[Path] = []

    def file(self, path: Path, place: Place) -> tuple[Directive, ...]:
        self.files += 1
        if self.files > MAX_FILES:
            raise BadConfiguration(place, f"more than {MAX_FILES} files are included")
        if path in self._open:
            raise BadConfiguration(place, f"{path} includes itself")
        if len(self._open) >= MAX_DEPTH:
            raise BadConfiguration(place, f"files include one another more than {MAX_DEPTH} deep")
        self._open.append(path)
        tokens = Tokens(_text(path, place), str(path))
        found = tuple(self._block(tokens, iter(tokens), None, 0))
        self._open.pop()
        return found

    def _block(
        self, tokens: Tokens, stream: Iterator[Token], opened: Place | None, depth: int
    ) -> Iterator[Directive]:
        words: list[Token] = []
        for token in stream:
            if not token.mark:
                words.append(token)
            elif token.mark == "}" and opened is not None and not words:
                return
            elif token.mark == "}" or not words:
                raise BadConfiguration(token.place, f"{token.mark} stands where nothing ends")
            elif token.mark == ";":
                yield from self._simple(words)
                words = []
            else:
                yield self._opened(words, tokens, stream, depth)
                words = []
        if words:
            raise BadConfiguration(words[0].place, f"{words[0].text} has no ; or {{ behind it")
        if opened is not None:
            raise BadConfiguration(opened, "the block is never closed; a } is missing")

    def _opened(
        self, words: list[Token], tokens: Tokens, stream: Iterator[Token], depth: int
    ) -> Directive:
        directive = _directive(words)
        if depth >= MAX_DEPTH:
            raise BadConfiguration(directive.place, f"blocks nested more than {MAX_DEPTH} deep")
        if directive.name.endswith(_FOREIGN):
            tokens.skip_block()
            return directive
        block = tuple(self._block(tokens, stream, directive.place, depth + 1))
        return Directive(directive.name, directive.words, directive.place, block)

    def _simple(self, words: list[Token]) -> Iterator[Directive]:
        directive = _directive(words)
        if directive.name != "include":
            yield directive
            return
        if len(directive.words) != 1:
            raise BadConfiguration(directive.place, "include takes one file name")
        found = sorted(glob(directive.value, root_dir=self._base))  # noqa: PTH207 - may be absolute
        if not found and not has_magic(directive.value):
            self.unread.append(directive)
        for name in found:
            yield from self.file(self._base / name, directive.place)


def _directive(words: list[Token]) -> Directive:
    name, *rest = words
    return Directive(name.text, tuple(word.text for word in rest), name.place)


def _text(path: Path, place: Place) -> str:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise BadConfiguration(place, f"{path} is larger than {MAX_FILE_BYTES} bytes")
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as exc:
        raise BadConfiguration(place, f"{path} cannot be read: {exc.strerror}") from exc


def _shown(word: str) -> str:
    if word and not any(character in ' \t\r\n;{}"' for character in word):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped.replace("\r", "\\r").replace("\n", "\\n") + '"'
