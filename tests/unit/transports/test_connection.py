"""The connection: where bytes go, what its session hears, and how it ends."""

from __future__ import annotations

from collections.abc import Iterator
import asyncio
import sys

import pytest

from broker.core.cursor import Cursor
from broker.core.errors import BrokerError, Draining
from broker.transports.connection import NO_FD, Connection, ConnectionLimits
from broker.wheel import Wheel
from tests.support.transport import PIPE_BYTES, MemoryTransport, NotingSession, Pipe, pipe

pytestmark = pytest.mark.jumping

CURSOR = Cursor(1_447_516_314, 21)
CLOSE_TIMEOUT_S = 5.0


class PlainConnection(Connection):
    """A connection whose goodbye is one word."""

    __slots__ = ("wait",)

    wait: bool

    def _say_goodbye(
        self, error: BrokerError | None, cursor: Cursor, retry_after_s: float | None
    ) -> None:
        self._finish(b"bye", wait=self.wait)


class Scene:
    """
    A connection between its session and its transport.

    Args:
        transport: What it writes to.
    """

    def __init__(self, transport: MemoryTransport) -> None:
        self.transport = transport
        self.session = NotingSession()
        self.wheel = Wheel(asyncio.get_running_loop())
        self.connection = PlainConnection(self.wheel, ConnectionLimits(CLOSE_TIMEOUT_S))
        self.connection.wait = False
        transport.protocol = self.connection

    def begin(self) -> PlainConnection:
        """Give the connection its transport and session."""
        self.connection.connection_made(self.transport)
        self.connection.bind(self.session)
        return self.connection


@pytest.fixture
def socket() -> Iterator[Pipe]:
    """Give a descriptor of one page."""
    with pipe() as pair:
        yield pair


@pytest.fixture
async def plain(socket: Pipe) -> Scene:
    """Set a connection on a descriptor."""
    return Scene(MemoryTransport(socket))


@pytest.fixture
async def tls() -> Scene:
    """Set a connection on an encrypted transport."""
    return Scene(MemoryTransport(tls=True))


# --- writing -------------------------------------------------------------------------------------


async def test_writes_go_straight_to_the_descriptor(plain: Scene, socket: Pipe) -> None:
    """What the kernel takes at once never touches the transport."""
    connection = plain.begin()

    assert connection.fd == socket.writer
    assert connection.write(b"one")
    assert connection.write(b"two")
    assert b"onetwo" == socket.read()
    assert [] == plain.session.heard


async def test_a_short_write_leaves_its_rest_to_the_transport(plain: Scene, socket: Pipe) -> None:
    """The rest of a short write is buffered, and what follows stands behind it."""
    connection = plain.begin()
    data = bytes(at % 251 for at in range(PIPE_BYTES + 100))

    assert not connection.write(data)
    assert ["stalled"] == plain.session.heard
    assert not connection.write(b"later")
    assert data == socket.read() + plain.transport.held.removesuffix(b"later")

    plain.transport.take(1000)
    assert ["stalled", "drained"] == plain.session.heard
    assert connection.write(b"direct again")
    assert b"direct again" == socket.read()


async def test_a_full_kernel_buffers_everything(plain: Scene, socket: Pipe) -> None:
    """A write that finds no room at all goes to the transport as a whole."""
    connection = plain.begin()
    assert connection.write(bytes(PIPE_BYTES))

    assert not connection.write(b"behind")
    assert b"behind" == plain.transport.held


async def test_spill_stalls_the_session(plain: Scene) -> None:
    """What a direct write left over is buffered, and the session is told."""
    connection = plain.begin()

    connection.spill(memoryview(b"the rest")[4:])

    assert b"rest" == plain.transport.held
    assert ["stalled"] == plain.session.heard


async def test_spill_that_leaves_at_once_stalls_nobody(plain: Scene) -> None:
    """When the kernel has room again by the time of the spill, the session hears nothing."""
    connection = plain.begin()
    plain.transport.room = 100

    connection.spill(b"rest")

    assert b"rest" == plain.transport.sent
    assert [] == plain.session.heard


async def test_a_broken_socket_raises_nothing(plain: Scene, socket: Pipe) -> None:
    """Writing to a socket whose peer is gone cuts the connection and returns."""
    connection = plain.begin()
    socket.hang_up()

    assert not connection.write(b"anyone?")
    assert "aborted" == plain.transport.state
    assert NO_FD == connection.fd
    assert not connection.write(b"still there?")
    assert [] == plain.session.heard

    connection.connection_lost(BrokenPipeError())
    assert ["lost"] == plain.session.heard


async def test_tls_has_no_descriptor(tls: Scene) -> None:
    """Encrypted bytes always go through the transport, which tells when it is full."""
    connection = tls.begin()
    tls.transport.room = 4

    assert NO_FD == connection.fd
    assert connection.write(b"four")
    assert not connection.write(b"five!")
    assert (b"four", b"five!") == (tls.transport.sent, tls.transport.held)
    assert ["stalled"] == tls.session.heard


async def test_bytes_of_an_earlier_answer_come_first(socket: Pipe) -> None:
    """A transport that still holds bytes when it is taken on keeps its order."""
    scene = Scene(MemoryTransport(socket, held=b"earlier, "))
    scene.connection.bind(scene.session)

    connection = scene.connection
    connection.connection_made(scene.transport)

    assert ["stalled"] == scene.session.heard
    assert not connection.write(b"later")
    assert b"" == socket.read()
    assert b"earlier, later" == scene.transport.held


