"""Requests with two readings: nothing behind or inside of them is ever taken for a request."""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple
import json
import re

import pytest

from tests.support.node import RunningNode
from tests.support.wire import Http, connected, waiting

HOST = b"Host: localhost\r\n"
HIDDEN = b"POST /publish/hidden HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n1"
"""A publish that one reading of the request around it would find."""

CHUNKED = b"Transfer-Encoding: chunked\r\n"
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")


class Trick(NamedTuple):
    """
    A publish that can be read in two ways.

    Attributes:
        lines: Its headers beside `Host`.
        body: What follows its head.
        status: What it is answered.
    """

    lines: bytes
    body: bytes
    status: int = 400


def _length(text: bytes, body: bytes = b"1") -> Trick:
    return Trick(b"Content-Length: " + text + b"\r\n", body)


def _chunks(body: bytes, status: int = 400) -> Trick:
    return Trick(CHUNKED, body, status)


_EMPTY = b"0\r\n\r\n" + HIDDEN

TRICKS = {
    # Two lengths (RFC 9112, section 6.3).
    "a length and chunks": Trick(b"Content-Length: 5\r\n" + CHUNKED, _EMPTY),
    "chunks and a length": Trick(CHUNKED + b"Content-Length: 5\r\n", _EMPTY),
    "two lengths": Trick(b"Content-Length: 0\r\nContent-Length: %d\r\n" % len(HIDDEN), HIDDEN),
    "the same length twice": Trick(b"Content-Length: 1\r\ncontent-length: 1\r\n", b"1"),
    "a list of lengths": _length(b"1, 1"),
    "a list of other lengths": _length(b"0, %d" % len(HIDDEN), HIDDEN),
    # Lengths that only some can read.
    "a length with a sign": _length(b"+1"),
    "a length with an underscore": _length(b"1_0", b"1234567890"),
    "a negative length": _length(b"-1"),
    "a length in hexadecimal": _length(b"0x1"),
    "a length that overflows": _length(b"18446744073709551617"),
    "a length without digits": _length(b""),
    "a space before the colon": Trick(b"Content-Length : 1\r\n", b"1"),
    # Transfer codings that only some can read.
    "an unknown coding": Trick(b"Transfer-Encoding: xchunked\r\n", _EMPTY),
    "an unknown coding and a length": Trick(
        b"Transfer-Encoding: xchunked\r\nContent-Length: 1\r\n", b"1"
    ),
    "identity": Trick(b"Transfer-Encoding: identity\r\n", _EMPTY),
    "chunked and then identity": Trick(b"Transfer-Encoding: chunked, identity\r\n", _EMPTY),
    "chunked, identity in two lines": Trick(CHUNKED + b"Transfer-Encoding: identity\r\n", _EMPTY),
    "chunked twice": Trick(CHUNKED + CHUNKED, b"1\r\n1\r\n0\r\n\r\n"),
    "chunked behind a control character": Trick(b"Transfer-Encoding:\x0bchunked\r\n", _EMPTY),
    "a compressed transfer": Trick(
        b"Transfer-Encoding: gzip, chunked\r\n", b"1\r\n1\r\n0\r\n\r\n", 415
    ),
    # Line ends (RFC 9112, sections 2.2 and 5.2).
    "a folded line": Trick(b"Content-Length: 1\r\nX: a\r\n b\r\n", b"1"),
    "a folded coding": Trick(b"Transfer-Encoding:\r\n chunked\r\n", _EMPTY),
    "a bare line feed": Trick(b"Content-Length: 1\r\nX: a\n" + CHUNKED, _EMPTY),
    "a bare carriage return": Trick(b"Content-Length: 1\r\nX: a\r" + CHUNKED, b"1"),
    "NUL in a value": Trick(b"Content-Length: 1\r\nX: a\0b\r\n", b"1"),
    "a second host": Trick(b"Host: evil.example\r\nContent-Length: 1\r\n", b"1"),
    # Chunks (RFC 9112, section 7.1).
    "a chunk extension": _chunks(b"1;a=b\r\n1\r\n0\r\n\r\n", 200),
    "a line feed in a chunk extension": _chunks(b"1;a\nxx\r\n1\r\n0\r\n\r\n" + HIDDEN),
    "chunks ended by line feeds": _chunks(b"1\n1\n0\n\n" + HIDDEN),
    "a chunk size with a sign": _chunks(b"+1\r\n1\r\n0\r\n\r\n"),
    "a negative chunk size": _chunks(b"-1\r\n1\r\n0\r\n\r\n"),
    "a chunk size with a prefix": _chunks(b"0x1\r\n1\r\n0\r\n\r\n"),
    "a chunk size that overflows": _chunks(b"10000000000000001\r\n1\r\n0\r\n\r\n" + HIDDEN),
    "a chunk that is longer than it says": _chunks(b"1\r\n1X\r\n0\r\n\r\n" + HIDDEN),
    # What is whole, whatever it looks like.
    "a request as the body": Trick(b"Content-Length: %d\r\n" % len(HIDDEN), HIDDEN, 400),
    "leading zeros": _length(b"01")._replace(status=200),
    "a length named in Connection": Trick(
        b"Connection: Content-Length\r\nContent-Length: 1\r\n", b"1", 200
    ),
}


