"""A proxy that can be told to misbehave: to cut, to swallow answers, to let nothing pass."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit
import asyncio
import re

PIECE_BYTES = 4096
"""Small, so that a cut falls within a frame or an answer."""

READ_BYTES = 2**16

_REQUEST = re.compile(rb"[A-Z]+ (\S+) HTTP/1")
_HTML = b"<html><body>This proxy does not know what you want.</body></html>"


class Front:
    """
    A proxy in front of a listener.

    Args:
        url: Base URL behind it.

    Attributes:
        url: Its own base URL; `behind` can be changed while it stays.
        behind: Base URL behind it.
        blocked: Paths, by their beginning, that are answered with `status` and a page of HTML.
        status: That status.
        deaf: Whether nothing passes any more, either way, while connections stay open.
        swallow: How many more answers are cut off before their first byte.
        cut_after: Bytes towards a client after which its connection is cut; None for never.
        cuts: Connections that were cut on purpose.
        targets: What was asked for so far: paths with their queries.
    """

    def __init__(self, url: str) -> None:
        self.url = ""
        self.behind = url
        self.blocked: tuple[str, ...] = ()
        self.status = 400
        self.deaf = False
        self.swallow = 0
        self.cut_after: int | None = None
        self.cuts = 0
        self.targets: list[str] = []
        self._open: set[asyncio.StreamWriter] = set()
        self._asked = asyncio.Event()

    def cut(self) -> None:
        """Cut every connection at once."""
        for writer in self._open:
            writer.transport.abort()
        self.cuts += len(self._open) // 2
        self._open.clear()

    async def asked(self, count: int) -> None:
        """Wait until so many requests have come."""
        while len(self.targets) < count:
            self._asked.clear()
            await self._asked.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Stand between one client and the listener."""
        parts = urlsplit(self.behind)
        with suppress(OSError):
            inner_reader, inner_writer = await asyncio.open_connection(parts.hostname, parts.port)
            ends = {writer, inner_writer}
            self._open |= ends
            answering = asyncio.create_task(self._answer(inner_reader, writer))
            try:
                await self._ask(reader, inner_writer, writer)
            finally:
                answering.cancel()
                for end in ends & self._open:
                    end.close()
                self._open -= ends
        writer.close()

    async def _ask(
        self,
        reader: asyncio.StreamReader,
        inner_writer: asyncio.StreamWriter,
        writer: asyncio.StreamWriter,
    ) -> None:
        with suppress(OSError):
            while piece := await reader.read(READ_BYTES):
                # Clients under test write a request's head at once.
                request = _REQUEST.match(piece)
                if request is not None:
                    self.targets.append(request[1].decode())
                    self._asked.set()
                    if self.targets[-1].startswith(self.blocked or "\0"):
                        writer.write(self._page())
                        return
                if not self.deaf:
                    inner_writer.write(piece)
                    await inner_writer.drain()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sent = 0
        with suppress(OSError):
            while piece := await reader.read(PIECE_BYTES):
                if self.deaf:
                    continue
                if self.swallow:
                    self.swallow -= 1
                    piece = b""
                elif self.cut_after is None or sent + len(piece) < self.cut_after:
                    sent += len(piece)
                    writer.write(piece)
                    await writer.drain()
                    continue
                else:
                    piece = piece[: max(0, self.cut_after - sent)]
                self.cuts += 1
                writer.write(piece)
                break
        writer.close()

    def _page(self) -> bytes:
        return (
            b"HTTP/1.1 %d Whatever\r\nContent-Type: text/html\r\nContent-Length: %d\r\n"
            b"Connection: close\r\n\r\n%b" % (self.status, len(_HTML), _HTML)
        )


@asynccontextmanager
async def front(url: str) -> AsyncIterator[Front]:
    """Run a proxy in front of a listener for the length of a block."""
    made = Front(url)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        server.close()
        made.cut()
