"""What kind of body a request has, by its headers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum, auto
from functools import lru_cache

from aiohttp import hdrs

from broker.core.channels import shown
from broker.core.errors import UnsupportedMedia

_CACHED_TYPES = 64
_UTF8 = frozenset({"utf-8", "utf8", "us-ascii"})


class Media(Enum):
    """Kinds of bodies: one JSON value, lines of JSON, plain text."""

    JSON = auto()
    NDJSON = auto()
    TEXT = auto()


_KINDS = {
    "application/json": Media.JSON,
    # What curl and HTTP libraries say when nobody chose.
    "application/x-www-form-urlencoded": Media.JSON,
    "application/octet-stream": Media.JSON,
    "application/x-ndjson": Media.NDJSON,
    "application/ndjson": Media.NDJSON,
    "application/jsonl": Media.NDJSON,
    "text/plain": Media.TEXT,
}

_CODINGS = ((hdrs.CONTENT_ENCODING, "identity"), (hdrs.TRANSFER_ENCODING, "chunked"))
"""Headers that say how a body is coded, and what they may say."""


def read_media(headers: Mapping[str, str]) -> Media:
    """
    Tell what kind of body a request announces; JSON where it says nothing.

    Raises:
        UnsupportedMedia: The type or its charset is none that is taken, or the body is compressed.

    Source: RFC 9110, sections 8.3, 8.4 and 15.5.16.
    """
    check_coding(headers)
    content_type = headers.get(hdrs.CONTENT_TYPE)
    return Media.JSON if content_type is None else _kind(content_type)


def check_coding(headers: Mapping[str, str]) -> None:
    """
    Refuse a compressed body: a few bytes could stand for any number of them.

    Raises:
        UnsupportedMedia: It is compressed.
    """
    for field, plain in _CODINGS:
        coding = headers.get(field)
        if coding and coding.strip().lower() != plain:
            raise UnsupportedMedia("compressed bodies are not taken; send it as it is", field=field)


def check_charset(parameters: Iterable[str]) -> None:
    """
    Make sure that a body's text is UTF-8.

    Args:
        parameters: Those of its `Content-Type`, each as `name=value`.

    Raises:
        UnsupportedMedia: They name another charset.
    """
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "charset" and value.strip(' "').lower() not in _UTF8:
            raise UnsupportedMedia(
                f"the charset {shown(value.strip())} is not taken; send UTF-8",
                field=hdrs.CONTENT_TYPE,
                nearest="utf-8",
            )


@lru_cache(_CACHED_TYPES)
def _kind(content_type: str) -> Media:
    name, *parameters = content_type.split(";")
    name = name.strip().lower()
    kind = _KINDS.get(name)
    if kind is None and name.startswith("application/") and name.endswith("+json"):
        kind = Media.JSON
    if kind is None:
        raise UnsupportedMedia(
            f"bodies of the type {shown(name)} are not taken; "
            "send application/json, application/x-ndjson or text/plain",
            field=hdrs.CONTENT_TYPE,
            nearest="application/json",
        )
    check_charset(parameters)
    return kind
