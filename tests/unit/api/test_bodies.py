"""Bodies of any text: nothing of it is lost, whatever it is taken for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
import orjson
import pytest

from broker.api.bodies import message_text, read_kind
from broker.core.errors import BadBody, UnsupportedMedia
from broker.core.publisher_mounts import Bodies


@given(st.text(min_size=1))
def test_text_survives_exactly(text: str) -> None:
    """As text, every character comes back out of the JSON string."""
    assert text == orjson.loads(message_text("text", text.encode()))


@given(st.text(min_size=1))
def test_what_is_no_json_is_text(text: str) -> None:
    """Taken by what it is, JSON keeps its value and anything else its characters."""
    body = text.encode()
    message = orjson.loads(message_text("auto", body))
    try:
        assert orjson.loads(body) == message
    except orjson.JSONDecodeError:
        assert text == message


@pytest.mark.parametrize(
    ("kind", "body"), [("json", b"hello"), ("text", b"\xff"), ("auto", b"\xff"), ("json", b"\xff")]
)
def test_what_cannot_be_kept_is_refused(kind: Bodies, body: bytes) -> None:
    """Bytes that are no text, and what claims to be JSON and is none."""
    with pytest.raises(BadBody):
        message_text(kind, body)


@pytest.mark.parametrize(
    ("content_type", "preset", "kind"),
    [
        ("application/json", "auto", "json"),
        ("application/geo+json; charset=UTF-8", "auto", "json"),
        ("text/plain", "auto", "text"),
        ("Text/Plain; charset=utf-8", "auto", "text"),
        ("application/x-www-form-urlencoded", "auto", "auto"),
        ("", "auto", "auto"),
        ("text/plain", "json", "json"),
        ("application/json", "text", "text"),
    ],
)
def test_the_type_decides_unless_the_mount_does(
    content_type: str, preset: Bodies, kind: Bodies
) -> None:
    """A mount's word goes before the request's."""
    assert kind == read_kind({"Content-Type": content_type}, preset)


@pytest.mark.parametrize(
    "headers",
    [{"Content-Encoding": "gzip"}, {"Content-Type": "text/plain; charset=iso-8859-1"}],
)
def test_other_bytes_are_refused(headers: dict[str, str]) -> None:
    """Compressed bodies and other charsets, whatever the mount says."""
    with pytest.raises(UnsupportedMedia):
        read_kind(headers, "text")
