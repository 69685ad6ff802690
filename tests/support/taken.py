"""A small aiohttp server whose handlers take connections over, and a client on a bare socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
import asyncio
import ipaddress
import os
import socket
import ssl

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from broker.core.errors import BrokerError
from broker.transports.connection import Connection
from broker.transports.handshake import handshake
from broker.transports.stream import StreamConnection, StreamLimits, stream_head
from broker.transports.takeover import TakenOver, take_over
from broker.transports.websocket import WebSocketConnection, WebSocketLimits
from broker.wheel import Wheel
from tests.support.frames import Frame, split_server_frames
from tests.support.transport import NotingSession
from tests.support.waiting import PATIENCE

WAIT_S = 10 * PATIENCE
"""Deadline of every wait for the network."""

UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
STREAM = b"GET /stream HTTP/1.1\r\nHost: test\r\n\r\n"
PLAIN = b"GET /plain HTTP/1.1\r\nHost: test\r\n\r\n"


class TakingServer:
    """
    Takes over every request to `/ws` and `/stream`, and answers `/plain` by aiohttp.

    Args:
        cancelling: Whether aiohttp cancels handlers whose client has gone.

    Attributes:
        port: Where it listens.
        limits: Bounds of the WebSockets.
        connections: What was taken over, in order.
        texts: What clients said.
        session: Makes the session of the next connection.
        gate: Handlers of subscriptions wait here before they take over.
        requests: Requests that wait at the gate.
        finished: Handlers that came to their end after a takeover.
        runner: aiohttp's side.
    """

    def __init__(self, *, cancelling: bool) -> None:
        self.port = 0
        self.limits = WebSocketLimits(
            close_timeout_s=0.3, max_frame_bytes=1000, max_message_bytes=2000, max_owed_bytes=1000
        )
        self.connections: list[Connection] = []
        self.texts: list[bytes] = []
        self.session: Callable[[Connection], NotingSession] = lambda _: NotingSession()
        self.sessions: list[NotingSession] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.requests: list[web.BaseRequest] = []
        self.finished = 0
        self.wheel = Wheel(asyncio.get_running_loop(), 0.05)
        app = web.Application()
        app.router.add_get("/ws", self.open_websocket)
        app.router.add_get("/stream", self.open_stream)
        app.router.add_get("/plain", self.answer)
        self.runner = web.AppRunner(
            app, access_log=None, handler_cancellation=cancelling, shutdown_timeout=1
        )

    @property
    def left_to_aiohttp(self) -> int:
        """How many connections aiohttp still has."""
        return 0 if self.runner.server is None else len(self.runner.server.connections)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer with as many bytes as the query asks for."""
        return web.Response(body=b"." * int(request.query.get("bytes", "5")))

    async def open_websocket(self, request: web.Request) -> web.StreamResponse:
        """Take a WebSocket over."""
        return await self._take(
            request,
            lambda: WebSocketConnection(
                self.wheel, self.limits, lambda _, text: self.texts.append(text)
            ),
            handshake(request),
        )

    async def open_stream(self, request: web.Request) -> web.StreamResponse:
        """Take a stream over."""
        return await self._take(
            request,
            lambda: StreamConnection(self.wheel, StreamLimits(), chunked=True),
            stream_head(request.version, {"Content-Type": "text/plain"}),
        )

    async def _take(
        self, request: web.Request, make: Callable[[], Connection], head: bytes
    ) -> web.StreamResponse:
        self.requests.append(request)
        await self.gate.wait()
        self.requests.clear()

        def bound() -> Connection:
            connection = make()
            self.connections.append(connection)
            self.sessions.append(self.session(connection))
            connection.bind(self.sessions[-1])
            return connection

        try:
            take_over(request, bound, head)
        except BrokerError as error:
            return web.Response(status=error.status, text=str(error))
        await asyncio.sleep(0)
        self.finished += 1
        return TakenOver(status=101)


@asynccontextmanager
async def serving(
    *, send_buffer_bytes: int = 0, tls: ssl.SSLContext | None = None, cancelling: bool = False
) -> AsyncIterator[TakingServer]:
    """
    Run a server for the length of a test.

    Args:
        send_buffer_bytes: What the kernel buffers for one connection; 0 leaves it to the kernel.
        tls: Certificate and key, to speak TLS.
        cancelling: Whether aiohttp cancels handlers whose client has gone.
    """
    server = TakingServer(cancelling=cancelling)
    await server.runner.setup()
    listening = socket.create_server(("127.0.0.1", 0))
    if send_buffer_bytes:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer_bytes)
    server.port = listening.getsockname()[1]
    site = web.SockSite(server.runner, listening, ssl_context=tls)
    await site.start()
    try:
        yield server
    finally:
        for connection in server.connections:
            connection.abort()
        server.wheel.stop()
        await server.runner.cleanup()


