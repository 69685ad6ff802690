"""A relay between clients and a server, which cuts every connection when the test says so."""

from __future__ import annotations

from contextlib import suppress
from types import TracebackType
from typing import Self
import asyncio

PIECE_BYTES = 65536


class Relay:
    """
    Passes connections on to a server; an async context manager.

    Args:
        port: Where the server listens on the loopback interface; it may come and go.

    Attributes:
        port: Where clients connect, once it is entered.
        accepted: How many connections it has taken.
    """

    def __init__(self, port: int) -> None:
        self.port = 0
        self.accepted = 0
        self._behind = port
        self._ends: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[object]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        """URL for clients, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def is_used(self) -> bool:
        """Whether a connection is open."""
        return bool(self._ends)

    def lead_to(self, port: int) -> None:
        """Pass new connections on to another server; open ones stay where they are."""
        self._behind = port

    def cut(self) -> None:
        """Cut every connection at once, on both sides, with a reset."""
        for end in list(self._ends):
            end.transport.abort()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._behind)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, inner_writer}
        self._ends |= ends
        try:
            await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer))
        finally:
            self._ends -= ends
            for end in ends:
                end.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what one side says; its end, however it comes, ends the other."""
    with suppress(OSError):
        while piece := await reader.read(PIECE_BYTES):
            writer.write(piece)
            await writer.drain()
    writer.close()
