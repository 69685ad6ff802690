"""Pages of the documentation, taken apart: blocks, links, anchors, words in code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple
import re

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [
        *(ROOT / name for name in ("README.md", "CHANGELOG.md", "examples/README.md")),
        *(ROOT / "docs").rglob("*.md"),
    ]
)

_FENCE = re.compile(
    r"(?P<above>(?:<!--[^\n]*-->\n)*)```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
_COMMENT = re.compile(r"<!-- ?(.*?) ?-->")
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^()\s]+)\)")
_COMMAND = re.compile(r"broker ([a-z]+)((?: (?![<|])(?:'[^']*'|[^\s)])+)*)")
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
_TESTS = re.compile(r"^- \[(tests/[^\]]+)\]\([^)]+\):((?:.|\n  )+)", re.MULTILINE)
_DEFINED = re.compile(r"^\s*(?:async )?(?:def|class) (\w+)", re.MULTILINE)


class Block(NamedTuple):
    """
    A fenced block.

    Attributes:
        page: Where it stands.
        line: Number of its first line, from 1.
        language: The word behind the fence, or empty.
        text: What is in it.
        comments: Comments in the lines right above it.
    """

    page: Path
    line: int
    language: str
    text: str
    comments: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def unrun(self) -> str:
        """Why nothing is done with it; empty where something is."""
        reasons = (comment.removeprefix("not run: ") for comment in self.comments)
        return next((text for text in reasons if text not in self.comments), "")


@cache
def read(page: Path) -> str:
    """Return the text of a page."""
    return page.read_text(encoding="utf-8")


def blocks(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page."""
    text = read(page)
    for found in _FENCE.finditer(text):
        line = text.count("\n", 0, found.start("text")) + 1
        comments = tuple(_COMMENT.findall(found["above"]))
        yield Block(page, line, found["language"], found["text"], comments)


def prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return _FENCE.sub("", read(page))


def code_words(page: Path) -> list[str]:
    """Return what stands between backticks in the prose of a page."""
    return _CODE.findall(prose(page))


def links(page: Path) -> list[str]:
    """Return the targets of all links of a page."""
    return _LINK.findall(_CODE.sub("`code`", prose(page)))


@cache
def anchors(page: Path) -> frozenset[str]:
    """Return what may stand behind `#` in a link to a page, as GitHub makes it of headings."""
    found: Counter[str] = Counter()
    for heading in _HEADING.findall(prose(page)):
        found[re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")] += 1
    again = (f"{anchor}-{number}" for anchor, count in found.items() for number in range(1, count))
    return frozenset((*found, *again))


def invocations(line: str) -> list[tuple[str, str]]:
    """
    Return each `broker VERB WORDS` in a line of shell, as verb and words.

    What follows two spaces is a remark; a pipe, a redirection or a bracket ends the words.
    """
    return _COMMAND.findall(re.split(r" {2,}", line)[0])


def named_tests(text: str) -> list[tuple[str, str]]:
    """Return the tests that a list on a page names, each with its file."""
    return [
        (path, test)
        for path, names in _TESTS.findall(text)
        for test in re.findall(r"`(\w+)`", names)
    ]


def missing_tests(text: str) -> list[tuple[str, str]]:
    """Return those of the named tests that their file does not define."""
    return [(path, test) for path, test in named_tests(text) if test not in _defined(ROOT / path)]


@cache
def _defined(file: Path) -> frozenset[str]:
    """Return the functions and classes of a file; none where there is no such file."""
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    return frozenset(_DEFINED.findall(text))
