"""Behind proxies, a client is who the nearest stranger is said to be, whatever it says itself."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network

from hypothesis import given
from hypothesis import strategies as st
import pytest

from broker.core.forwarded import (
    MAX_HOPS,
    Address,
    client_behind,
    read_forwarded,
    read_forwarded_for,
    read_hop,
    share_of,
)

PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
PROXY = IPv4Address("10.0.0.1")

TRUSTED = st.ip_addresses(network="10.0.0.0/8") | st.ip_addresses(network="fd00::/8")
STRANGERS = st.ip_addresses().filter(lambda address: not is_proxy(address) and not mapped(address))


def is_proxy(address: Address) -> bool:
    """Tell whether an address is that of a proxy of ours."""
    return any(address in network for network in PROXIES)


def mapped(address: Address) -> bool:
    """Tell whether it is an IPv4 address written as an IPv6 one."""
    return isinstance(address, IPv6Address) and address.ipv4_mapped is not None


def written(address: Address, port: int | None) -> str:
    """Return an address as proxies write it."""
    host = f"[{address}]" if address.version == 6 and port is not None else str(address)
    return host if port is None else f"{host}:{port}"


@given(
    st.lists(st.text(st.characters(exclude_characters=","), max_size=20), max_size=5),
    STRANGERS,
    st.lists(TRUSTED, max_size=MAX_HOPS - 1),
    st.none() | st.integers(1, 65535),
)
def test_the_client_is_the_nearest_stranger(
    claims: list[str], client: Address, proxies: list[Address], port: int | None
) -> None:
    """Whatever the client put into the header itself, its own address is found behind it."""
    line = ", ".join([*claims, written(client, port), *map(str, proxies)])
    assert client == client_behind(PROXY, read_forwarded_for([line]), is_proxy)


@given(
    STRANGERS,
    st.lists(TRUSTED, max_size=MAX_HOPS - 1),
    st.none() | st.integers(1, 65535),
    st.sampled_from(["for={}", "For={}", "proto=https;for={}", ' by=x ; for={};proto="a,b;for=c"']),
)
def test_forwarded_says_the_same(
    client: Address, proxies: list[Address], port: int | None, form: str
) -> None:
    """Each spelling of `Forwarded` is read, in one line or several."""
    elements = [form.format(f'"{written(hop, port or 1)}"') for hop in (client, *proxies)]
    assert client == client_behind(PROXY, read_forwarded([", ".join(elements)]), is_proxy)
    assert client == client_behind(PROXY, read_forwarded(elements), is_proxy)


@given(STRANGERS, st.lists(st.text(max_size=30), max_size=5))
def test_who_connects_itself_is_believed_nothing(peer: Address, lines: list[str]) -> None:
    """A stranger is its own client, whatever its headers say."""
    assert peer == client_behind(peer, read_forwarded_for(lines), is_proxy)
    assert peer == client_behind(peer, read_forwarded(lines), is_proxy)


@given(st.lists(st.text(max_size=60), max_size=6))
def test_any_header_gives_some_address(lines: list[str]) -> None:
    """Nothing that a header can say raises."""
    client_behind(PROXY, read_forwarded_for(lines), is_proxy)
    client_behind(PROXY, read_forwarded(lines), is_proxy)


@pytest.mark.parametrize("hop", ["unknown", "_hidden", "", "1.2.3", "1.2.3.4.5", "for=1.2.3.4"])
def test_a_name_that_stands_for_an_address_ends_the_way(hop: str) -> None:
    """Where a proxy does not say whom it heard, the client is that proxy."""
    assert PROXY == client_behind(PROXY, ["1.1.1.1", hop], is_proxy)


def test_a_chain_that_is_too_long_is_not_followed() -> None:
    """Of more proxies than anybody has in a row, the first ones are not looked at."""
    hops = ["1.1.1.1", *["10.0.0.2"] * MAX_HOPS]
    assert IPv4Address("10.0.0.2") == client_behind(PROXY, hops, is_proxy)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:80", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
    ],
)
def test_addresses_are_read_with_and_without_ports(text: str, address: str) -> None:
    """Every form that proxies write is read."""
    assert address == str(read_hop(text))


@pytest.mark.parametrize(
    ("address", "share"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
    ],
)
def test_a_household_has_one_share(address: str, share: str) -> None:
    """An IPv4 address stands for itself, an IPv6 address for its network of 64 bits."""
    parsed = read_hop(address)
    assert parsed is not None
    assert share == share_of(parsed)
