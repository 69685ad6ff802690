"""Answers of this dialect: refusals, cursors, and the headers that all of them carry."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from time import time
import math

import orjson

from broker.core.cursor import Cursor, http_date
from broker.core.errors import BrokerError

GAP_HEADER = "X-Broker-Gap"
EXPLAIN_HEADER = "X-Nginx-PushStream-Explain"

EXPOSED_HEADERS = f"ETag, Last-Modified, Retry-After, {GAP_HEADER}, {EXPLAIN_HEADER}"
"""What a page of another origin may read; without `ETag` a poller loses its place (2.3.9)."""

ALLOWED_HEADERS = (
    "Authorization, If-Modified-Since, If-None-Match, Last-Event-ID, Cache-Control, "
    "X-Requested-With"
)
"""What a page of another origin may send."""

PREFLIGHT_AGE_S = 600
"""How long a browser may remember a preflight: a change of origins is seen within ten minutes."""

ALWAYS: Mapping[str, str] = {
    "Server": "broker",
    "Cache-Control": "no-cache, no-store, must-revalidate",
    "Expires": "Thu, 01 Jan 1970 00:00:01 GMT",
    "X-Content-Type-Options": "nosniff",
}
"""Sent with every answer: nothing may be cached or taken for something else."""

POLL_TYPE = "text/plain; charset=utf-8"
"""Lines of JSON are not one JSON document; the module's own type keeps clients from parsing."""

PROBLEM_TYPE = "application/problem+json"


def cross_origin(origin: str | None) -> dict[str, str]:
    """
    Return the headers that let a page of an origin read the answer.

    Args:
        origin: The page's origin, `*` for any, or None for none.

    Source: WHATWG Fetch, section 3.3; dashly-rts 2.3.9.
    """
    if origin is None:
        return {}
    headers = {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Expose-Headers": EXPOSED_HEADERS,
    }
    if origin != "*":
        headers["Vary"] = "Origin"
    return headers


def preflight(origin: str | None) -> dict[str, str]:
    """Return the headers of the answer to OPTIONS."""
    if origin is None:
        return {}
    return {
        **cross_origin(origin),
        "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
        "Access-Control-Allow-Headers": ALLOWED_HEADERS,
        "Access-Control-Max-Age": str(PREFLIGHT_AGE_S),
    }


def cursor_headers(cursor: Cursor) -> dict[str, str]:
    """Return the headers that carry a cursor (D44)."""
    return {"ETag": f"W/{cursor.tag}", "Last-Modified": cursor.http_date}


def refusal_headers(error: BrokerError, retry_after_s: float | None) -> dict[str, str]:
    """Return the headers that explain a refusal."""
    headers = {EXPLAIN_HEADER: _header_text(str(error))}
    if retry_after_s is not None:
        headers["Retry-After"] = str(math.ceil(retry_after_s))
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return headers


def refusal_body(error: BrokerError) -> bytes:
    """
    Return the body of a refusal, for both kinds of reader.

    Source: RFC 9457; dashly-rts 2.1 (`meta`) and section 3.
    """
    meta = {"status": int(error.status), "error": error.slug, "error_message": str(error)}
    return orjson.dumps({**error.problem(), "meta": meta, "data": {}})


def turned_away(error: BrokerError, origin: str | None, retry_after_s: float | None) -> bytes:
    """
    Return the whole answer to a connection that is one too many, whatever it may ask for.

    Args:
        error: Why.
        origin: Page that may read it; see `cross_origin`.
        retry_after_s: When to come back, in seconds.
    """
    body = refusal_body(error)
    headers = {
        "Date": http_date(int(time())),
        "Content-Type": PROBLEM_TYPE,
        "Content-Length": str(len(body)),
        "Connection": "close",
        **ALWAYS,
        **cross_origin(origin),
        **refusal_headers(error, retry_after_s),
    }
    status = b"HTTP/1.1 %d %b\r\n" % (error.status, error.status.phrase.encode())
    return b"%b%b\r\n%b" % (status, header_lines(headers), body)


def _header_text(text: str) -> str:
    return "".join(char if " " <= char <= "~" else "?" for char in text)


def header_lines(headers: Mapping[str, str]) -> bytes:
    """Return headers as they stand in the head of an answer."""
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode("latin-1")
