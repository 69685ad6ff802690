"""Making tokens."""

from __future__ import annotations

from collections.abc import Mapping

import jwt


def mint(secret: str, claims: Mapping[str, object]) -> str:
    """
    Sign claims with HS256.

    Args:
        secret: At least 32 bytes.
        claims: The payload; times in seconds since the epoch.
    """
    return jwt.encode(dict(claims), secret, algorithm="HS256")
