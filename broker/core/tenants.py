"""Tenants: the unit of isolation, order and sharding."""

from __future__ import annotations

import re

MAIN_TENANT = "main"
"""The tenant of whoever names none."""

_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)


def is_tenant(name: str) -> bool:
    """
    Tell whether a text can be the name of a tenant.

    It is a letter or digit, then up to 63 letters, digits, dots, dashes and underscores: what can
    stand unescaped in a key of the store, a header and a metric's label.
    """
    return _TENANT.fullmatch(name) is not None
