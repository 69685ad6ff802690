"""Verified tokens, remembered by their hash."""

from __future__ import annotations

from collections import OrderedDict
from weakref import WeakValueDictionary

from broker.core.grants import Grants


class GrantsCache:
    """
    What verified tokens may do, by the SHA-256 of the token; never the token itself.

    The last ones used stay; and as long as a connection holds the grants of a token, every other
    connection with that token gets the same object, remembered or not.

    Args:
        size: Tokens remembered at most; beyond it, the one unused longest is forgotten.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._recent: OrderedDict[bytes, Grants] = OrderedDict()
        self._alive: WeakValueDictionary[bytes, Grants] = WeakValueDictionary()

    def __len__(self) -> int:
        return len(self._recent)

    def get(self, digest: bytes) -> Grants | None:
        """Return the grants of a token, or None when it has to be verified."""
        grants = self._recent.get(digest)
        if grants is not None:
            self._recent.move_to_end(digest)
            return grants
        grants = self._alive.get(digest)
        if grants is not None:
            self._remember(digest, grants)
        return grants

    def put(self, digest: bytes, grants: Grants) -> None:
        """Remember the grants of a verified token."""
        self._alive[digest] = grants
        self._remember(digest, grants)

    def drop(self, digest: bytes) -> None:
        """Forget a token."""
        self._recent.pop(digest, None)
        self._alive.pop(digest, None)

    def clear(self) -> None:
        """Forget every token."""
        self._recent.clear()
        self._alive.clear()

    def _remember(self, digest: bytes, grants: Grants) -> None:
        self._recent[digest] = grants
        if len(self._recent) > self._size:
            self._recent.popitem(last=False)
