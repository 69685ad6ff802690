"""Where the keys of a broker come from: its secret, files, URLs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit
import time

from broker.auth.fetch import fetch_url
from broker.auth.keyring import Fetch, KeyRing, RemoteKeys
from broker.auth.keys import Key, UnusableKey, read_key_file, secret_key
from broker.auth.secret import load_or_create_secret
from broker.auth.verify import Expectations, Verifier
from broker.settings import Settings

_SCHEMES = ("http://", "https://")


def shared_secret(secret: str, data: Path) -> str:
    """
    Return the secret that the broker signs and verifies with.

    Args:
        secret: The one that was set, or empty.
        data: The data directory, where one is made otherwise.

    Raises:
        UnusableKey: It is too short, or cannot be made or read.
    """
    secret = secret or load_or_create_secret(data)
    secret_key(secret)
    return secret


def load_keys(
    secret: str,
    places: Sequence[str],
    data: Path,
    fetch: Fetch,
    clock: Callable[[], float],
) -> KeyRing:
    """
    Load the keys that tokens are verified with.

    Args:
        secret: The secret that was set, or empty for the one in the data directory.
        places: Further keys: PEM files, JWKS files, JWKS URLs. What a URL holds is not fetched
            yet; see `KeyRing.refresh`.
        data: The data directory.
        fetch: Gets a URL.
        clock: Seconds, monotonic.

    Raises:
        UnusableKey: Some cannot be used; the text names each, one on a line.
    """
    own: list[Key] = []
    remotes: list[RemoteKeys] = []
    faults: list[str] = []
    try:
        own.append(secret_key(shared_secret(secret, data)))
    except UnusableKey as exc:
        faults.append(str(exc))
    for place in places:
        try:
            if place.startswith(_SCHEMES):
                remotes.append(RemoteKeys(_checked(place), fetch, clock))
            else:
                own.extend(read_key_file(Path(place)))
        except UnusableKey as exc:
            faults.append(str(exc))
    if faults:
        raise UnusableKey("\n".join(faults))
    return KeyRing(own, remotes)


def _checked(url: str) -> str:
    try:
        has_host = bool(urlsplit(url).hostname)
    except ValueError:
        has_host = False
    if not has_host:
        raise UnusableKey("a JWKS URL names no host")
    return url


def keys_of(settings: Settings) -> KeyRing:
    """
    Load the keys that a broker's settings name; what a URL holds is not fetched yet.

    Raises:
        UnusableKey: Some cannot be used; the text names each, one on a line.
    """
    return load_keys(
        settings.jwt_secret.reveal(), settings.jwt_keys, settings.data, fetch_url, time.monotonic
    )


def verifier_of(settings: Settings, keys: KeyRing) -> Verifier:
    """Return the verifier that a broker's settings ask for."""
    expectations = Expectations(
        settings.jwt_audience,
        settings.jwt_issuer,
        settings.jwt_leeway_s,
        settings.max_token_bytes,
    )
    return Verifier(keys, time.time, expectations, cached=settings.token_cache_size)
