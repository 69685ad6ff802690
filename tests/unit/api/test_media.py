"""Kinds of bodies, by the headers of a request."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st
import pytest

from broker.api.media import Media, read_media
from broker.core.errors import UnsupportedMedia


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        ("application/json", Media.JSON),
        ("Application/JSON; charset=UTF-8", Media.JSON),
        ('application/json;charset="utf-8"', Media.JSON),
        ("application/cloudevents+json", Media.JSON),
        ("application/x-www-form-urlencoded", Media.JSON),
        ("application/octet-stream", Media.JSON),
        ("application/x-ndjson", Media.NDJSON),
        ("application/jsonl", Media.NDJSON),
        ("text/plain", Media.TEXT),
        ("text/plain;charset=us-ascii", Media.TEXT),
    ],
)
def test_types_that_are_taken(content_type: str, kind: Media) -> None:
    """JSON, as curl and libraries announce it too, lines of JSON, and plain text are taken."""
    assert kind is read_media({"Content-Type": content_type})


def test_no_type_is_json() -> None:
    """Who says nothing sends JSON."""
    assert Media.JSON is read_media({})


@pytest.mark.parametrize(
    ("headers", "field"),
    [
        ({"Content-Type": "multipart/form-data; boundary=x"}, "Content-Type"),
        ({"Content-Type": "application/xml"}, "Content-Type"),
        ({"Content-Type": ""}, "Content-Type"),
        ({"Content-Type": "text/plain; charset=latin-1"}, "Content-Type"),
        ({"Content-Encoding": "gzip"}, "Content-Encoding"),
        ({"Content-Encoding": "GZIP, identity"}, "Content-Encoding"),
        ({"Transfer-Encoding": "gzip, chunked"}, "Transfer-Encoding"),
    ],
)
def test_what_is_not_taken_is_named(headers: dict[str, str], field: str) -> None:
    """Other types, charsets and compressed bodies are refused with the header at fault."""
    with pytest.raises(UnsupportedMedia) as caught:
        read_media(headers)
    assert field == caught.value.field
    assert 415 == caught.value.status


def test_identity_is_no_compression() -> None:
    """A body that says that it is not compressed is taken."""
    assert Media.JSON is read_media({"Content-Encoding": "identity"})
    assert Media.JSON is read_media({"Transfer-Encoding": "Chunked"})


@given(st.text(), st.text())
def test_any_headers_are_a_kind_or_refused(content_type: str, coding: str) -> None:
    """Whatever the headers say, they name a kind or are refused as a media type."""
    with suppress(UnsupportedMedia):
        read_media({"Content-Type": content_type, "Content-Encoding": coding})