class BareClient:
    """
    A client that sends and receives bytes as they are.

    Every wait has a deadline.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._rest = b""

    async def send(self, data: bytes) -> None:
        """Send bytes in one piece."""
        self._writer.write(data)
        async with asyncio.timeout(WAIT_S):
            await self._writer.drain()

    def hang_up(self) -> None:
        """Shut the sending side only."""
        self._writer.write_eof()

    def vanish(self) -> None:
        """Cut the connection."""
        self._writer.transport.abort()

    def pause(self) -> None:
        """Read nothing more from the socket until `resume`."""
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]  # it reads as well

    def resume(self) -> None:
        """Read from the socket again."""
        self._writer.transport.resume_reading()  # type: ignore[attr-defined]  # it reads as well

    async def head(self) -> bytes:
        """Return status line and headers of an answer."""
        async with asyncio.timeout(WAIT_S):
            return await self._reader.readuntil(b"\r\n\r\n")

    async def exactly(self, count: int) -> bytes:
        """Return so many bytes."""
        async with asyncio.timeout(WAIT_S):
            return await self._reader.readexactly(count)

    async def frames(self, count: int) -> list[Frame]:
        """Return so many frames."""
        frames: list[Frame] = []
        async with asyncio.timeout(WAIT_S):
            while len(frames) < count:
                more, self._rest = split_server_frames(self._rest)
                frames += more
                if len(frames) < count:
                    piece = await self._reader.read(65536)
                    assert piece, f"the server closed after {frames}"
                    self._rest += piece
        assert count == len(frames), frames
        return frames

    async def to_the_end(self) -> bytes:
        """Return everything up to the server's close."""
        async with asyncio.timeout(WAIT_S):
            return self._rest + await self._reader.read()

    async def close(self) -> None:
        """Close; nothing is expected any more."""
        self._writer.transport.abort()


@asynccontextmanager
async def connected(
    port: int, *, tls: ssl.SSLContext | None = None, receive_buffer_bytes: int = 0
) -> AsyncIterator[BareClient]:
    """Connect for the length of a block."""
    bare = socket.socket()
    bare.setblocking(False)
    if receive_buffer_bytes:
        bare.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
    async with asyncio.timeout(WAIT_S):
        await asyncio.get_running_loop().sock_connect(bare, ("127.0.0.1", port))
        streams = await asyncio.open_connection(
            sock=bare, ssl=tls, server_hostname="localhost" if tls else None
        )
    client = BareClient(*streams)
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def upgraded(port: int, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[BareClient]:
    """Connect and complete the handshake of a WebSocket."""
    async with connected(port, tls=tls) as client:
        await client.send(UPGRADE)
        head = await client.head()
        assert head.startswith(b"HTTP/1.1 101 "), head
        yield client


def self_signed(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the contexts of a server on localhost and of a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return server, ssl.create_default_context(cafile=str(path))


class Replayer(NotingSession):
    """
    A session that writes pieces as fast as its connection takes them, as cohorts do.

    Args:
        connection: Where to.
        pieces: What to write, in order.
    """

    def __init__(self, connection: Connection, pieces: list[bytes]) -> None:
        super().__init__()
        self._connection = connection
        self._pieces = pieces[::-1]
        self._blocked = False

    def stalled(self) -> None:
        """Write nothing more."""
        super().stalled()
        self._blocked = True

    def drained(self) -> None:
        """Go on."""
        super().drained()
        self._blocked = False
        self.go()

    def go(self) -> None:
        """Write until the connection is full or everything is written."""
        while self._pieces and not self._blocked:
            self._write(self._pieces.pop())

    @property
    def done(self) -> bool:
        """Whether everything was handed to the connection."""
        return not self._pieces

    def _write(self, data: bytes) -> None:
        try:
            sent = os.write(self._connection.fd, data)
        except OSError:
            self._connection.write(data)
        else:
            if sent < len(data):
                self._connection.spill(memoryview(data)[sent:])
