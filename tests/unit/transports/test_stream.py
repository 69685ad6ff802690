"""Streamed answers: head, chunks, the end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
import asyncio

from aiohttp import HttpVersion10, HttpVersion11
import pytest

from broker.core.cursor import Cursor
from broker.core.errors import BrokerError, Draining
from broker.transports.stream import (
    Goodbye,
    StreamConnection,
    StreamLimits,
    chunk,
    is_chunked,
    stream_head,
)
from broker.wheel import Wheel
from tests.support.transport import MemoryTransport, NotingSession, Pipe, pipe

pytestmark = pytest.mark.jumping

CURSOR = Cursor(1_447_516_314, 21)
HEADERS: Mapping[str, str] = {"Content-Type": "text/event-stream"}


class Scene:
    """
    A stream between its session and a client in memory.

    Args:
        socket: Descriptor that it writes to.
        chunked: Whether the body is chunked.
        goodbye: The last words.
    """

    def __init__(self, socket: Pipe, *, chunked: bool, goodbye: Goodbye | None = None) -> None:
        self.socket = socket
        self.transport = MemoryTransport(socket)
        self.session = NotingSession()
        self.connection = StreamConnection(
            Wheel(asyncio.get_running_loop()),
            StreamLimits(max_ignored_bytes=10),
            chunked=chunked,
            goodbye=goodbye,
        )
        self.transport.protocol = self.connection
        self.connection.connection_made(self.transport)
        self.connection.bind(self.session)


@pytest.fixture
async def socket() -> AsyncIterator[Pipe]:
    """Give a descriptor of one page."""
    with pipe() as pair:
        yield pair


def words(error: BrokerError | None, cursor: Cursor, retry_after_s: float | None) -> bytes:
    """Say what was handed over."""
    return f"{error} {cursor} {retry_after_s}".encode()


def test_a_current_client_gets_chunks() -> None:
    """HTTP/1.1 reads a chunked body on a connection that closes behind it."""
    assert is_chunked(HttpVersion11)
    assert (
        b"HTTP/1.1 200 OK\r\n"
        b"Connection: close\r\n"
        b"Transfer-Encoding: chunked\r\n"
        b"Content-Type: text/event-stream\r\n"
        b"\r\n"
    ) == stream_head(HttpVersion11, HEADERS)


def test_an_old_client_reads_to_the_end() -> None:
    """HTTP/1.0 knows no chunks."""
    assert not is_chunked(HttpVersion10)
    assert (
        b"HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Type: text/event-stream\r\n\r\n"
    ) == stream_head(HttpVersion10, HEADERS, HTTPStatus.UNAUTHORIZED)


def test_a_chunk_has_its_length_in_front() -> None:
    """Chunks carry their size in hexadecimal; nothing makes no chunk, which would be the last."""
    assert b"1a\r\n" + bytes(26) + b"\r\n" == chunk(bytes(26))
    assert b"" == chunk(b"")


@pytest.mark.parametrize(
    ("chunked", "goodbye", "expected"),
    [
        (True, None, b"0\r\n\r\n"),
        (True, words, b"17\r\nNone 1447516314-21 None\r\n0\r\n\r\n"),
        (False, None, b""),
        (False, words, b"None 1447516314-21 None"),
    ],
)
async def test_the_end_of_a_body(
    socket: Pipe, chunked: bool, goodbye: Goodbye | None, expected: bytes
) -> None:
    """The last words come in the framing of the body, then the last chunk, then the close."""
    scene = Scene(socket, chunked=chunked, goodbye=goodbye)

    scene.connection.end(None, CURSOR, None)

    assert expected == socket.read()
    assert "closed" == scene.transport.state


async def test_the_last_words_know_why(socket: Pipe) -> None:
    """Error, cursor and wait reach the dialect."""
    scene = Scene(socket, chunked=False, goodbye=words)

    scene.connection.end(Draining("stopping"), CURSOR, 20.5)

    assert b"stopping 1447516314-21 20.5" == socket.read()


async def test_a_client_that_talks_is_cut(socket: Pipe) -> None:
    """A little after the request is dropped; more is not."""
    scene = Scene(socket, chunked=True)

    scene.connection.data_received(b"\r\n" * 5)
    assert "open" == scene.transport.state
    scene.connection.data_received(b"G")

    assert "aborted" == scene.transport.state
    assert ["lost"] == scene.session.heard
    assert b"" == socket.read()
