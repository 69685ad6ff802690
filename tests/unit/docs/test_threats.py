"""The threat model names tests that exist, and some for each threat."""

from __future__ import annotations

import re

import pytest

from tests.support.markdown import ROOT, missing_tests, named_tests, read

PAGE = ROOT / "docs" / "production" / "threat-model.md"
THREATS = re.findall(r"^### (.+)$", read(PAGE), re.MULTILINE)


@pytest.mark.parametrize("threat", THREATS)
def test_the_tests_of_a_threat_exist(threat: str) -> None:
    """Each threat has tests, and each test is defined in the file that the page names."""
    _, _, rest = read(PAGE).partition(f"\n### {threat}\n")
    section = re.split(r"\n##+ ", rest)[0]
    assert named_tests(section)
    assert [] == missing_tests(section)
