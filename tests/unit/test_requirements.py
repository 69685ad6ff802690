"""Every requirement, every promise and every change to the module has a test with its number."""

from __future__ import annotations

from pathlib import Path
import ast
import re

import pytest

TESTS = Path(__file__).parent.parent
REQUIREMENTS = [f"D{number}" for number in range(1, 50)]
PROMISES = [f"P{number}" for number in (1, 2, 3, 4, 5, 6, 7, 9)]

CHANGES = [f"keep {number}" for number in range(1, 8)]
CHANGES += [f"change {number}" for number in range(1, 14)]
"""Section 19 of the push-stream reference."""

_NUMBER = re.compile(r"(?<![A-Za-z0-9])(?:[DP]|keep |change )\d+(?![A-Za-z0-9])")


def numbers_in_names() -> set[str]:
    """Return the numbers in names of tests, and in the ids of their parameters."""
    found: set[str] = set()
    for path in TESTS.rglob("test_*.py"):
        if path == Path(__file__):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                if node.name.startswith("test_"):
                    found.update(_NUMBER.findall(node.name.replace("_", " ")))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.update([node.value] if _NUMBER.fullmatch(node.value) else [])
    return found


@pytest.mark.parametrize(
    "kind", [REQUIREMENTS, PROMISES, CHANGES], ids=["requirements", "promises", "changes"]
)
def test_every_number_stands_in_the_name_of_a_test(kind: list[str]) -> None:
    """A requirement whose last test goes is missed at once."""
    found = numbers_in_names()
    assert [] == [number for number in kind if number not in found]
