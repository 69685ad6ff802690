"""Whose request it is behind proxies: `X-Forwarded-For` and `Forwarded`, read from the near end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

MAX_HOPS = 16
"""Proxies in a row that are followed; longer chains are made up."""

Address = IPv4Address | IPv6Address

_SHARED_BITS = 64
"""Of an IPv6 address: what one household or machine is given (RFC 6177)."""


def client_behind(
    peer: Address, hops: Sequence[str], is_trusted: Callable[[Address], bool]
) -> Address:
    """
    Return the client's address: the first on the way back that is no trusted proxy.

    Each proxy puts the address of whom it heard behind those that it was told. Only what a trusted
    proxy wrote counts, so everything before the first stranger may be made up and is not looked at.

    Args:
        peer: Who has connected.
        hops: What the header says, the nearest last.
        is_trusted: Tells whether an address is that of a trusted proxy.
    """
    client = peer
    for hop in reversed(hops[-MAX_HOPS:]):
        if not is_trusted(client):
            break
        named = read_hop(hop)
        if named is None:
            break
        client = named
    return client


def read_hop(text: str) -> Address | None:
    """
    Read one address, with or without a port; None for a name that stands for one.

    Source: RFC 7239, section 6.
    """
    host = text.strip()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    return read_address(host)


def read_address(text: str) -> Address | None:
    """Read an address; an IPv4 address in the clothes of an IPv6 one is taken for what it is."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def read_forwarded_for(lines: Sequence[str]) -> list[str]:
    """Return what `X-Forwarded-For` says, the nearest last."""
    return [hop.strip() for line in lines for hop in line.split(",") if hop.strip()]


def read_forwarded(lines: Sequence[str]) -> list[str]:
    """
    Return the `for` of each element of `Forwarded`, the nearest last; empty where it has none.

    Source: RFC 7239, section 4.
    """
    return [_for(element) for line in lines for element in _split(line, ",") if element.strip()]


def _for(element: str) -> str:
    for pair in _split(element, ";"):
        name, _, value = pair.partition("=")
        if name.strip().lower() == "for":
            return _unquoted(value.strip())
    return ""


def _split(text: str, separator: str) -> Iterator[str]:
    """Give the parts between separators that do not stand in quotes."""
    start, quoted, at = 0, False, 0
    while at < len(text):
        char = text[at]
        if quoted and char == "\\":
            at += 1
        elif char == '"':
            quoted = not quoted
        elif char == separator and not quoted:
            yield text[start:at]
            start = at + 1
        at += 1
    yield text[start:]


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] == '"':
        return value[1:-1].replace("\\", "")
    return value


def share_of(address: Address) -> str:
    """Return what stands for all addresses that one client can have."""
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Network((int(address), _SHARED_BITS), strict=False))
