"""How the internal listener says no."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from time import time
import math

from aiohttp import hdrs, web
import orjson

from broker.core.cursor import http_date
from broker.core.errors import BrokerError

PROBLEM_TYPE = "application/problem+json"
JSON_TYPE = "application/json"

RETRY_AFTER_S = 1
"""What publishers are asked to wait: queues and short failovers pass within seconds."""


def problem(error: BrokerError, request_id: str = "") -> web.Response:
    """
    Return a refusal.

    Args:
        error: Why.
        request_id: Under which the log tells more; empty for none.

    Source: RFC 9457; RFC 9110, sections 10.2.3 and 11.6.1.
    """
    members = error.problem()
    if request_id:
        members["instance"] = f"urn:broker:request:{request_id}"
    headers = dict(getattr(error, "headers", {}))
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers[hdrs.WWW_AUTHENTICATE] = "Bearer"
    if error.retry:
        wait_s = RETRY_AFTER_S if error.retry_after_s is None else math.ceil(error.retry_after_s)
        headers[hdrs.RETRY_AFTER] = str(wait_s)
    return answer(orjson.dumps(members), error.status, PROBLEM_TYPE, headers)


def answer(
    body: bytes,
    status: int = HTTPStatus.OK,
    content_type: str = JSON_TYPE,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """Return an answer; nothing on this listener may be cached or taken for something else."""
    all_headers = {
        hdrs.CONTENT_TYPE: content_type,
        hdrs.CACHE_CONTROL: "no-store",
        "X-Content-Type-Options": "nosniff",
        hdrs.SERVER: "broker",
    }
    if headers:
        all_headers.update(headers)
    return web.Response(body=body, status=status, headers=all_headers)


def serialise(response: web.Response) -> bytes:
    """Return a whole answer as bytes, for connections that are not aiohttp's."""
    body = response.body
    if not isinstance(body, bytes):
        raise TypeError("only answers of bytes are sent in one piece")
    status = HTTPStatus(response.status)
    lines = [f"HTTP/1.1 {int(status)} {status.phrase}", f"Content-Length: {len(body)}"]
    lines.append(f"Date: {http_date(int(time()))}")
    lines += [
        f"{name}: {value}"
        for name, value in response.headers.items()
        if name != hdrs.CONTENT_LENGTH
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
