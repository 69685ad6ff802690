"""Authentication: from a token to what it may do, from an API key to whom it stands for."""

from __future__ import annotations

from broker.auth.api_keys import ApiKeys, Principal
from broker.auth.keyring import KeyRing
from broker.auth.keys import UnusableKey
from broker.auth.sources import keys_of, load_keys, verifier_of
from broker.auth.verify import Expectations, Verifier

__all__ = [
    "ApiKeys",
    "Expectations",
    "KeyRing",
    "Principal",
    "UnusableKey",
    "Verifier",
    "keys_of",
    "load_keys",
    "verifier_of",
]
