"""Heads of publishes: only plain values are cut out, and everything else must be the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
import pytest

from broker.api.heads import cut_publish


def head(target: str = "/publish/chat.1", headers: str = "Content-Length: 2\r\n") -> bytes:
    """Return the head of a publish."""
    return f"POST {target} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode()


def shape(text: bytes) -> bytes:
    """Return the shape of a head that can be cut."""
    parts = cut_publish(text)
    assert parts is not None
    return parts.shape


def test_publishes_that_differ_in_channel_and_length_have_one_shape() -> None:
    """A back end sends the same request over and over."""
    assert shape(head()) == shape(head("/publish/event.100.7", "Content-Length: 345\r\n"))


def test_the_values_are_given() -> None:
    """The channel, the length of the body, and the ids that the publisher gave."""
    parts = cut_publish(
        head(headers="Idempotency-Key: k1\r\ncontent-length: 17\r\nEvent-Id: e\r\n")
    )
    assert parts is not None
    assert "chat.1" == parts.channel
    assert 17 == parts.length
    assert {"Idempotency-Key": "k1", "Event-Id": "e"} == parts.headers


@pytest.mark.parametrize(
    "other",
    [
        head(headers="Content-Length: 2\r\nX-Tenant: t\r\n"),
        head(headers="Content-Length: 2\r\nAuthorization: Bearer k\r\n"),
        head(headers="Content-Length: 2\r\nTransfer-Encoding: chunked\r\n"),
        head(headers="Content-Length: 2\r\nContent-Length: 3\r\n"),
        head(headers="Content-Length: 2\r\nEvent-Id: two words\r\n"),
    ],
)
def test_any_other_difference_is_another_shape(other: bytes) -> None:
    """A key, a tenant or anything that frames is compared as it stands."""
    assert shape(head()) != shape(other)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        head("/publish/a/b"),
        head("/publish/a%2Fb"),
        head("/publish/a?x=1"),
        head("/publish/"),
        head("/publish"),
        head(headers=""),
        head(headers="Content-Length: +2\r\n"),
        head(headers="Content-Length: 2 \r\n"),
        head().replace(b"HTTP/1.1", b"HTTP/1.0"),
    ],
)
def test_anything_but_a_plain_publish_is_not_cut(text: bytes) -> None:
    """Several channels, escapes, a query, no length: aiohttp reads those."""
    assert cut_publish(text) is None


@pytest.mark.parametrize("name", ["Idempotency-Key", "Event-Id", "Event-Type", "Content-Length"])
def test_only_visible_characters_are_cut_out(name: str) -> None:
    """What could end a line or a header stays where everything is compared."""
    length = "" if name == "Content-Length" else "Content-Length: 2\r\n"
    for code in range(256):
        parts = cut_publish(head(headers=f"{length}{name}: 1%1\r\n").replace(b"%", bytes([code])))
        values = [] if parts is None else [*parts.headers.values(), str(parts.length)]
        assert all(0x21 <= ord(char) <= 0x7E for char in "".join(values)), code


@given(st.binary(max_size=80), st.binary(max_size=20))
def test_arbitrary_bytes_are_cut_or_left(line: bytes, value: bytes) -> None:
    """Whatever comes, a cut head has a plain channel and a length, and the rest is in its shape."""
    text = b"POST /publish/a HTTP/1.1\r\nX: %b\r\nContent-Length: %b\r\n\r\n" % (line, value)
    parts = cut_publish(text)
    if parts is not None:
        assert "a" == parts.channel
        assert parts.length >= 0
        assert b"X: " in parts.shape
