"""Links, anchors and paths in the documentation lead somewhere."""

from __future__ import annotations

from pathlib import Path
import re

import pytest

from tests.support.markdown import PAGES, ROOT, anchors, code_words, links

PATH = re.compile(r"(?:broker|tests|docs|\.ci)/[\w./-]*", re.ASCII)
INDEX = ROOT / "docs" / "README.md"


def name(page: Path) -> str:
    """Return a page's path in the tree."""
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_somewhere(page: Path) -> None:
    """The file of each relative link is there, and has the heading that the link names."""
    broken = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if "://" in link:
            continue
        if not target.exists() or (anchor and anchor not in anchors(target.resolve())):
            broken.append(link)
    assert [] == broken


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_path_in_code_exists(page: Path) -> None:
    """A path of the tree that stands between backticks is there."""
    paths = [word for word in code_words(page) if PATH.fullmatch(word)]
    assert [] == [path for path in paths if not (ROOT / path).exists()]


def test_every_page_is_in_the_index() -> None:
    """Whoever opens docs/README.md finds each page."""
    listed = {(INDEX.parent / link.partition("#")[0]).resolve() for link in links(INDEX)}
    docs = {page for page in PAGES if page.is_relative_to(INDEX.parent)}
    assert set() == docs - listed - {INDEX}
