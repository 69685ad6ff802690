"""The files of the console: they need nothing but one another."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
import posixpath
import re

import pytest

from broker.assets import load_assets
from broker.assets.asset import FILES

CONSOLE = FILES / "console"
ASSETS = load_assets("console")
MODULES = sorted(name for name in ASSETS if name.endswith(".js") and "iife" not in name)
VENDORED = sorted(path.name for path in (CONSOLE / "vendor").iterdir())

IMPORT = re.compile(r"""\b(?:import|from)\s*["']([^"']+)["']""")
LINK = re.compile(r'(?:src|href)="([^"]+)"')


@pytest.mark.parametrize("module", MODULES)
def test_every_module_imports_files_that_are_there(module: str) -> None:
    """By relative paths: a strict policy knows no import map, and nothing comes from elsewhere."""
    text = ASSETS[module].body.decode()
    for target in IMPORT.findall(text):
        assert target.startswith(("./", "../")), target
        assert posixpath.normpath(str(PurePosixPath(module).parent / target)) in ASSETS


def test_the_page_loads_files_that_are_there_and_holds_no_script() -> None:
    """Its policy would not let an inline one run."""
    page = ASSETS["index.html"].body.decode()
    links = LINK.findall(page)
    assert len(links) >= 5
    assert [] == [link for link in links if link.removeprefix("console/") not in ASSETS]
    assert [] == re.findall(r"<script[^>]*>[^<]", page)
    assert "style=" not in page


@pytest.mark.parametrize("file", [name for name in VENDORED if name != "LICENSES.txt"])
def test_every_library_has_its_licence(file: str) -> None:
    """Each file of others is named with its version, above the licences."""
    licences = (CONSOLE / "vendor" / "LICENSES.txt").read_text(encoding="utf-8")
    head, _, texts = licences.partition("========")
    assert re.search(rf"^\S+ +\d+\.\d+\.\d+ .*\b{re.escape(file)}", head, re.MULTILINE)
    assert 2 <= texts.count("MIT License")
    assert "Apache License" in texts


def test_no_module_of_the_console_is_long() -> None:
    """As in Python, a file past 400 lines holds two nouns."""
    own = [Path(CONSOLE / name) for name in MODULES if "vendor" not in name]
    assert [] == [path.name for path in own if path.read_text().count("\n") > 400]
