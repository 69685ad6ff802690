"""Requests that no client should send, made from a seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import NamedTuple
import base64

from tests.support.frames import client_frame

SMUGGLED = "smuggled"
"""Channel that only requests within the bodies of others name: it must stay unknown."""

PAIR = ("pair.1", "pair.2")
"""Channels that each readable publish names together: they must always hold the same."""

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE", "PRI")
MODES = ("websocket", "longpoll", "shortpoll", "eventsource", "sse", "publish", "channels", "stats")

_HOST = b"Host: 127.0.0.1\r\n"
_UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


class Junk(NamedTuple):
    """
    What to send on one connection.

    Attributes:
        kind: Name of what is wrong with it.
        data: The bytes.
    """

    kind: str
    data: bytes


def junk(seed: int, count: int) -> Iterator[Junk]:
    """Make so many of them; the same seed makes the same."""
    chance = Random(seed)
    for _ in range(count):
        maker = chance.choice(MAKERS)
        yield Junk(maker.__name__.strip("_"), maker(chance))


# --- heads ---------------------------------------------------------------------------------------


def _garbage(chance: Random) -> bytes:
    return chance.randbytes(int(10 ** chance.uniform(0, 4)))


def _text_garbage(chance: Random) -> bytes:
    signs = b"GETPOST /HTTP1.\r\n\r\n:;,%&?=\x00\x0b\xff{}[]\"'"
    return bytes(chance.choices(signs, k=int(10 ** chance.uniform(0, 4))))


def _tls_hello(chance: Random) -> bytes:
    return b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + chance.randbytes(512)


def _http2(chance: Random) -> bytes:
    return b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + chance.randbytes(chance.randrange(100))


def _half_head(chance: Random) -> bytes:
    whole = _readable(chance)
    return whole[: chance.randrange(1, len(whole))]


def _flipped(chance: Random) -> bytes:
    # Not to the pair: with another name in it, it would be a good request.
    data = bytearray(_readable(chance).replace(b"pair.", b"odd."))
    for _ in range(chance.randrange(1, 8)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    return bytes(data)


def _huge_line(chance: Random) -> bytes:
    filler = chance.choice([b"x", b"/a", b"%2F", b"\xc3\xbc", b"?a=b&"])
    size = int(10 ** chance.uniform(3, 5.5))
    return b"GET /shortpoll/" + (filler * size)[:size] + b" HTTP/1.1\r\n" + _HOST + b"\r\n"


def _huge_header(chance: Random) -> bytes:
    size = int(10 ** chance.uniform(3, 5.5))
    name = chance.choice([b"X", b"Cookie", b"Authorization", b"If-None-Match", b"x" * size])
    value = chance.choice([b"x", b"a=b; ", b",", b"\xff"]) * size
    return b"GET /shortpoll/a HTTP/1.1\r\n" + _HOST + name + b": " + value[:size] + b"\r\n\r\n"


def _many_headers(chance: Random) -> bytes:
    lines = b"".join(b"X-%d: %d\r\n" % (n, n) for n in range(chance.randrange(50, 5000)))
    return b"GET /shortpoll/a HTTP/1.1\r\n" + _HOST + lines + b"\r\n"


def _weird_line(chance: Random) -> bytes:
    method = chance.choice([*METHODS, "", "get", "G\tET", "GET GET", "\x00", "\u00fc", "M" * 300])
    target = chance.choice(
        ["", "*", "/", "//", "/..", "/%", "/%00", "/%zz", "/a b", "\\", "http://", "http://[::1",
         "http://evil/shortpoll/a", "/shortpoll/\x00", "/shortpoll/\xff", "/shortpoll/a\x7f",
         "/longpoll/" + "/".join(map(str, range(60))), "/websocket", "/publish/" + "x" * 300,
         "/shortpoll/*", "/shortpoll/ALL", "/shortpoll/a?time=now&tag=%00", "#", "/#", "/?#"]
    )  # fmt: skip
    version = chance.choice(["HTTP/1.1", "HTTP/1.0", "HTTP/0.9", "HTTP/2", "HTTP/9.9", "http/1.1",
                             "HTTP/1.1 HTTP/1.1", "", "HTTP/", "HTTP/1.\u0661", "ICY"])  # fmt: skip
    line = f"{method} {target} {version}".encode("utf-8", "surrogateescape")
    return line + b"\r\n" + _HOST + b"\r\n"


def _weird_headers(chance: Random) -> bytes:
    odd = [b"no colon", b": no name", b" folded", b"\tfolded", b"a b: c", b"a\x00b: c", b"a: \x00",
           b"a: b\rc: d", b"Host: a\r\nHost: b", b"Host:", b"Host: \xff", b"Connection: \x00",
           b"Connection: close, keep-alive", b"Expect: 100-continue", b"Expect: 42",
           b"Transfer-Encoding: gzip", b"Content-Encoding: gzip", b"Origin: null", b"Cookie: ===",
           b"Authorization: Bearer " + b"." * 50, b"Last-Event-ID: \xf0\x9f", b"Range: bytes=0-",
           b"If-None-Match: W/" + b"9" * 400, b"If-Modified-Since: " + b"9" * 400]  # fmt: skip
    lines = b"".join(line + b"\r\n" for line in chance.sample(odd, chance.randrange(1, 5)))
    return _line(chance) + lines + b"\r\n"


def _bare_ends(chance: Random) -> bytes:
    return _readable(chance).replace(b"\r\n", chance.choice([b"\n", b"\r", b"\r\r\n", b"\n\r"]))


# --- bodies --------------------------------------------------------------------------------------


def _body_on_get(chance: Random) -> bytes:
    body = chance.randbytes(chance.randrange(1, 500))
    head = b"GET /longpoll/a HTTP/1.1\r\n" + _HOST
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def _short_body(chance: Random) -> bytes:
    return _publish(b"Content-Length: %d\r\n" % chance.randrange(20, 5000), b'{"half": ')


def _bad_length(chance: Random) -> bytes:
    length = chance.choice([b"-1", b"+5", b"0x10", b"5 5", b"1e3", b"", b"5, 5", b"5,6", b" 5",
                            b"9" * 40, b"\xd9\xa5", b"5\x00", b"NaN"])  # fmt: skip
    return _publish(b"Content-Length: " + length + b"\r\n", b'"abc"')


def _bad_chunks(chance: Random) -> bytes:
    body = chance.choice([b"zz\r\nabc\r\n0\r\n\r\n", b"-1\r\nabc\r\n", b"5\r\nabc\r\n0\r\n\r\n",
                          b"3\nabc\n0\n\n", b"f" * 40 + b"\r\nabc", b"3;" + b"x" * 90_000,
                          b"0\r\n" + b"T: x\r\n" * 9000, b"3\r\nabc", b"\r\n\r\n", b"3\r\nabcd\r\n"]
                         )  # fmt: skip
    return _publish(b"Transfer-Encoding: chunked\r\n", body)


def _bad_body(chance: Random) -> bytes:
    body = chance.choice([b"", b"{", b"nul", b"\xff\xfe", b'"\\ud800"', b"1e999", b"[" * 5000,
                          b'{"a":1}{"a":2}', b"\x00", chance.randbytes(300)])  # fmt: skip
    kind = chance.choice([b"application/json", b"text/plain", b"application/x-ndjson", b"a/b", b";",
                          b"text/plain; charset=utf-16", b"\xff"])  # fmt: skip
    lines = b"Content-Type: %b\r\nContent-Length: %d\r\n" % (kind, len(body))
    # A path of its own: some of these are good messages after all.
    return b"POST /publish/odd.1 HTTP/1.1\r\n" + _HOST + lines + b"\r\n" + body


def _bad_batch(chance: Random) -> bytes:
    lines = [b'{"channel":"pair.1","message":1}', b'{"channel":"pair.2","message":1}']
    wrong = [b"", b"[]", b"{", b'{"channel":1,"message":1}', b'{"channel":"pair.1"}', b"null",
             b'{"channel":"*","message":1}', b'{"channel":"a.b.c","message":1}',
             b'{"channel":"pair.1","message":"' + b"x" * 70_000 + b'"}']  # fmt: skip
    lines.insert(chance.randrange(3), chance.choice(wrong[2:]))
    body = b"\n".join(lines)
    return (
        b"POST /publish HTTP/1.1\r\n" + _HOST + b"Content-Type: application/x-ndjson\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    )  # fmt: skip


# --- more than one request -----------------------------------------------------------------------


def _pipelined(chance: Random) -> bytes:
    return b"".join(_readable(chance) for _ in range(chance.randrange(2, 30)))


def _pipelined_with_junk(chance: Random) -> bytes:
    return _readable(chance) + chance.choice(MAKERS[:8])(chance) + _readable(chance)


def _smuggling(chance: Random) -> bytes:
    """Hide a request where one reading of the lengths sees a body, and another a request."""
    hidden = b"POST /publish/%b HTTP/1.1\r\n%bContent-Length: 1\r\n\r\n1" % (
        SMUGGLED.encode(),
        _HOST,
    )
    chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (len(hidden), hidden)
    shapes: Sequence[tuple[bytes, bytes]] = (
        (b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n" % len(chunk), chunk),
        (b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n" + hidden),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"0\r\n\r\n" + hidden),
        (b"Content-Length: 0\r\nContent-Length: %d\r\n" % len(hidden), hidden),
        (b"Content-Length: %d\r\nContent-Length: 0\r\n" % len(hidden), hidden),
        (b"Content-Length: 0, %d\r\n" % len(hidden), hidden),
        (b"Transfer-Encoding: xchunked\r\nContent-Length: %d\r\n" % len(hidden), hidden),
        (b"Transfer-Encoding: chunked, identity\r\nContent-Length: %d\r\n" % len(hidden), hidden),
        (b"Transfer-Encoding : chunked\r\nContent-Length: %d\r\n" % len(hidden), hidden),
        (b"Transfer-Encoding:\x0bchunked\r\nContent-Length: %d\r\n" % len(hidden), hidden),
        (b"Content-Length: %d\r\n" % len(hidden), hidden),
        (b"Transfer-Encoding: chunked\r\n", chunk),
    )
    head, body = chance.choice(shapes)
    target = chance.choice(
        [b"GET /healthz", b"GET /shortpoll/a", b"POST /publish/odd.1", b"GET /x"]
    )
    return target + b" HTTP/1.1\r\n" + _HOST + head + b"\r\n" + body


def _behind_a_known(chance: Random) -> bytes:
    """Say the same thing a few times, so that it need not be parsed, and then almost the same."""
    known = (
        chance.choice(
            [
                b"POST /publish/odd.1 HTTP/1.1\r\n%bContent-Length: 3\r\n\r\n1.5",
                b"POST /publish/odd.1 HTTP/1.1\r\n%bEvent-Id: 1\r\ncontent-length: 3\r\n\r\n1.5",
                b"GET /shortpoll/ping?tag=1 HTTP/1.1\r\n%bIf-None-Match: W/1\r\n\r\n",
            ]
        )
        % _HOST
    )
    almost = bytearray(known)
    for _ in range(chance.randrange(1, 4)):
        place = chance.randrange(len(almost))
        odd = chance.choice([b"\r", b"\n", b"\r\n", b"\0", b" ", b":", b"&tag=2", b"\r\n ", b";"])
        almost[place : place + chance.randrange(2)] = odd
    return known * chance.randrange(2, 5) + bytes(almost) + known


# --- WebSockets ----------------------------------------------------------------------------------


def _bad_upgrade(chance: Random) -> bytes:
    headers = dict(_UPGRADE)
    for name in chance.sample(list(headers), chance.randrange(1, 3)):
        headers[name] = chance.choice(["", "x", "h2c", "\x00", "12", "A" * 500, "close", "=" * 24])
    method = chance.choice(["GET", "POST", "OPTIONS", "HEAD"])
    target = chance.choice(["/websocket/ping", "/longpoll/ping", "/eventsource/ping", "/"])
    return _head(f"{method} {target} HTTP/1.1", headers)


def _bad_frames(chance: Random) -> bytes:
    key = base64.b64encode(chance.randbytes(16)).decode()
    frames = [
        client_frame(chance.randrange(16), chance.randbytes(chance.randrange(200)),
                     final=chance.random() < 0.7, reserved=chance.choice([0, 0, 0, 1, 7]),
                     key=chance.choice([b"abcd", None]))
        for _ in range(chance.randrange(1, 10))
    ]  # fmt: skip
    frames.append(chance.randbytes(chance.randrange(100)))
    handshake = _head("GET /websocket/ping HTTP/1.1", {**_UPGRADE, "Sec-WebSocket-Key": key})
    return handshake + b"".join(frames)


# --- parts ---------------------------------------------------------------------------------------


def _readable(chance: Random) -> bytes:
    """Return a request that is as it should be, of any kind."""
    if chance.random() < 0.3:
        return _publish(b"Content-Length: 3\r\n", b'"a"')
    if chance.random() < 0.2:
        return _head("GET /websocket/ping HTTP/1.1", _UPGRADE)
    return _line(chance) + b"\r\n"


def _line(chance: Random) -> bytes:
    method = chance.choice(METHODS[:7])
    mode = chance.choice(MODES)
    target = f"/{mode}/" + chance.choice(["ping", "a", "ping/a.b", "", "x?auth_token=y"])
    return f"{method} {target} HTTP/1.1\r\n".encode() + _HOST


def _publish(lines: bytes, body: bytes) -> bytes:
    path = "/".join(PAIR).encode()
    return b"POST /publish/" + path + b" HTTP/1.1\r\n" + _HOST + lines + b"\r\n" + body


def _head(line: str, headers: dict[str, str]) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{line}\r\n".encode() + _HOST + lines.encode() + b"\r\n"


Maker = Callable[[Random], bytes]

MAKERS: Sequence[Maker] = (
    _garbage,
    _text_garbage,
    _half_head,
    _weird_line,
    _weird_headers,
    _bare_ends,
    _flipped,
    _bad_length,
    _tls_hello,
    _http2,
    _huge_line,
    _huge_header,
    _many_headers,
    _body_on_get,
    _short_body,
    _bad_chunks,
    _bad_body,
    _bad_batch,
    _pipelined,
    _pipelined_with_junk,
    _smuggling,
    _behind_a_known,
    _bad_upgrade,
    _bad_frames,
)
