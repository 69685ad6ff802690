"""A TLS front: what a proxy does that ends encryption before the broker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit
import asyncio
import ssl

from tests.support.taken import self_signed

PIECE_BYTES = 65536


@asynccontextmanager
async def tls_front(url: str, folder: Path) -> AsyncIterator[tuple[str, ssl.SSLContext]]:
    """
    Encrypt connections to a plain URL, for the length of a block.

    Args:
        url: Base URL behind it.
        folder: Where its certificate is kept.

    Returns:
        Base URL of the front, and what a client of it trusts.
    """
    certificate, trust = self_signed(folder)
    parts = urlsplit(url)
    open_ends: set[asyncio.StreamWriter] = set()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection(parts.hostname, parts.port)
        open_ends.update((writer, inner_writer))
        await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer))

    server = await asyncio.start_server(relay, "127.0.0.1", 0, ssl=certificate)
    try:
        port = server.sockets[0].getsockname()[1]
        yield f"https://localhost:{port}", trust
    finally:
        server.close()
        for writer in open_ends:
            writer.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await reader.read(PIECE_BYTES):
            writer.write(piece)
            await writer.drain()
    writer.close()
