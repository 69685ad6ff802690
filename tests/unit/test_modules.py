"""The shape of the code: modules stay small."""

from __future__ import annotations

from pathlib import Path

import pytest

TREE = Path(__file__).parents[2]
MOST_LINES = 400

MODULES = sorted(
    path.relative_to(TREE).as_posix()
    for folder in ("broker", "benchmarks", "docs")
    for path in (TREE / folder).rglob("*.py")
    if "node_modules" not in path.parts
)


@pytest.mark.parametrize("module", MODULES)
def test_no_module_is_long(module: str) -> None:
    """A file past 400 lines holds two nouns, and wants to be two files."""
    assert len((TREE / module).read_text(encoding="utf-8").splitlines()) <= MOST_LINES
