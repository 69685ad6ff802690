"""The tables of directives."""

from __future__ import annotations

import pytest

from broker.migration.draft import Fate
from broker.migration.endpoints import ROLES, is_ours
from broker.migration.rows import Row
from broker.migration.table import GUARDS, NCHAN, PUSH_STREAM, TABLE
from tests.support.markdown import ROOT, read


def test_each_directive_has_one_row() -> None:
    """No directive comes twice, and all belong to the modules."""
    assert len(TABLE) == len(PUSH_STREAM) + len(NCHAN)
    assert all(map(is_ours, TABLE))
    assert not any(map(is_ours, GUARDS))
    assert ROLES <= TABLE.keys()


@pytest.mark.parametrize("row", TABLE.values(), ids=lambda row: row.name)
def test_a_row_says_what_becomes_or_why_nothing_does(row: Row) -> None:
    """A counterpart and what makes it, or a reason; a difference is explained."""
    assert (row.apply is None) == (row.fate is Fate.NONE) == (not row.becomes)
    assert row.why or row.fate is Fate.SAME


@pytest.mark.parametrize("row", TABLE.values(), ids=lambda row: row.name)
def test_every_row_is_documented(row: Row) -> None:
    """The page of directives says what the table says."""
    line = f"| `{row.name}` | {row.fate.value} | {row.becomes} | {row.why} |"
    assert line in read(ROOT / "docs" / "migration" / "directives.md")
