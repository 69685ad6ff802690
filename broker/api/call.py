"""One call of an endpoint, and how its body and query are read."""

from __future__ import annotations

from asyncio import timeout
from collections.abc import Awaitable, Callable, Iterable
from difflib import get_close_matches
from typing import NamedTuple
from urllib.parse import parse_qsl
import re

from aiohttp import hdrs, web
from aiohttp.http import HttpVersion11

from broker.core.channels import shown
from broker.core.errors import BadBody, BadRequest, BodyTimeout, BodyTooLarge

MAX_PARAMETERS = 16
"""Parameters in a query; no endpoint has more than three."""

_COUNT = re.compile(r"[1-9][0-9]{0,8}")
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Call(NamedTuple):
    """
    A request that was let in.

    Attributes:
        request: The request.
        tenant: Whose channels it is about.
        rest: What its path says in the place of the endpoint's variable, still percent-encoded.
        publisher: Name of the API key that it came with; empty without one.
    """

    request: web.BaseRequest
    tenant: str
    rest: str
    publisher: str = ""


Handler = Callable[[Call], Awaitable[web.StreamResponse]]
"""Answers the calls of one method of one endpoint."""


async def read_body(request: web.BaseRequest, max_bytes: int, timeout_s: float) -> bytes:
    """
    Read the body of a request; never more than the limit is kept.

    Args:
        request: The request; made with `client_max_size` = `max_bytes`.
        max_bytes: Length of a body at most.
        timeout_s: Seconds in which it must have arrived.

    Raises:
        BodyTooLarge: It is longer, or says that it will be.
        BodyTimeout: It did not arrive in time.
        BadBody: Its chunks cannot be read.
    """
    announced = request.content_length
    if announced is not None and announced > max_bytes:
        raise _too_large(max_bytes)
    if request.content.is_eof():
        return await _read(request, max_bytes)
    await _invite(request)
    try:
        async with timeout(timeout_s):
            return await _read(request, max_bytes)
    except TimeoutError as exc:
        raise BodyTimeout(
            f"the body did not arrive within {timeout_s:g} s", setting="request_timeout_s"
        ) from exc


def read_query(request: web.BaseRequest, known: Iterable[str]) -> dict[str, str]:
    """
    Return the parameters of a request's query.

    Args:
        request: The request.
        known: Names of the parameters that the endpoint has.

    Raises:
        BadRequest: There is a parameter of another name, one twice, or far too many.
    """
    query = request.raw_path.partition("?")[2]
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=MAX_PARAMETERS)
    except ValueError as exc:
        raise BadRequest("the query has too many parameters", limit=MAX_PARAMETERS) from exc
    names = sorted(known)
    values: dict[str, str] = {}
    for name, value in pairs:
        if name not in names:
            near = get_close_matches(name, names, n=1)
            raise BadRequest(
                f"the parameter {shown(name)} is not known here; known are: {', '.join(names)}",
                field=shown(name)[1:-1],
                nearest=near[0] if near else None,
            )
        if name in values:
            raise BadRequest(f"the parameter {name} comes twice", field=name)
        values[name] = value
    return values


def read_limit(text: str | None, default: int, most: int, name: str = "limit") -> int:
    """
    Read the parameter `limit`, or another one that is a number of things.

    Raises:
        BadRequest: It is no number from 1 to `most`.
    """
    if text is None:
        return min(default, most)
    if not _COUNT.fullmatch(text) or int(text) > most:
        raise BadRequest(f"{name} must be a number from 1 to {most}", field=name, limit=most)
    return int(text)


async def _read(request: web.BaseRequest, max_bytes: int) -> bytes:
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge as exc:
        raise _too_large(max_bytes) from exc
    except web.RequestPayloadError as exc:  # aiohttp's parser in Python says so, that in C waits
        raise BadBody("the body is cut short, or its chunks cannot be read") from exc


async def _invite(request: web.BaseRequest) -> None:
    """Ask for the body where the client waits for that (RFC 9110, section 10.1.1)."""
    expected = request.headers.get(hdrs.EXPECT, "").lower()
    if expected == "100-continue" and request.version >= HttpVersion11:
        await request.writer.write(_CONTINUE)
        request.writer.output_size = 0  # the answer itself has not begun


def _too_large(max_bytes: int) -> BodyTooLarge:
    return BodyTooLarge(
        f"the body is longer than {max_bytes} bytes (max_body_bytes)",
        field=hdrs.CONTENT_LENGTH,
        limit=max_bytes,
        setting="max_body_bytes",
    )
