"""Verified tokens that are remembered."""

from __future__ import annotations

import gc

from broker.auth.cache import GrantsCache
from broker.core.grants import Grants


def grants_of(number: int) -> Grants:
    """Return the grants of some token."""
    return Grants.of({"sub": number})


def digest(number: int) -> bytes:
    """Return the hash of some token."""
    return bytes([number]) * 32


def test_the_token_unused_longest_is_forgotten() -> None:
    """At the limit, and not before."""
    cache = GrantsCache(2)
    for number in (1, 2):
        cache.put(digest(number), grants_of(number))
    cache.get(digest(1))
    cache.put(digest(3), grants_of(3))
    gc.collect()
    assert [True, False, True] == [cache.get(digest(n)) is not None for n in (1, 2, 3)]
    assert 2 == len(cache)


def test_grants_in_use_are_shared_though_forgotten() -> None:
    """Connections with one token have one object, however many tokens came between."""
    cache = GrantsCache(1)
    held = grants_of(1)
    cache.put(digest(1), held)
    cache.put(digest(2), grants_of(2))
    assert held is cache.get(digest(1))
    assert 1 == len(cache)


def test_nothing_is_remembered_at_size_zero() -> None:
    """Beyond what connections hold."""
    cache = GrantsCache(0)
    cache.put(digest(1), grants_of(1))
    gc.collect()
    assert None is cache.get(digest(1))
    held = grants_of(2)
    cache.put(digest(2), held)
    assert held is cache.get(digest(2))
    assert 0 == len(cache)


def test_a_dropped_token_is_verified_again() -> None:
    """Even while a connection holds its grants."""
    cache = GrantsCache(2)
    held = grants_of(1), grants_of(2)
    cache.put(digest(1), held[0])
    cache.put(digest(2), held[1])
    cache.drop(digest(1))
    cache.drop(digest(7))
    assert [True, False] == [cache.get(digest(n)) is None for n in (1, 2)]
    cache.clear()
    assert None is cache.get(digest(2))
