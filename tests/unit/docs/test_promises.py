"""The page of promises names tests that exist, and some for each promise."""

from __future__ import annotations

import pytest

from tests.support.markdown import ROOT, missing_tests, named_tests, read

PAGE = ROOT / "docs" / "concepts" / "promises.md"
PROMISES = [f"P{number}" for number in range(1, 10)]


def section(promise: str) -> str:
    """Return what the page says of a promise."""
    _, _, rest = read(PAGE).partition(f"\n## {promise}: ")
    return rest.partition("\n## ")[0]


@pytest.mark.parametrize("promise", PROMISES)
def test_the_tests_of_a_promise_exist(promise: str) -> None:
    """Each promise has tests, and each test is defined in the file that the page names."""
    assert named_tests(section(promise))
    assert [] == missing_tests(section(promise))


@pytest.mark.parametrize("promise", PROMISES)
def test_the_readme_makes_the_same_promises(promise: str) -> None:
    """The README has a row for each promise, in the words of the page's heading."""
    title = section(promise).partition("\n")[0]
    row = next(line for line in read(ROOT / "README.md").splitlines() if f"| {promise} |" in line)
    assert title.lower() in row.lower()
