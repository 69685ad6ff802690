"""Names of tenants."""

from __future__ import annotations

import pytest

from broker.core.tenants import MAIN_TENANT, is_tenant


@pytest.mark.parametrize("name", [MAIN_TENANT, "a", "7", "acme.eu-1_x", "x" * 64])
def test_a_name_that_needs_no_escaping_is_a_tenant(name: str) -> None:
    """Keys, headers and labels take it as it is."""
    assert is_tenant(name)


@pytest.mark.parametrize(
    "name", ["", ".", "-a", "a b", "a:b", "a{b}", "a/b", "a\n", "ä", "x" * 65, "٣"]
)
def test_anything_else_is_none(name: str) -> None:
    """A tenant must never be able to name another one's keys."""
    assert not is_tenant(name)
