"""The catalogue: which rules hold for a channel."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from difflib import SequenceMatcher
from functools import lru_cache
from pathlib import Path

from broker.catalog.document import member, read_document
from broker.catalog.entries import read_entries
from broker.catalog.mounts import read_mounts, standard_mounts
from broker.catalog.problems import CatalogError, Problem
from broker.catalog.review import review
from broker.core.channels import shown
from broker.core.errors import UnknownChannel
from broker.core.mounts import Mount
from broker.core.rules import VARIABLE, Entry, Match, Pattern, Place

MAX_FILE_BYTES = 1024 * 1024
"""Size of `channels.yaml`: a thousand entries with comments are a quarter of it."""

CACHED_MATCHES = 16_384
"""Channels whose entry is remembered, matched or not; about 5 MiB when full."""

_CACHED_NEAREST = 256
_COMPARED_CHARACTERS = 100
_NEAR = 0.6
_OPEN = "\0"


class Catalog:
    """
    The entries of `channels.yaml`, ready to be asked; it never changes.

    The first entry whose pattern matches a channel holds.

    Args:
        entries: The entries in the order of the file.
        mounts: What is served under which path; the standard ones where nothing is said.
    """

    def __init__(self, entries: Sequence[Entry], mounts: Sequence[Mount] | None = None) -> None:
        self.entries = tuple(entries)
        self.mounts = standard_mounts() if mounts is None else tuple(mounts)
        self._index = _index(self.entries)
        self._cached_match = lru_cache(CACHED_MATCHES)(self._match)
        self._cached_nearest = lru_cache(_CACHED_NEAREST)(self._nearest)

    @classmethod
    def load(cls, path: Path) -> Catalog:
        """
        Read a file.

        Raises:
            CatalogError: The file cannot be read, or holds mistakes: all of them.
        """
        file = str(path)
        try:
            with path.open("rb") as stream:
                content = stream.read(MAX_FILE_BYTES + 1)
        except OSError as exc:
            raise _unusable(file, exc.strerror or "it cannot be opened") from exc
        return cls.parse(content, file)

    @classmethod
    def parse(cls, content: str | bytes, file: str = "channels.yaml") -> Catalog:
        """
        Read the text of a file.

        Args:
            content: The text, or its UTF-8 bytes.
            file: Name for the places in messages.

        Raises:
            CatalogError: It holds mistakes: all of them.
        """
        if len(content) > MAX_FILE_BYTES:
            raise _unusable(file, f"the file is larger than {MAX_FILE_BYTES} bytes")
        problems: list[Problem] = []
        document = read_document(_decode(content, file), file, problems)
        entries = read_entries(document, problems)
        problems.extend(review(entries))
        mounts = read_mounts(member(document, "mounts"), problems)
        if problems:
            raise CatalogError(problems)
        return cls(entries, mounts)

    def match(self, channel: str) -> Match | None:
        """Return the first entry whose pattern matches the channel, or None."""
        return self._cached_match(channel)

    def require(self, channel: str) -> Match:
        """
        Return the first entry whose pattern matches the channel.

        Raises:
            UnknownChannel: None does; the error names the nearest pattern.
        """
        match = self.match(channel)
        if match is None:
            nearest = self.nearest(channel)
            hint = f'; the nearest is "{nearest}"' if nearest else ""
            raise UnknownChannel(
                f"no pattern of channels.yaml matches the channel {shown(channel)}{hint}",
                field="channel",
                nearest=nearest,
            )
        return match

    def nearest(self, channel: str) -> str | None:
        """Return the pattern that looks most like the channel, or None where none does."""
        return self._cached_nearest(channel[:_COMPARED_CHARACTERS])

    def _match(self, channel: str) -> Match | None:
        head, dots = channel.partition(".")[0], channel.count(".")
        for entry in self._index.get((head, dots), self._index.get((None, dots), ())):
            variables = entry.pattern.match(channel)
            if variables is not None:
                return Match(entry, variables)
        return None

    def _nearest(self, channel: str) -> str | None:
        patterns = [entry.pattern for entry in self.entries]
        likest = max(patterns, key=lambda pattern: _likeness(pattern, channel), default=None)
        if likest is None or _likeness(likest, channel) < _NEAR:
            return None
        return likest.text


def _index(entries: Sequence[Entry]) -> dict[tuple[str | None, int], list[Entry]]:
    """Sort entries under first segment and number of dots; those without one go under all."""
    index: defaultdict[tuple[str | None, int], list[Entry]] = defaultdict(list)
    heads: defaultdict[int, set[str | None]] = defaultdict(lambda: {None})
    for entry in entries:
        heads[len(entry.pattern.segments) - 1].add(entry.pattern.head)
    for entry in entries:
        dots, head = len(entry.pattern.segments) - 1, entry.pattern.head
        for key in heads[dots] if head is None else {head}:
            index[key, dots].append(entry)
    return dict(index)


def _likeness(pattern: Pattern, channel: str) -> float:
    """Return from 0 to 1 how alike they are, not counting segments that are all variable."""
    parts = channel.split(".")
    for place, segment in enumerate(pattern.segments[: len(parts)]):
        if segment.is_open:
            parts[place] = _OPEN
    text = VARIABLE.sub(_OPEN, pattern.text)
    matcher = SequenceMatcher(None, text, ".".join(parts), autojunk=False)
    return 0.0 if matcher.real_quick_ratio() < _NEAR else matcher.ratio()


def _decode(content: str | bytes, file: str) -> str:
    if isinstance(content, str):
        return content.removeprefix("\ufeff")
    try:
        return content.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as exc:
        before = content[: exc.start]
        column = exc.start - before.rfind(b"\n")
        place = Place(file, before.count(b"\n") + 1, column)
        raise CatalogError([Problem(place, "this byte is not UTF-8")]) from exc


def _unusable(file: str, why: str) -> CatalogError:
    return CatalogError([Problem(Place(file, 1, 1), why)])
