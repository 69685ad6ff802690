"""The documentation as a site: every page is in it, and every link of it leads somewhere."""

from __future__ import annotations

from pathlib import Path
import re
import subprocess
import sys

import pytest

from tests.support.markdown import PAGES, ROOT

pytest.importorskip("mkdocs", reason="mkdocs-material is not installed")


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    """`make site` takes all pages, in the order of the index; it fails on a link to nowhere."""
    site = tmp_path / "site"
    command = [sys.executable, "docs/website.py", str(tmp_path / "source"), str(site)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    made = {path.relative_to(site) for path in site.rglob("*.html")}
    pages = {page.relative_to(ROOT) for page in PAGES}
    expected = {
        page.with_name("index.html") if page.name == "README.md" else page.with_suffix(".html")
        for page in pages
    }
    assert set() == expected - made
    start = (site / "index.html").read_text(encoding="utf-8")
    for heading in ("To begin", "To get it done", "To look it up"):
        assert heading in start
    assert not re.search(r'(?:src|href)="https?://[^"]*\.(?:js|css)"', start)
