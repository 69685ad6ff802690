"""A publish/subscribe server that makes a chosen mistake: what the generator must notice."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha1
import asyncio

ACCEPT_SALT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

Mistake = Callable[["Subscription", int, bytes], list[bytes]]
"""What a subscription sends for the message of that rank."""


def faithful(_: Subscription, __: int, message: bytes) -> list[bytes]:
    """Send each message once."""
    return [message]


def frame(message: bytes) -> bytes:
    """Return a WebSocket text frame of a server."""
    size = len(message)
    head = bytes((0x81, size)) if size < 126 else b"\x81\x7e" + size.to_bytes(2)
    return head + message


def chunk(message: bytes) -> bytes:
    """Return a server-sent event as a chunk of an HTTP body."""
    event = b"data: " + message + b"\n\n"
    return f"{len(event):x}\r\n".encode() + event + b"\r\n"


@dataclass(eq=False)
class Subscription:
    """A subscriber that stays connected."""

    number: int
    channels: list[str]
    writer: asyncio.StreamWriter
    wrap: Callable[[bytes], bytes]
    kept: list[bytes] = field(default_factory=list)


def accept_key(key: str) -> bytes:
    """Return the answer to a WebSocket key (RFC 6455, section 4.2.2)."""
    return b64encode(sha1(key.encode() + ACCEPT_SALT, usedforsecurity=False).digest())


class FaultyServer:
    """
    Serves WebSocket under `/ws/`, SSE under `/sse/`, long poll under `/poll/`, and `POST /pub/`.

    Args:
        mistake: Decides what is sent for each message of a channel.
        piece: Bytes written to a subscriber at a time; 0: all at once.
        status: Answer to a publish.
    """

    def __init__(self, mistake: Mistake = faithful, piece: int = 0, status: int = 200) -> None:
        self._mistake = mistake
        self._piece = piece
        self._status = status
        self._history: list[tuple[str, bytes]] = []
        self._subscriptions: list[Subscription] = []
        self._published = asyncio.Condition()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> str:
        """Start; return `HOST:PORT`."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        return f"{host}:{port}"

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while await self._serve_one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        request, *lines = head.strip().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        method, path, _ = request.split()
        _, kind, names = path.split("/", 2)
        if method == "POST":
            body = await reader.readexactly(int(headers["content-length"]))
            await self._publish(names, body, writer)
            return True
        if kind == "poll":
            await self._poll(names.split(","), headers.get("if-none-match", "0"), writer)
            return True
        key = headers.get("sec-websocket-key", "")
        await self._subscribe(kind, names.split(","), head, key, writer)
        await reader.read()
        return False

    async def _subscribe(
        self, kind: str, names: list[str], head: str, key: str, writer: asyncio.StreamWriter
    ) -> None:
        old = "?all" in names[-1]
        names[-1] = names[-1].partition("?")[0]
        if kind == "ws":
            line = next(line for line in head.split("\r\n") if "Sec-WebSocket-Key" in line)
            accept = accept_key(line.split(": ")[1])
            writer.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"
            )
        else:
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n"
            )
        wrap = frame if kind == "ws" else chunk
        subscription = Subscription(len(self._subscriptions), names, writer, wrap)
        self._subscriptions.append(subscription)
        if old:
            for rank, (channel, message) in enumerate(self._history):
                await self._deliver(subscription, channel, rank, message)

    async def _publish(self, names: str, body: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {self._status} X\r\nContent-Length: 2\r\n\r\nok".encode())
        for message in body.split(b"\n"):
            rank = len(self._history)
            self._history.append((names, message))
            for subscription in self._subscriptions:
                await self._deliver(subscription, names, rank, message)
        async with self._published:
            self._published.notify_all()

    async def _deliver(
        self, subscription: Subscription, channel: str, rank: int, message: bytes
    ) -> None:
        if channel not in subscription.channels:
            return
        for body in self._mistake(subscription, rank, message):
            data = subscription.wrap(b'{"n":1,"m":' + body + b"}")
            for piece in self._pieces(data):
                subscription.writer.write(piece)
                if self._piece:
                    await asyncio.sleep(0)

    def _pieces(self, data: bytes) -> list[bytes]:
        step = self._piece or len(data)
        return [data[at : at + step] for at in range(0, len(data), step)]

    async def _poll(self, names: list[str], tag: str, writer: asyncio.StreamWriter) -> None:
        after = int(tag)
        async with self._published:
            await self._published.wait_for(lambda: len(self._history) > after)
        fresh = [message for channel, message in self._history[after:] if channel in names]
        body = b"".join(b'{"m":' + message + b"}\n" for message in fresh)
        writer.write(
            b"HTTP/1.1 200 OK\r\n"
            + f"ETag: {len(self._history)}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
