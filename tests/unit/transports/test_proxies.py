"""Proxies that are trusted are believed; everybody else is who it is."""

from __future__ import annotations

from asyncio import BaseTransport
from typing import Any, cast

from aiohttp import web
from multidict import CIMultiDict
import pytest

from broker.transports.proxies import Proxies


class Peer(BaseTransport):
    """A transport whose peer is known."""

    def __init__(self, name: Any) -> None:
        super().__init__()
        self._name = name

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._name if name == "peername" else default


class Asked:
    """What is looked at of a request."""

    def __init__(self, peer: BaseTransport | None, headers: dict[str, str]) -> None:
        self.transport = peer
        self.headers = CIMultiDict(headers)


def client(proxies: Proxies, peer: BaseTransport | None, **headers: str) -> str:
    """Return who is behind a request."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return proxies.client(cast("web.BaseRequest", Asked(peer, named)))


NEAR = Peer(("10.0.0.1", 4711))
FAR = Peer(("192.0.2.9", 4711))
UNIX = Peer("")


def test_without_trusted_proxies_headers_are_not_read() -> None:
    """Whatever is said, there is no client behind anybody."""
    for peer in (NEAR, FAR, UNIX, None):
        assert "" == client(Proxies(), peer, X_Forwarded_For="192.0.2.1")


@pytest.mark.parametrize(
    ("peer", "said", "behind"),
    [
        (NEAR, "192.0.2.1", "192.0.2.1"),
        (NEAR, "evil, 192.0.2.1, 10.0.0.2", "192.0.2.1"),
        (NEAR, "2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        (NEAR, "", "10.0.0.1"),
        (Peer(("::ffff:10.0.0.1", 1, 0, 0)), "192.0.2.1", "192.0.2.1"),
        (FAR, "192.0.2.1", ""),
        (UNIX, "192.0.2.1, 10.0.0.2", "192.0.2.1"),
        (UNIX, "", ""),
        (UNIX, "unknown", ""),
        (None, "192.0.2.1", ""),
    ],
)
def test_trusted_proxies_name_the_client(
    peer: BaseTransport | None, said: str, behind: str
) -> None:
    """Proxies of a network, and whoever comes over the unix socket, are believed."""
    proxies = Proxies(("10.0.0.0/8", "unix"))
    assert behind == client(proxies, peer, X_Forwarded_For=said)


def test_the_other_header_is_read_where_it_is_wanted() -> None:
    """With `forwarded`, RFC 7239 counts and `X-Forwarded-For` does not."""
    proxies = Proxies(("10.0.0.1",), "forwarded")
    said = {"Forwarded": 'for="[2001:db8::1]:80";proto=https', "X_Forwarded_For": "192.0.2.1"}
    assert "2001:db8::/64" == client(proxies, NEAR, **said)


def test_connections_of_proxies_are_nobodys() -> None:
    """A proxy may have any number of connections; who connects itself owns its own."""
    proxies = Proxies(("10.0.0.0/8",))
    assert "" == proxies.owner(NEAR)
    assert "192.0.2.9" == proxies.owner(FAR)
    assert "" == proxies.owner(UNIX)
    assert "fe80::/64" == proxies.owner(Peer(("fe80::1%eth0", 1, 0, 2)))
