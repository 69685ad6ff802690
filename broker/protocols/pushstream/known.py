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


_PARAMETERS = re.compile(
    rb"[?&](?:"
    rb"tag=((?:W/)?[0-9]{0,18})|"
    rb"time=([A-Za-z0-9%+:,-]{0,64})|"
    rb"_=([0-9]{1,16})"
    rb")(?=[& ])"
)
_QUESTION = ord("?")

PARAMETER_NAMES = ("tag", "time", "_")
"""What changes in a query, one group of the pattern each; and what it may be."""

_HEADERS = re.compile(
    rb"\r\n(?:"
    rb"(?:If-None-Match|if-none-match): ((?:W/)?[0-9]{1,18})|"
    rb"(?:If-Modified-Since|if-modified-since): ([A-Za-z0-9 :,]{1,40})|"
    rb"(?:Sec-WebSocket-Key|sec-websocket-key): ([A-Za-z0-9+/]{22}==)"
    rb")(?=\r\n)"
)
_HEADER_NAMES = ("If-None-Match", "If-Modified-Since", "Sec-WebSocket-Key")
"""What changes among the headers."""


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
    if len(head) > MAX_HEAD_BYTES or head.find(_END) != len(head) - len(_END) or _HOLE in head:
        return None
    line_end = head.find(_LINE_END)
    query = head.find(b"?", 0, line_end)
    pieces: list[bytes] = []
    parameters: dict[str, str] = {}
    headers: dict[str, str] = {}
    at = 0
    for match in _PARAMETERS.finditer(head, query, line_end) if query >= 0 else ():
        if head[match.start()] == _QUESTION and match.start() != query:
            continue  # a part of another one's value
        group = match.lastindex or 0
        text = match[group].decode("ascii")
        parameters[PARAMETER_NAMES[group - 1]] = unquote(text) if "%" in text else text
        pieces.append(head[at : match.start(group)])
        at = match.end(group)
    for match in _HEADERS.finditer(head, line_end):
        group = match.lastindex or 0
        headers[_HEADER_NAMES[group - 1]] = match[group].decode("ascii")
        pieces.append(head[at : match.start(group)])
        at = match.end(group)
    pieces.append(head[at:])
    return Cut(head, _HOLE.join(pieces), parameters, headers)