# --- the session ---------------------------------------------------------------------------------


async def test_lost_is_told_once(plain: Scene) -> None:
    """Half-close, loss and cut together tell the session once."""
    connection = plain.begin()

    connection.eof_received()
    assert ["lost"] == plain.session.heard
    connection.abort()
    connection.connection_lost(None)
    assert ["lost"] == plain.session.heard
    assert connection.session is None


async def test_a_session_that_comes_too_late_is_lost_at_once(plain: Scene) -> None:
    """Binding to a connection that is over tells the session so."""
    plain.connection.connection_made(plain.transport)
    plain.connection.connection_lost(None)

    plain.connection.bind(plain.session)

    assert ["lost"] == plain.session.heard
    assert plain.connection.session is None


async def test_a_session_of_a_full_connection_waits(socket: Pipe) -> None:
    """Binding to a connection that holds bytes tells the session so."""
    scene = Scene(MemoryTransport(socket, held=b"earlier"))

    scene.begin()

    assert ["stalled"] == scene.session.heard


async def test_without_a_session_nobody_is_told(plain: Scene) -> None:
    """Stalls, drains and the loss of a connection without a session go by."""
    connection = plain.connection
    connection.connection_made(plain.transport)

    connection.spill(b"x")
    plain.transport.take(1)
    connection.connection_lost(None)

    assert connection.ending


async def test_a_connection_is_small() -> None:
    """A connection has no dictionary and stays within 150 bytes, whatever else it refers to."""
    connection = PlainConnection(Wheel(asyncio.get_running_loop()), ConnectionLimits())

    assert not hasattr(connection, "__dict__")
    assert sys.getsizeof(connection) <= 150


# --- the end -------------------------------------------------------------------------------------


async def test_the_goodbye_comes_after_what_is_buffered(plain: Scene) -> None:
    """What was written before the end leaves before the goodbye, then the transport closes."""
    connection = plain.begin()
    connection.spill(b"rest, ")

    connection.end(Draining("stopping"), CURSOR, 20)

    assert b"rest, bye" == plain.transport.held
    assert "closed" == plain.transport.state
    assert NO_FD == connection.fd


async def test_nothing_follows_the_goodbye(plain: Scene, socket: Pipe) -> None:
    """After the end, writes and further ends are dropped, and draining tells nobody."""
    connection = plain.begin()
    connection.spill(b"rest, ")
    connection.end(None, CURSOR, None)

    connection.end(None, CURSOR, None)
    connection.spill(b"x")
    assert not connection.write(b"y")
    plain.transport.take(100)

    assert (b"rest, bye", b"") == (plain.transport.sent, plain.transport.held)
    assert b"" == socket.read()
    assert ["stalled"] == plain.session.heard


async def test_an_end_that_is_not_taken_is_cut(plain: Scene) -> None:
    """A peer that takes nothing of the rest is cut at the deadline, not before."""
    connection = plain.begin()
    connection.spill(b"rest")

    connection.end(None, CURSOR, None)

    await asyncio.sleep(CLOSE_TIMEOUT_S - 0.5)
    assert "closed" == plain.transport.state
    await asyncio.sleep(1)
    assert "aborted" == plain.transport.state


async def test_an_end_can_wait_for_the_client(plain: Scene, socket: Pipe) -> None:
    """When the client has the next word, only the deadline closes."""
    connection = plain.begin()
    connection.wait = True

    connection.end(None, CURSOR, None)

    assert b"bye" == socket.read()
    assert "open" == plain.transport.state
    await asyncio.sleep(CLOSE_TIMEOUT_S + 0.5)
    assert "aborted" == plain.transport.state


async def test_the_deadline_leaves_a_connection_that_is_gone(plain: Scene) -> None:
    """A connection that ended in time is not touched by its deadline."""
    connection = plain.begin()
    connection.end(None, CURSOR, None)
    connection.connection_lost(None)

    await asyncio.sleep(2 * CLOSE_TIMEOUT_S)

    assert "closed" == plain.transport.state


async def test_a_half_close_is_a_goodbye(plain: Scene) -> None:
    """A client that shuts its side is gone; what is buffered has until the deadline."""
    connection = plain.begin()
    connection.spill(b"rest")

    connection.eof_received()

    assert ["stalled", "lost"] == plain.session.heard
    assert "closed" == plain.transport.state
    await asyncio.sleep(CLOSE_TIMEOUT_S + 0.5)
    assert "aborted" == plain.transport.state


async def test_a_half_close_after_the_goodbye_says_nothing_more(plain: Scene, socket: Pipe) -> None:
    """A client that hangs up when it is told to hears nothing else."""
    connection = plain.begin()
    connection.wait = True
    connection.end(None, CURSOR, None)

    connection.eof_received()

    assert b"bye" == socket.read()
    assert ["lost"] == plain.session.heard


async def test_the_end_of_a_broken_socket_is_quiet(plain: Scene, socket: Pipe) -> None:
    """Saying goodbye to a peer that is gone cuts the connection and returns."""
    connection = plain.begin()
    socket.hang_up()

    connection.end(None, CURSOR, None)

    assert "aborted" == plain.transport.state
