"""Proxies: whose connection or request it is, seen from behind those that are trusted."""

from __future__ import annotations

from asyncio import BaseTransport
from collections.abc import Sequence
from ipaddress import ip_network

from aiohttp import web

from broker.core.forwarded import (
    Address,
    client_behind,
    read_address,
    read_forwarded,
    read_forwarded_for,
    read_hop,
    share_of,
)
from broker.settings import UNIX

_READERS = {"x-forwarded-for": read_forwarded_for, "forwarded": read_forwarded}


class Proxies:
    """
    The proxies whose word is taken.

    Args:
        trusted: Their addresses and networks; `unix` for whoever connects to a unix socket.
        header: In which header they name the client: `x-forwarded-for` or `forwarded`.
    """

    def __init__(self, trusted: Sequence[str] = (), header: str = "x-forwarded-for") -> None:
        self._networks = [ip_network(item) for item in trusted if item != UNIX]
        self._trusts_unix = UNIX in trusted
        self._header = header
        self._read = _READERS[header]

    def owner(self, transport: BaseTransport) -> str:
        """Return what a client has to itself that connects directly; empty for proxies."""
        peer = _peer(transport)
        return "" if peer is None or self._is_trusted(peer) else share_of(peer)

    def client(self, request: web.BaseRequest) -> str:
        """Return what the client behind a proxy has to itself; empty where there is no proxy."""
        transport = request.transport
        if transport is None or not (self._networks or self._trusts_unix):
            return ""
        hops = self._read(request.headers.getall(self._header, []))
        peer = _peer(transport)
        if peer is None and self._trusts_unix and hops:
            peer = read_hop(hops.pop())
        elif peer is None or not self._is_trusted(peer):
            return ""
        return "" if peer is None else share_of(client_behind(peer, hops, self._is_trusted))

    def _is_trusted(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def _peer(transport: BaseTransport) -> Address | None:
    """Return who has connected; None over a unix socket."""
    name = transport.get_extra_info("peername")
    return read_address(name[0].partition("%")[0]) if isinstance(name, tuple) else None
