"""HTTP by hand: requests as bytes, answers as they came, many on one connection."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit
import asyncio
import json
import re
import ssl

from multidict import CIMultiDict

from broker.core.cursor import Cursor
from tests.support.clock import JumpingLoop
from tests.support.waiting import PATIENCE

WAIT_S = 10.0
"""Seconds that a peer may take for what a test waits for."""

JUMPING_WAIT_S = 600.0
"""The same on a clock that jumps: holds and timeouts pass in no time there."""

READ_BYTES = 2**20

_ENVELOPE = ["id", "channel", "message", "tag", "time"]
_HTTP_DATE = "%a, %d %b %Y %H:%M:%S GMT"
_BODILESS = frozenset({101, 204, 304})

Headers = Mapping[str, str] | Sequence[tuple[str, str]]


class Envelope(NamedTuple):
    """
    A message as a subscriber sees it.

    Attributes:
        id: Its number in the channel.
        channel: Where it came from.
        message: The payload.
        cursor: Its `time` and `tag`.
        raw: The JSON text.
    """

    id: int
    channel: str
    message: Any
    cursor: Cursor
    raw: bytes

    @classmethod
    def read(cls, raw: bytes) -> Envelope:
        """Read an envelope; one that is not exactly as D18 to D22 have it fails the test."""
        members = json.loads(raw)
        assert _ENVELOPE == list(members), raw
        number, channel, message, tag, time = members.values()
        assert type(number) is int, raw
        assert isinstance(channel, str), raw
        return cls(number, channel, message, read_cursor(tag, time), raw)


def read_cursor(tag: str, time: str) -> Cursor:
    """Read a cursor as the contract has it: digits, and a date of RFC 9110 in GMT."""
    assert re.fullmatch(r"\d+", tag, re.ASCII), f"the tag is {tag!r}"
    moment = datetime.strptime(time, _HTTP_DATE).replace(tzinfo=UTC)
    assert moment.strftime(_HTTP_DATE) == time, f"the time is {time!r}"
    return Cursor(int(moment.timestamp()), int(tag))


class Answer(NamedTuple):
    """
    An answer to a request.

    Attributes:
        status: Its status.
        headers: Its headers, by any spelling.
        body: Its body, without chunks.
        line: Its status line.
    """

    status: int
    headers: CIMultiDict[str]
    body: bytes
    line: str = ""

    @property
    def envelopes(self) -> list[Envelope]:
        """The messages of a poll: split at line feeds, the last piece dropped (2.3.5)."""
        assert 200 == self.status, (self, self.cursor)
        *pieces, last = self.body.split(b"\n")
        assert b"" == last, f"the last message does not end with a line feed: {last!r}"
        return [Envelope.read(piece) for piece in pieces]

    @property
    def cursor(self) -> Cursor:
        """The cursor of `ETag` and `Last-Modified`, both of which must be there (D44)."""
        tag = self.headers["ETag"]
        assert tag.startswith("W/"), f"the ETag is {tag!r}"
        return read_cursor(tag[2:], self.headers["Last-Modified"])

    @property
    def problem(self) -> dict[str, Any]:
        """The body of a refusal, whose two forms must agree with each other and the status."""
        assert "application/problem+json" == self.headers["Content-Type"], self
        members: dict[str, Any] = json.loads(self.body)
        assert self.status == members["status"], self
        for name in ("type", "title", "detail"):
            assert members[name], self
        return members


def subscription(
    mode: str,
    channels: Sequence[str],
    cursor: Cursor | None = None,
    token: str = "",
    /,
    **parameters: str,
) -> str:
    """
    Return the target of a subscriber's request, as D5 to D7 and D45 have it.

    Args:
        mode: `websocket`, `longpoll`, `shortpoll`, `eventsource` or `sse`.
        channels: Names, percent-encoded here.
        cursor: Where to go on, or None.
        token: Sent as `auth_token`, last (D14), unless it is empty.
        **parameters: Further ones, percent-encoded here.
    """
    if cursor is not None:
        parameters = {**parameters, "tag": str(cursor.tag), "time": cursor.http_date}
    if token:
        parameters = {**parameters, "auth_token": token}
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters.items())
    path = "/".join(quote(name, safe="") for name in channels)
    return f"/{mode}/{path}" + (f"?{query}" if query else "")


class Http:
    """
    One connection that requests are sent on, one after the other.

    Every wait has a deadline.

    Attributes:
        reader: What comes.
        writer: What goes.
        host: Value of `Host`.
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.host = host

    async def ask(
        self, target: str, headers: Headers = (), *, method: str = "GET", body: bytes | None = None
    ) -> Answer:
        """Send a request and return its answer."""
        await self.send(target, headers, method=method, body=body)
        return await self.answer(bodiless=method == "HEAD")

    async def send(
        self,
        target: str,
        headers: Headers = (),
        *,
        method: str = "GET",
        body: bytes | None = None,
        version: str = "1.1",
    ) -> None:
        """Send a request; a body gets its `Content-Length`."""
        pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
        if body is not None:
            pairs.append(("Content-Length", str(len(body))))
        lines = [f"{method} {target} HTTP/{version}", f"Host: {self.host}"]
        lines += [f"{name}: {value}" for name, value in pairs]
        await self.send_bytes("\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b""))

    async def send_bytes(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(data)
        async with waiting():
            await self.writer.drain()

    async def answer(self, *, bodiless: bool = False) -> Answer:
        """
        Return the next answer.

        Args:
            bodiless: Whether it has no body whatever its headers say: it answers a HEAD.
        """
        head = await self.head()
        if bodiless or head.status in _BODILESS:
            return head
        async with waiting():
            return head._replace(body=await self._body(head.headers))

    async def head(self) -> Answer:
        """Return status and headers of the next answer; its body is still to be read."""
        async with waiting():
            head = await self.reader.readuntil(b"\r\n\r\n")
        line, *lines = head.decode("latin-1").split("\r\n")[:-2]
        pairs = [text.partition(": ") for text in lines]
        headers = CIMultiDict([(name, value) for name, _, value in pairs])
        return Answer(int(line.split(" ")[1]), headers, b"", line)

    async def _body(self, headers: CIMultiDict[str]) -> bytes:
        if "Content-Length" in headers:
            return await self.reader.readexactly(int(headers["Content-Length"]))
        if headers.get("Transfer-Encoding") != "chunked":
            return await self.reader.read()
        body = b""
        while chunk := await self.chunk():
            body += chunk
        return body

    async def chunk(self) -> bytes:
        """Return the next chunk of a body; the last one is empty."""
        size = int(await self.reader.readuntil(b"\r\n"), 16)
        return (await self.reader.readexactly(size + 2))[:-2]

    async def ended(self) -> bytes:
        """Wait for the peer to close; return what it sent before that."""
        async with waiting():
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""

    def cut(self) -> None:
        """Cut the connection at once."""
        self.writer.transport.abort()

    async def close(self) -> None:
        """Close the connection; what the peer still wants to say is dropped."""
        self.cut()
        with suppress(OSError):
            await self.writer.wait_closed()


@asynccontextmanager
async def connected(url: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[Http]:
    """
    Connect for the length of a block.

    Args:
        url: Base URL; of its parts only host, port and, for TLS, the scheme count.
        tls: Whom a client of `https` trusts.
    """
    http = await connect(url, tls)
    try:
        yield http
    finally:
        await http.close()


async def connect(url: str, tls: ssl.SSLContext | None = None) -> Http:
    """Connect; whoever calls closes it."""
    parts = urlsplit(url)
    async with waiting():
        streams = await asyncio.open_connection(
            parts.hostname, parts.port, ssl=tls, limit=READ_BYTES
        )
    return Http(*streams, parts.netloc)


def waiting() -> asyncio.Timeout:
    """Return the deadline of one wait for a peer."""
    jumping = isinstance(asyncio.get_running_loop(), JumpingLoop)
    return asyncio.timeout(JUMPING_WAIT_S if jumping else WAIT_S * PATIENCE)
