"""Subscribers that stay: a WebSocket and an event stream, read by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
import json
import ssl

from broker.core.cursor import Cursor
from tests.support.frames import CLOSE, PING, PONG, TEXT, Frame, client_frame
from tests.support.wire import Answer, Envelope, Headers, Http, connected, waiting

UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
"""Headers of a handshake; the key is the one of RFC 6455, section 1.3."""


class WebSocket:
    """
    A WebSocket after its handshake.

    Attributes:
        http: The connection.
        answer: What the handshake was answered.
    """

    def __init__(self, http: Http, answer: Answer) -> None:
        self.http = http
        self.answer = answer

    async def frame(self) -> Frame:
        """Return the next frame, of whatever kind."""
        reader = self.http.reader
        async with waiting():
            first, size = await reader.readexactly(2)
            assert 0x80 == first & 0xF0, "a server's frame is whole, without reserved bits"
            if size > 125:
                size = int.from_bytes(await reader.readexactly(2 if size == 126 else 8))
            return Frame(first & 0x0F, await reader.readexactly(size))

    async def text(self) -> bytes:
        """Return the next text; pings on the way are answered."""
        while True:
            frame = await self.frame()
            if frame.opcode == PING:
                await self.send(PONG, frame.payload)
                continue
            assert TEXT == frame.opcode, frame
            return frame.payload

    async def envelope(self) -> Envelope:
        """Return the next message."""
        return Envelope.read(await self.text())

    async def envelopes(self, count: int) -> list[Envelope]:
        """Return the next messages."""
        return [await self.envelope() for _ in range(count)]

    async def send(self, opcode: int, payload: bytes = b"") -> None:
        """Send one frame."""
        await self.http.send_bytes(client_frame(opcode, payload))

    async def closing(self) -> Frame:
        """Return the close frame, which must come next, and answer it."""
        frame = await self.frame()
        assert CLOSE == frame.opcode, frame
        await self.send(CLOSE, frame.payload[:2])
        assert b"" == await self.http.ended(), "nothing follows a close frame"
        return frame

    def cut(self) -> None:
        """Cut the connection at once."""
        self.http.cut()


class Event(NamedTuple):
    """
    One event of a stream.

    Attributes:
        kind: Its type; `message` where the stream names none.
        data: Its data.
        id: Its id, or empty.
    """

    kind: str
    data: str
    id: str

    @property
    def cursor(self) -> Cursor:
        """The cursor that is its id."""
        time, _, tag = self.id.partition("-")
        return Cursor(int(time), int(tag))

    @property
    def envelope(self) -> Envelope:
        """The message that it carries, whose cursor must be the event's id."""
        envelope = Envelope.read(self.data.encode())
        assert self.cursor == envelope.cursor, self
        return envelope

    @property
    def told(self) -> dict[str, Any]:
        """The JSON object that it carries."""
        told: dict[str, Any] = json.loads(self.data)
        return told


class EventStream:
    """
    An open event stream, read as WHATWG HTML, section 9.2.6, has it.

    Attributes:
        http: The connection.
        answer: Head of the answer.
        comments: How many comments came so far.
        retry_ms: What browsers were asked last to wait before they reconnect.
        last_event_id: What a browser would send as `Last-Event-ID`; empty before the first id.
    """

    def __init__(self, http: Http, answer: Answer) -> None:
        self.http = http
        self.answer = answer
        self.comments = 0
        self.retry_ms: int | None = None
        self.last_event_id = ""
        self._chunked = answer.headers.get("Transfer-Encoding") == "chunked"
        self._rest = b""

    async def event(self) -> Event:
        """Return the next event."""
        while True:
            event = self._dispatch(await self._block())
            if event is not None:
                return event

    async def begun(self) -> str:
        """Wait until a browser would know its place; return what it would send."""
        while not self.last_event_id:
            assert self._dispatch(await self._block()) is None
        return self.last_event_id

    async def envelope(self) -> Envelope:
        """Return the next message."""
        event = await self.event()
        assert "message" == event.kind, event
        return event.envelope

    async def envelopes(self, count: int) -> list[Envelope]:
        """Return the next messages."""
        return [await self.envelope() for _ in range(count)]

    def cut(self) -> None:
        """Cut the connection at once."""
        self.http.cut()

    async def _block(self) -> bytes:
        while b"\n\n" not in self._rest:
            async with waiting():
                piece = (
                    await self.http.chunk() if self._chunked else await self.http.reader.read(65536)
                )
            if not piece:
                raise EOFError("the stream has ended")
            self._rest += piece
        block, _, self._rest = self._rest.partition(b"\n\n")
        return block

    def _dispatch(self, block: bytes) -> Event | None:
        fields: dict[str, list[str]] = {}
        for line in block.decode().split("\n"):
            name, _, value = line.partition(":")
            fields.setdefault(name, []).append(value.removeprefix(" "))
        self.comments += "" in fields
        if "retry" in fields:
            self.retry_ms = int(fields["retry"][-1])
        self.last_event_id = fields.get("id", [self.last_event_id])[-1]
        if "data" not in fields:
            return None
        kind, data, number = fields.get("event"), fields["data"], fields.get("id")
        return Event(kind[-1] if kind else "message", "\n".join(data), number[-1] if number else "")


@asynccontextmanager
async def websocket(
    url: str, target: str, headers: Headers = (), *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[WebSocket]:
    """Open a WebSocket for the length of a block; a refusal fails the test."""
    async with connected(url, tls) as http:
        yield await upgrade(http, target, headers)


async def upgrade(http: Http, target: str, headers: Headers = ()) -> WebSocket:
    """Turn a connection into a WebSocket; a refusal fails the test."""
    answer = await http.ask(target, [*UPGRADE.items(), *dict(headers).items()])
    assert 101 == answer.status, answer
    return WebSocket(http, answer)


@asynccontextmanager
async def event_stream(
    url: str, target: str, headers: Headers = (), *, version: str = "1.1"
) -> AsyncIterator[EventStream]:
    """Open an event stream for the length of a block; a refusal fails the test."""
    async with connected(url) as http:
        yield await subscribe_events(http, target, headers, version=version)


async def subscribe_events(
    http: Http, target: str, headers: Headers = (), *, version: str = "1.1"
) -> EventStream:
    """Open an event stream on a connection; a refusal fails the test."""
    await http.send(target, headers, version=version)
    head = await http.head()
    assert 200 == head.status, head
    return EventStream(http, head)
