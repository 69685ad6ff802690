"""Who may use the internal listener."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import NamedTuple
import hmac

from broker.settings.values import ApiKey


class Principal(NamedTuple):
    """
    Whom an API key stands for.

    Attributes:
        name: Its name; appears in logs.
        tenant: The only tenant that it may speak for; empty: the request may name any.
    """

    name: str
    tenant: str = ""


class ApiKeys:
    """
    The keys of the internal listener.

    Args:
        keys: The keys, as the settings have them.
    """

    __slots__ = ("_principals",)

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        self._principals = tuple(
            (_digest(key.key.reveal()), Principal(key.name, key.tenant)) for key in keys
        )

    def __bool__(self) -> bool:
        return bool(self._principals)

    def find(self, key: str) -> Principal | None:
        """
        Return whom a key stands for, or None.

        Takes the same time for every wrong key: digests are compared, and always all of them.
        """
        digest = _digest(key)
        found: Principal | None = None
        for known, principal in self._principals:
            if hmac.compare_digest(known, digest):
                found = principal
        return found


def _digest(key: str) -> bytes:
    return sha256(key.encode("utf-8", "surrogatepass")).digest()
