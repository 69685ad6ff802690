"""Where a broker is."""

from __future__ import annotations

import pytest

from broker.client.address import Address, read_address
from broker.client.site import Site


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("https://rts.example.com/", "https://rts.example.com"),
        ("ws://[::1]:8080", "http://[::1]:8080"),
        ("WSS://example.com/below/a/path/", "https://example.com/below/a/path"),
    ],
)
def test_d9_every_scheme_is_taken(text: str, base: str) -> None:
    """Each of the four schemes names a broker; HTTP is spoken first with all of them."""
    assert Address(base) == read_address(text)


def test_a_unix_socket_is_named_as_the_broker_names_it() -> None:
    """`unix:PATH` is reached by its path."""
    assert "/run/broker.sock" == read_address("unix:/run/broker.sock").socket


@pytest.mark.parametrize(
    "text",
    [
        "",
        "127.0.0.1:8080",
        "ftp://example.com",
        "http://",
        "http://example.com:port",
        "http://example.com:99999",
        "http://user:secret@example.com",
        "http://example.com/?auth_token=secret",
        "http://example.com/#here",
        "unix:",
        "unix:/",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """Other texts are refused, and no secret in them is repeated."""
    with pytest.raises(ValueError, match=r".") as refusal:
        read_address(text)
    assert "secret" not in str(refusal.value)


def test_a_url_names_channels_and_parameters_encoded() -> None:
    """Every character of a name stays in its segment, and of a value in its parameter."""
    url = Site(read_address("ws://h/below")).url(
        "websocket", ["a b", "c?d#e%f", "gr\u00fc\u00df"], {"time": "Sat, 14 Nov", "tag": "2&1"}
    )
    path = "/below/websocket/a%20b/c%3Fd%23e%25f/gr%C3%BC%C3%9F"
    assert f"http://h{path}?time=Sat%2C+14+Nov&tag=2%261" == str(url)
