"""
Build the documentation as a site, in dist/site; a link that leads nowhere fails.

The pages link to each other, and to files of the tree, by relative paths. So a copy of the tree
with nothing but those is made first, and the site from that.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
import logging
import re
import shutil
import sys

from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort

ROOT = Path(__file__).parent.parent
INDEX = Path("docs/README.md")
FIRST = (Path("README.md"), INDEX, Path("CHANGELOG.md"))
SOURCE = ROOT / "dist" / "site-source"
SITE = ROOT / "dist" / "site"

_LINK = re.compile(r"\]\(([^()\s#]+)[^()\s]*\)")
_FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
_SECTION = re.compile(r"^\| ([A-Z][^|]+) \|")
_ROW = re.compile(r"^\| \[([^\]]+)\]\(([^)]+)\)")

Nav = list[dict[str, object]]


def linked(page: Path) -> Iterable[Path]:
    """
    Yield the files that a page links to.

    Args:
        page: Path of the page in the tree.
    """
    text = _FENCE.sub("", (ROOT / page).read_text(encoding="utf-8"))
    for link in _LINK.findall(text):
        if "://" not in link:
            target = (ROOT / page.parent / link).resolve()
            if target.is_relative_to(ROOT) and target.is_file():
                yield target.relative_to(ROOT)


def wanted() -> set[Path]:
    """Return every page, and every file that one of them links to."""
    found: set[Path] = set()
    todo = [*FIRST, *(path.relative_to(ROOT) for path in (ROOT / "docs").rglob("*.md"))]
    while todo:
        path = todo.pop()
        if path not in found:
            found.add(path)
            if path.suffix == ".md":
                todo.extend(linked(path))
    return found


def navigation(pages: set[Path]) -> Nav:
    """
    Return the sections of the index, and what it does not list behind them.

    Args:
        pages: Every page.
    """
    nav: Nav = [{"Broker": "README.md"}, {"All pages": str(INDEX)}]
    rows: Nav = []
    listed = {*FIRST[:2]}
    for line in (ROOT / INDEX).read_text(encoding="utf-8").splitlines():
        if row := _ROW.match(line):
            path = (ROOT / INDEX.parent / row[2].partition("#")[0]).resolve().relative_to(ROOT)
            rows.append({row[1]: str(path)})
            listed.add(path)
        elif section := _SECTION.match(line):
            rows = []
            nav.append({section[1]: rows})
    others: Nav = [{path.stem.capitalize(): str(path)} for path in sorted(pages - listed)]
    return [*nav, {"Beside them": others}] if others else nav


def main(source: Path = SOURCE, site: Path = SITE) -> int:
    """
    Build the site; return the exit code.

    Args:
        source: Where the copy of the pages is made.
        site: Where the site goes.
    """
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    files = wanted()
    shutil.rmtree(source, ignore_errors=True)
    for path in files:
        target = source / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, target)
    pages = {path for path in files if path.suffix == ".md"}
    config = load_config(
        str(ROOT / "mkdocs.yml"),
        docs_dir=str(source),
        site_dir=str(site),
        nav=navigation(pages),
        strict=True,
    )
    try:
        build(config)
    except Abort as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{len(pages)} pages: {site}/index.html")
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
