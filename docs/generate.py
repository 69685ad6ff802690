"""Write the files that are made from others; `--check` only compares them."""

from __future__ import annotations

from pathlib import Path
import sys

from broker.settings import describe
from docs.pages import cli, client, errors, metrics, migration

DOCS = Path(__file__).parent
PAGES = {
    DOCS / "reference" / "settings.md": describe,
    DOCS / "reference" / "errors.md": errors.page,
    DOCS / "reference" / "cli.md": cli.page,
    DOCS / "reference" / "metrics.md": metrics.page,
    DOCS / "migration" / "directives.md": migration.page,
    DOCS.parent / "broker" / "assets" / "files" / "client.js": client.page,
}


def main(check: bool) -> int:
    """Write each page that differs, or, with `check`, name it and return 1."""
    stale = [page for page, make in PAGES.items() if not _says(page, make())]
    for page in stale:
        print(f"{page.relative_to(DOCS.parent)}: {'out of date' if check else 'written'}")
        if not check:
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text(PAGES[page](), encoding="utf-8")
    return int(check and bool(stale))


def _says(page: Path, text: str) -> bool:
    return page.is_file() and page.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
