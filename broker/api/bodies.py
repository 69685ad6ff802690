"""Bodies of dialects that take any text: as JSON where they are JSON, else as a JSON string."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import hdrs

from broker.api.media import check_charset, check_coding
from broker.core.bodies import compact_json, quote_text
from broker.core.errors import BadBody
from broker.core.publisher_mounts import Bodies


def read_kind(headers: Mapping[str, str], preset: Bodies) -> Bodies:
    """
    Tell how a body is to be taken.

    Args:
        headers: Of the request.
        preset: What the mount says; `auto` lets the type of the body decide.

    Raises:
        UnsupportedMedia: The body is compressed, or of a charset other than UTF-8.
    """
    check_coding(headers)
    name, *parameters = headers.get(hdrs.CONTENT_TYPE, "").split(";")
    check_charset(parameters)
    if preset != "auto":
        return preset
    name = name.strip().lower()
    if name == "application/json" or name.endswith("+json"):
        return "json"
    return "text" if name == "text/plain" else "auto"


def message_text(kind: Bodies, body: bytes) -> bytes:
    """
    Return a body as a message: compact JSON.

    Text becomes a JSON string, from which a template takes the very same characters again.

    Args:
        kind: How it is taken; `auto` takes for text whatever is no JSON.
        body: The body, not empty.

    Raises:
        BadBody: It is not UTF-8, or not the JSON that it claims to be.
    """
    if kind == "text":
        return quote_text(body)
    try:
        return compact_json(body)
    except BadBody as error:
        if kind == "json" or error.limit is not None:  # it is JSON, only too deep
            raise
        return quote_text(body)