def publish(lines: bytes, body: bytes, channel: bytes = b"a") -> bytes:
    """Return a publish."""
    return b"POST /publish/%b HTTP/1.1\r\n%b%b\r\n%b" % (channel, HOST, lines, body)


async def stored(node: RunningNode, channel: str) -> int:
    """Return how many messages a channel keeps."""
    async with node.connect_internal() as http:
        return int(json.loads((await http.ask(f"/channels/{channel}")).body)["stored"])


async def converse(http: Http, *pieces: bytes) -> bytes:
    """Send pieces, each once the one before was answered; return what came until the end."""
    said = b""
    with suppress(ConnectionError):
        for piece in pieces:
            await http.send_bytes(piece)
            async with waiting():
                said += await http.reader.read(65_536)
    if http.writer.can_write_eof():
        http.writer.write_eof()
    return said + await http.ended()


GOODBYE = b"GET /healthz HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
"""Ends a connection that is still in step; what is in front of it was read as it stands."""


@pytest.mark.parametrize("known", [False, True], ids=["cold", "known"])
@pytest.mark.parametrize("trick", TRICKS.values(), ids=TRICKS.keys())
async def test_a_publish_with_two_readings_hides_nothing(
    node: RunningNode, trick: Trick, known: bool
) -> None:
    """It is refused and its connection closed, or taken whole and the next request read in step."""
    plain = publish(b"Content-Length: 1\r\n", b"1")
    async with connected(node.internal) as http:
        before = [plain, plain] if known else []
        said = await converse(http, *before, publish(trick.lines, trick.body) + GOODBYE)
    statuses = [int(status) for status in STATUS.findall(said)]
    expected = [*([200] * len(before)), trick.status]
    assert expected == statuses[: len(expected)], said
    if trick.status != 400 or trick is TRICKS["a request as the body"]:
        expected.append(200)
    assert expected == statuses, said
    assert 0 == await stored(node, "hidden")
    assert expected[: len(before) + 1].count(200) == await stored(node, "a")


BODIES = {
    "a length": b"Content-Length: %d\r\n\r\n%b" % (len(HIDDEN), HIDDEN),
    "chunks": CHUNKED + b"\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN),
    "a protocol that is not spoken": (
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n"
    ),
}


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS"])
@pytest.mark.parametrize("listener", ["public", "internal"])
@pytest.mark.parametrize("lines", BODIES.values(), ids=BODIES.keys())
async def test_a_body_where_none_is_wanted_is_no_request(
    node: RunningNode, method: bytes, listener: str, lines: bytes
) -> None:
    """Whatever comes as the body of a request is read as that, or ends the connection."""
    target = b"/shortpoll/a" if listener == "public" else b"/healthz"
    async with connected(getattr(node, listener)) as http:
        await http.send_bytes(method + b" " + target + b" HTTP/1.1\r\n" + HOST + lines)
        async with waiting():
            said = await http.reader.read(65_536)
    assert 1 == len(STATUS.findall(said)), said
    assert 0 == await stored(node, "hidden")


async def test_a_body_that_comes_late_is_no_request(node: RunningNode) -> None:
    """A poll that announces a body and sends it once it was refused, is still in step."""
    hidden = b"GET /shortpoll/b HTTP/1.1\r\nHost: localhost\r\n\r\n"
    length = b"Content-Length: %d\r\n\r\n" % len(hidden)
    head = b"GET /shortpoll/a HTTP/1.1\r\n" + HOST + length
    async with connected(node.public) as http:
        said = await converse(http, head, hidden + head, hidden + head, hidden + GOODBYE)
    assert [400, 400, 400, 404] == [int(status) for status in STATUS.findall(said)], said


KNOWN = b"GET /shortpoll/a?tag=1&time=%b HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize(
    "time",
    [
        b"x%0d%0aX:1",
        b"x HTTP/1.1\r\nX: 1\r\nY: ",
        b"x\r\n\r\nGET /shortpoll/b",
        b"x\nX: 1",
        b"x\0",
        b"%00",
        b"x" * 65,
        b"x&tag=2",
        b"x\t",
    ],
)
async def test_a_known_poll_takes_no_value_that_frames(node: RunningNode, time: bytes) -> None:
    """The values that may differ hold nothing that ends a line: everything else is parsed."""
    async with connected(node.public) as http:
        for _ in range(3):
            await http.send_bytes(KNOWN % b"Sat%2C%2014%20Nov%202015%2015%3A51%3A54%20GMT")
            assert 304 == (await http.answer()).status
        recall = node.node.meters.connecting.known.of("public", "hit")
        [before] = [row.values[0] for row in recall.rows()]
        assert before > 0
        await http.send_bytes(KNOWN % time)
        async with waiting():
            await http.reader.read(65_536)
        [after] = [row.values[0] for row in recall.rows()]
        assert after - before <= (1 if re.fullmatch(rb"[A-Za-z0-9%+:,-]{0,64}", time) else 0)
