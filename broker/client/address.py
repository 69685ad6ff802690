"""Where a broker is."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
_UNIX = "unix:"


class Address(NamedTuple):
    """
    A listener of a broker.

    Attributes:
        base: URL without a slash at the end; HTTP, whatever is spoken on it later (D9).
        socket: Path of the unix socket to reach it by, or empty.
    """

    base: str
    socket: str = ""


def read_address(text: str) -> Address:
    """
    Read `http://HOST:PORT`, `ws://…` or `unix:PATH`, each as `broker serve` names it.

    Raises:
        ValueError: it is none of these.
    """
    if text.startswith(_UNIX):
        path = text.removeprefix(_UNIX)
        if not path.strip("/"):
            raise ValueError("a unix address names a path: unix:/run/broker.sock")
        return Address("http://localhost", path)
    parts = urlsplit(text)
    scheme = _SCHEMES.get(parts.scheme.lower())
    if scheme is None or not parts.hostname:
        raise ValueError("an address is http(s)://HOST:PORT, ws(s)://HOST:PORT or unix:PATH")
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("an address holds no user, query or fragment; a token is given apart")
    _ = parts.port  # raises where it is no port
    return Address(f"{scheme}://{parts.netloc}{parts.path.rstrip('/')}")
