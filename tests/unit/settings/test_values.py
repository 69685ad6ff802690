"""Secrets hide themselves, addresses know who can reach them."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
import pytest

from broker.settings import ListenAddress, Secret, without_password


@given(st.text(min_size=1).filter(lambda text: text not in "***"))
def test_p9_a_secret_is_not_shown(text: str) -> None:
    """No way of printing a secret shows it; `reveal` gives it."""
    secret = Secret(text)
    assert "***" == repr(secret) == str(secret) == f"{secret}"
    assert text == secret.reveal()


def test_secrets_compare_by_their_text() -> None:
    """Equal texts are equal secrets, other things never are, an empty secret is false."""
    assert Secret("a") == Secret("a")
    assert hash(Secret("a")) == hash(Secret("a"))
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert not Secret("")


@pytest.mark.parametrize(
    ("text", "address", "local"),
    [
        ("127.0.0.1:8080", ListenAddress("127.0.0.1", 8080), True),
        ("127.9.9.9:1", ListenAddress("127.9.9.9", 1), True),
        ("localhost:0", ListenAddress("localhost", 0), True),
        ("[::1]:8080", ListenAddress("::1", 8080), True),
        ("unix:data/broker.sock", ListenAddress(path=Path("data/broker.sock")), True),
        ("0.0.0.0:8080", ListenAddress("0.0.0.0", 8080), False),
        ("[::]:8080", ListenAddress("::", 8080), False),
        ("192.0.2.1:8080", ListenAddress("192.0.2.1", 8080), False),
        ("localhost.example:8080", ListenAddress("localhost.example", 8080), False),
    ],
)
def test_an_address_is_read_and_shown(text: str, address: ListenAddress, local: bool) -> None:
    """An address is the same text again, and knows whether other machines can reach it."""
    assert address == ListenAddress.parse(text)
    assert text == str(address)
    assert local == address.is_local


@pytest.mark.parametrize(
    "text",
    ["", "8080", ":8080", "host", "host:", "host:x", "host:65536", "::1:80", "[::1]", "[x]:80",
     "http://host:80", "host:80/path", "ho st:80", "unix:", "host:٨٠"],
)  # fmt: skip
def test_what_is_no_address_is_refused(text: str) -> None:
    """Anything else is refused with a reason."""
    with pytest.raises(ValueError, match=r"."):
        ListenAddress.parse(text)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://user:secret@host:6379/1?password=secret", "redis://***@host:6379/1"),
        ("redis://host", "redis://host"),
        ("unix:///run/redis.sock?password=secret", "unix:///run/redis.sock"),
        ("memory:", "memory:"),
    ],
)
def test_p9_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    """Neither the part before the @ nor the query of a URL is shown."""
    assert shown == without_password(url)
