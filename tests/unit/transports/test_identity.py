"""Ids of requests are safe to log and to send back."""

from __future__ import annotations

import pytest

from broker.transports.identity import REQUEST_ID, identity


@pytest.mark.parametrize("given", ["order-4711", "a", "A.b_c:/+=-9", "x" * 128])
def test_a_good_id_is_kept(given: str) -> None:
    """What a client or a proxy named is what the log says."""
    assert given == identity({REQUEST_ID: given})


@pytest.mark.parametrize("given", ["", "a b", "a\r\nb", "é", "x" * 129, '"', "{}"])
def test_another_one_is_made_up(given: str) -> None:
    """What could end a line, or is too long, is not taken; each request gets its own."""
    first, second = identity({REQUEST_ID: given}), identity({REQUEST_ID: given})
    assert 16 == len(first)
    assert first != second
