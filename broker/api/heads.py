"""
Heads of publish requests that were parsed before: the same bytes, but for the values that change.

A back end publishes with the same request over and over, but for the channel, the length of the
body, and the ids that it gives. With those cut out, a head is compared, byte for byte, to one that
aiohttp has parsed: the framing is that one's, and nothing is guessed. Whatever differs otherwise,
or has a value of other than plain characters, goes to aiohttp.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple
import re

from aiohttp import hdrs, web
from aiohttp.http import HttpVersion11

PATH = b"POST /publish/"
LENGTH = "Content-Length"
CUT_HEADERS = (LENGTH, "Idempotency-Key", "Event-Id", "Event-Type")

_VERSION = b" HTTP/1.1\r\n"
_UNPLAIN = (
    hdrs.TRANSFER_ENCODING,
    hdrs.CONTENT_ENCODING,
    hdrs.EXPECT,
    hdrs.CONNECTION,
    "X-Request-Id",  # another one each time
    "traceparent",
)
_CHANNEL = re.compile(rb"[A-Za-z0-9._~-]{1,256}")
_FORMS = {
    LENGTH: re.compile(rb"[0-9]{1,8}"),
    "Idempotency-Key": re.compile(rb"[!-~]{1,128}"),
    "Event-Id": re.compile(rb"[!-~]{1,128}"),
    "Event-Type": re.compile(rb"[!-~]{1,64}"),
}
_MARKERS = [
    (name, [f"\r\n{spelling}: ".encode() for spelling in (name, name.lower())])
    for name in CUT_HEADERS
]


class PublishHead(NamedTuple):
    """
    A head taken apart.

    Attributes:
        shape: The head without the values that change.
        channel: The channel of the path.
        length: Bytes of the body.
        headers: The other values, by the name of their header.
    """

    shape: bytes
    channel: str
    length: int
    headers: Mapping[str, str]


def cut_publish(head: bytes) -> PublishHead | None:
    """
    Take the changing values out of the head of a publish request.

    Args:
        head: From the request line to the empty line.

    Returns:
        None for anything but a plain publish of one body with a length to one channel.
    """
    if not head.startswith(PATH):
        return None
    start = len(PATH)
    end = head.find(_VERSION, start)
    if end < 0 or not _CHANNEL.fullmatch(head, start, end):
        return None
    places = sorted(place for name, markers in _MARKERS for place in _find(head, name, markers))
    values = {name: head[begin:stop].decode("ascii") for begin, stop, name in places}
    length = values.pop(LENGTH, None)
    if length is None:
        return None
    pieces = [head[end : places[0][0]]]
    for (_, stop, _), (begin, _, _) in pairwise(places):
        pieces.append(head[stop:begin])
    pieces.append(head[places[-1][1] :])
    return PublishHead(b"\0".join(pieces), head[start:end].decode("ascii"), int(length), values)


def plain_head(head: bytes, request: web.BaseRequest) -> PublishHead | None:
    """
    Return the head of a request, taken apart, for the next ones that look like it.

    Args:
        head: Bytes that came on the request's connection.
        request: What aiohttp has parsed.

    Returns:
        None where the bytes are not this request's but those of one before it, where values that
        were cut out are not all there are, and where anything else frames.
    """
    headers = request.headers
    if head != _head_of(request) or request.version != HttpVersion11:
        return None
    taken = cut_publish(head)
    if taken is None or any(name in headers for name in _UNPLAIN):
        return None
    cut = {LENGTH: str(taken.length), **taken.headers}
    expected = {name: [cut[name]] if name in cut else [] for name in CUT_HEADERS}
    alike = all(headers.getall(name, []) == values for name, values in expected.items())
    return taken if alike else None


def _head_of(request: web.BaseRequest) -> bytes:
    """Return the head of a request as those send it who write no needless blanks."""
    line = f"{request.method} {request.raw_path}".encode("utf-8", "surrogateescape")
    headers = b"".join(b"%b: %b\r\n" % pair for pair in request.raw_headers)
    return b"%b%b%b\r\n" % (line, _VERSION, headers)


def _find(head: bytes, name: str, markers: list[bytes]) -> list[tuple[int, int, str]]:
    """Return where the value of a header begins and ends, if it is there and plain."""
    for marker in markers:
        at = head.find(marker)
        if at >= 0:
            begin = at + len(marker)
            stop = head.find(b"\r\n", begin)
            return [(begin, stop, name)] if _FORMS[name].fullmatch(head, begin, stop) else []
    return []
