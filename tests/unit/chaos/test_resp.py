"""Framing of the Redis protocol, against the parser of the announcement connection."""

from __future__ import annotations

from hiredis import Reader
from hypothesis import given
from hypothesis import strategies as st
import pytest

from tests.chaos.resp import announcement_name, reply_end

SIMPLE = st.sampled_from([b"+OK\r\n", b"-ERR no\r\n", b":42\r\n", b"$-1\r\n", b"*-1\r\n"])
BULK = st.binary(max_size=20).map(lambda data: b"$%d\r\n%b\r\n" % (len(data), data))
REPLY = st.recursive(
    SIMPLE | BULK,
    lambda inner: st.lists(inner, max_size=4).map(
        lambda items: b"*%d\r\n%b" % (len(items), b"".join(items))
    ),
    max_leaves=8,
)


@given(st.lists(REPLY, min_size=1, max_size=4))
def test_replies_are_cut_where_they_end(replies: list[bytes]) -> None:
    """Replies in a row are told apart as the parser does it."""
    data = b"".join(replies)
    at, found = 0, []
    while at < len(data):
        end = reply_end(data, at)
        assert end is not None
        found.append(data[at:end])
        at = end
    assert replies == found
    reader = Reader()
    reader.feed(data)
    for _ in replies:
        assert reader.gets() is not False
    assert reader.gets() is False


@given(REPLY, st.data())
def test_a_reply_that_is_not_whole_has_no_end(reply: bytes, data: st.DataObject) -> None:
    """Whatever is cut off, no end is found."""
    assert reply_end(reply[: data.draw(st.integers(0, len(reply) - 1))]) is None


def test_a_map_counts_twice() -> None:
    """A map of the third version of the protocol has a key and a value for each of its number."""
    assert len(b"%1\r\n+a\r\n:1\r\n") == reply_end(b"%1\r\n+a\r\n:1\r\n+next\r\n")


@pytest.mark.parametrize(
    ("reply", "name"),
    [
        (b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$3\r\nm\r\n\r\n", b"c"),
        (b"*3\r\n$8\r\nsmessage\r\n$1\r\nc\r\n$1\r\nm\r\n", b"c"),
        (b"*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n", None),
        (b"+PONG\r\n", None),
        (b"$7\r\nmessage\r\n", None),
    ],
)
def test_only_published_messages_have_a_name(reply: bytes, name: bytes | None) -> None:
    """A message of a plain or a sharded channel is one; answers are not."""
    assert name == announcement_name(reply)
