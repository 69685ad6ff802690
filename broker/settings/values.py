"""Values of settings that are more than a number or a text."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from pathlib import Path
import hmac
import os
import re

REDACTED = "***"
"""What is shown in the place of a secret."""

LAST_PORT = 65535

HOST_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})", re.ASCII)


class Secret:
    """
    A text that is shown nowhere: not in logs, error texts or `repr`.

    Two secrets are compared in constant time. An empty one is false.

    Args:
        text: The secret itself.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the secret itself, for the one place that needs it."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(*map(os.fsencode, (self._text, other._text)))

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return REDACTED if self._text else ""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """
    A key that opens the internal listener.

    Attributes:
        name: Who uses it; appears in logs.
        key: What the request carries.
        tenant: The only tenant it may speak for; empty when the request may name any.
    """

    name: str
    key: Secret
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """
    Where a listener accepts connections: a host and port, or a unix socket.

    Attributes:
        host: Host name or IP address; empty for a unix socket.
        port: Port, 0 for any free one.
        path: Path of the unix socket; None for a host and port.
    """

    host: str = ""
    port: int = 0
    path: Path | None = None

    @classmethod
    def parse(cls, text: str) -> ListenAddress:
        """
        Read `HOST:PORT`, `[IPV6]:PORT` or `unix:PATH`.

        Raises:
            ValueError: it is none of them; the message says why.
        """
        scheme, _, path = text.partition(":")
        if scheme == "unix":
            if not path:
                raise ValueError("no path after unix:")
            return cls(path=Path(path))
        match = HOST_PORT.fullmatch(text)
        if match is None:
            raise ValueError("not HOST:PORT, [IPV6]:PORT or unix:PATH")
        ipv6, host, port = match.groups()
        if int(port) > LAST_PORT:
            raise ValueError(f"the port is not a number from 0 to {LAST_PORT}")
        return cls(str(IPv6Address(ipv6)) if ipv6 else host, int(port))

    @property
    def is_local(self) -> bool:
        """Whether only this machine can connect."""
        if self.path is not None or self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        if self.path is not None:
            return f"unix:{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def without_password(url: str) -> str:
    """Return a URL as it may be shown: without user, password and query."""
    scheme, mark, rest = url.partition("://")
    if not mark:
        return url
    authority, slash, path = re.split(r"[?#]", rest, maxsplit=1)[0].partition("/")
    _, at, place = authority.rpartition("@")
    return (
        f"{scheme}://{REDACTED}@{place}{slash}{path}" if at else f"{scheme}://{place}{slash}{path}"
    )
