"""Known requests: only harmless values are cut out, and everything else must be the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
import pytest

from broker.protocols.pushstream.known import MAX_HEAD_BYTES, cut


def poll(query: str = "", headers: str = "", path: str = "/longpoll/a") -> bytes:
    """Return the head of a poll."""
    target = f"{path}?{query}" if query else path
    return f"GET {target} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode()


def shape(head: bytes) -> bytes:
    """Return the shape of a head that can be cut."""
    parts = cut(head)
    assert parts is not None
    return parts.shape


def test_polls_that_differ_in_their_cursor_have_one_shape() -> None:
    """The next poll of a client is the same request but for tag and time (D45)."""
    first = poll("auth_token=t&tag=21&time=Sat%2C%2014%20Nov%202015%2015%3A51%3A54%20GMT")
    second = poll("auth_token=t&tag=W/3&time=Sun%2C%2015%20Nov%202015%2000%3A00%3A00%20GMT")
    assert shape(first) == shape(second)


def test_the_values_are_given_decoded() -> None:
    """What was cut out reads like what aiohttp would have parsed."""
    parts = cut(
        poll("tag=21&time=Sat%2C%2014%20Nov", "If-None-Match: W/4\r\nIf-Modified-Since: now\r\n")
    )
    assert parts is not None
    assert {"tag": "21", "time": "Sat, 14 Nov"} == parts.parameters
    assert {"If-None-Match": "W/4", "If-Modified-Since": "now"} == parts.headers


@pytest.mark.parametrize(
    "other",
    [
        poll("tag=1", path="/longpoll/b"),
        poll("tag=1&auth_token=u"),
        poll("tag=1", "Origin: y\r\n"),
        poll("tag=1", path="/shortpoll/a"),
        poll("tag=x"),
    ],
)
def test_any_other_difference_is_another_shape(other: bytes) -> None:
    """Only the cursor and the nonce may change; a token, a channel or a header may not."""
    assert shape(poll("tag=1")) != shape(other)


def test_the_path_is_never_cut() -> None:
    """A channel may be named like a parameter, and is another channel all the same."""
    assert shape(poll(path="/longpoll/a&tag=5")) != shape(poll(path="/longpoll/a&tag=6"))


@pytest.mark.parametrize(
    "head",
    [
        poll("tag=\x00"),
        b"",
        b"GET / HTTP/1.1\r\n",
        poll() + poll(),
        poll() + b"x",
        poll(headers="X: " + "x" * MAX_HEAD_BYTES + "\r\n"),
    ],
    ids=["NUL", "nothing", "half", "two", "more", "huge"],
)
def test_anything_but_one_whole_head_is_not_cut(head: bytes) -> None:
    """Half a request, two requests or a long one are left to the parser."""
    assert cut(head) is None


LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


@pytest.mark.parametrize(
    ("head", "harmless"),
    [
        (poll("tag=1%1"), "/W0123456789"),
        (poll("time=1%1"), f"%+:,-{LETTERS}"),
        (poll(headers="If-None-Match: 1%1\r\n"), "/W0123456789"),
        (poll(headers="If-Modified-Since: 1%1\r\n"), f" :,{LETTERS}"),
        (poll(headers="Sec-WebSocket-Key: %123456789012345678901==\r\n"), f"+/={LETTERS}"),
    ],
)
def test_only_harmless_characters_are_cut_out(head: bytes, harmless: str) -> None:
    """What could end a line, a header or a parameter stays where everything is compared."""
    for code in range(1, 256):
        parts = cut(head.replace(b"%", bytes([code])))
        values = [] if parts is None else [*parts.parameters.values(), *parts.headers.values()]
        assert set("".join(values)) <= set(harmless), code


@given(st.binary(max_size=300), st.binary(max_size=60), st.binary(max_size=60))
def test_what_is_cut_out_can_be_put_back(line: bytes, tag: bytes, header: bytes) -> None:
    """A shape and its values together are the request, whatever the bytes: nothing is lost."""
    head = b"GET /longpoll/a?tag=%b&x=%b HTTP/1.1\r\nIf-None-Match: %b\r\n\r\n" % (
        tag,
        line,
        header,
    )
    parts = cut(head)
    if parts is None:
        return
    assert parts.shape.count(b"\0") - head.count(b"\0") == len(parts.parameters) + len(
        parts.headers
    )
    kept = [value.encode() for value in (*parts.parameters.values(), *parts.headers.values())]
    rebuilt = parts.shape
    if b"\0" not in head and "%" not in head.decode("latin-1"):
        for value in kept:
            rebuilt = rebuilt.replace(b"\0", value, 1)
        assert head == rebuilt
