"""
Requests that were parsed before: the same bytes again, but for the values that change.

A client that polls, or comes back, sends the same request but for its cursor and, on WebSocket,
its nonce. Such a request need not be parsed again: with those values cut out it is compared, byte
for byte, to one that aiohttp has parsed whole. Nothing is guessed about framing: the values cut out
are of few, harmless characters, and any other difference sends the request to aiohttp.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import unquote
import re

MAX_HEAD_BYTES = 16_384
"""Longest request that is remembered; a longer one is parsed every time."""

_END = b"\r\n\r\n"

_HOLE = b"\0"
"""Stands in a shape where a value was cut out; no request may hold it."""

_LINE_END = b"\r\n"


class _Value(NamedTuple):
    """A value that changes: what stands before it, and what it may be."""

    name: str
    markers: tuple[bytes, ...]
    form: re.Pattern[bytes]


_PARAMETERS = (
    _Value("tag", (b"&tag=", b"?tag="), re.compile(rb"(?:W/)?[0-9]{0,18}")),
    _Value("time", (b"&time=", b"?time="), re.compile(rb"[A-Za-z0-9%+:,-]{0,64}")),
    _Value("_", (b"&_=", b"?_="), re.compile(rb"[0-9]{1,16}")),
)
_HEADERS = (
    _Value(
        "If-None-Match",
        (b"\r\nIf-None-Match: ", b"\r\nif-none-match: "),
        re.compile(rb"(?:W/)?[0-9]{1,18}"),
    ),
    _Value(
        "If-Modified-Since",
        (b"\r\nIf-Modified-Since: ", b"\r\nif-modified-since: "),
        re.compile(rb"[A-Za-z0-9 :,]{1,40}"),
    ),
    _Value(
        "Sec-WebSocket-Key",
        (b"\r\nSec-WebSocket-Key: ", b"\r\nsec-websocket-key: "),
        re.compile(rb"[A-Za-z0-9+/]{22}=="),
    ),
)


class Cut(NamedTuple):
    """
    A request taken apart.

    Attributes:
        head: The request as it came.
        shape: The request without the values that change.
        parameters: `tag` and `time` of the query, where they are there, decoded.
        headers: Validators and nonce, where they are there.
    """

    head: bytes
    shape: bytes
    parameters: dict[str, str]
    headers: dict[str, str]


def cut(head: bytes) -> Cut | None:
    """
    Take the changing values out of a request.

    Returns:
        None for anything but one whole request head, small enough, with nothing behind it.
    """
    if len(head) > MAX_HEAD_BYTES or not head.endswith(_END) or head.count(_END) != 1:
        return None
    if _HOLE in head:
        return None
    line_end = head.find(_LINE_END)
    query = head.find(b"?", 0, line_end)
    texts: list[tuple[int, int, str, str]] = []
    if query >= 0:
        for value in _PARAMETERS:
            texts += _find(head, value, query, line_end, (b"&", b" "))
    for value in _HEADERS:
        texts += _find(head, value, line_end, len(head), (_LINE_END,))
    return _take_out(head, sorted(texts))


def _find(
    head: bytes, value: _Value, start: int, stop: int, ends: tuple[bytes, ...]
) -> list[tuple[int, int, str, str]]:
    """Return where the first value of a kind begins and ends, its name and its text; or nothing."""
    for marker in value.markers:
        at = head.find(marker, start, stop)
        if at < 0:
            continue
        begin = at + len(marker)
        end = min((place for end in ends if (place := head.find(end, begin)) >= 0), default=begin)
        if value.form.fullmatch(head, begin, end):
            return [(begin, end, value.name, head[begin:end].decode("ascii"))]
        return []
    return []


def _take_out(head: bytes, texts: list[tuple[int, int, str, str]]) -> Cut:
    pieces: list[bytes] = []
    parameters: dict[str, str] = {}
    headers: dict[str, str] = {}
    at = 0
    for begin, end, name, text in texts:
        pieces.append(head[at:begin])
        at = end
        if name[0].isupper():
            headers[name] = text
        else:
            parameters[name] = unquote(text) if "%" in text else text
    pieces.append(head[at:])
    return Cut(head, _HOLE.join(pieces), parameters, headers)
