"""Making tokens."""

from __future__ import annotations

import jwt

from broker.auth.mint import mint
from tests.support.tokens import SECRET


def test_a_token_carries_its_claims() -> None:
    """Signed with HS256, as any library reads it."""
    token = mint(SECRET, {"sub": "7", "app_id": 100})
    assert {"sub": "7", "app_id": 100} == jwt.decode(token, SECRET, ["HS256"])
