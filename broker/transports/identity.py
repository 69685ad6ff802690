"""Ids of requests: taken from `X-Request-Id`, or made up."""

from __future__ import annotations

from collections.abc import Mapping
import re
import secrets

REQUEST_ID = "X-Request-Id"
"""Header with the id of a request, in and out; one is made up where none came, or no good one."""

_GOOD = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
_BYTES = 8


def identity(headers: Mapping[str, str]) -> str:
    """Return the id of a request: safe to log, and to be sent back."""
    given = headers.get(REQUEST_ID, "")
    return given if _GOOD.fullmatch(given) else secrets.token_hex(_BYTES)
