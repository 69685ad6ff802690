"""The WebSocket: answers, refusals, pings and goodbyes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
import asyncio
import json

import pytest

from broker.core.cursor import Cursor
from broker.core.errors import ChannelForbidden, Draining, TokenExpired
from broker.core.frames import text_frame
from broker.transports.websocket import WebSocketConnection, WebSocketLimits, farewell
from broker.wheel import Wheel
from tests.support.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Frame,
    client_frame,
    close_payload,
    split_server_frames,
)
from tests.support.transport import PIPE_BYTES, MemoryTransport, NotingSession, Pipe, pipe

pytestmark = pytest.mark.jumping

CURSOR = Cursor(1_447_516_314, 21)
LIMITS = WebSocketLimits(
    close_timeout_s=5, ping_s=25, max_frame_bytes=100, max_message_bytes=150, max_owed_bytes=64
)


class Scene:
    """
    A WebSocket between its session, its wheel and a client in memory.

    Args:
        socket: Descriptor that it writes to.
    """

    def __init__(self, socket: Pipe) -> None:
        self.socket = socket
        self.transport = MemoryTransport(socket)
        self.session = NotingSession()
        self.texts: list[bytes] = []
        self.connection = WebSocketConnection(
            Wheel(asyncio.get_running_loop()), LIMITS, lambda _, text: self.texts.append(text)
        )
        self.transport.protocol = self.connection
        self.connection.connection_made(self.transport)
        self.connection.bind(self.session)

    @property
    def reading(self) -> bool:
        """Whether the connection owns a reader."""
        return self.connection._reader is not None

    def says(self, opcode: int, payload: bytes = b"", **how: Any) -> None:
        """Receive a frame of the client."""
        self.connection.data_received(client_frame(opcode, payload, **how))

    def hears(self) -> list[Frame]:
        """Return the frames that reached the client since the last call."""
        frames, rest = split_server_frames(self.socket.read())
        assert b"" == rest
        return frames

    def stall(self) -> None:
        """Let the client stop reading: the descriptor is full, and a byte is buffered."""
        self.connection.write(bytes(PIPE_BYTES + 1))

    async def hears_ping(self) -> None:
        """Let an interval pass, and with it a ping come."""
        await asyncio.sleep(LIMITS.ping_s)
        assert [Frame(PING, b"")] == self.hears()


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    """Set a WebSocket that is open and has said nothing; its interval ends just before ours."""
    with pipe() as socket:
        scene = Scene(socket)
        await asyncio.sleep(1)
        yield scene


def refusal(frames: list[Frame]) -> int:
    """Return the code of the one close frame that was sent."""
    assert [CLOSE] == [frame.opcode for frame in frames]
    return frames[0].code


# --- what the client says ------------------------------------------------------------------------


async def test_answers_a_ping_with_its_payload(scene: Scene) -> None:
    """Each ping is answered with its own payload, in order."""
    scene.connection.data_received(client_frame(PING, b"1") + client_frame(PING, b"22"))

    assert [Frame(PONG, b"1"), Frame(PONG, b"22")] == scene.hears()


async def test_takes_messages_without_a_word(scene: Scene) -> None:
    """Texts reach the hook; binaries and pongs are dropped; nothing is answered."""
    scene.says(TEXT, b"hel", final=False)
    scene.says(CONTINUATION, b"lo")
    scene.says(BINARY, b"\xff")
    scene.says(PONG, b"unasked")

    assert [b"hello"] == scene.texts
    assert [] == scene.hears()
    assert [] == scene.session.heard


async def test_without_a_hook_texts_are_dropped() -> None:
    """A WebSocket that expects nothing of its client drops what it says."""
    with pipe() as socket:
        connection = WebSocketConnection(Wheel(asyncio.get_running_loop()), LIMITS)
        connection.connection_made(MemoryTransport(socket))
        connection.data_received(client_frame(TEXT, b"hello") + client_frame(PING, b"1"))

        assert ([Frame(PONG, b"1")], b"") == split_server_frames(socket.read())


async def test_owns_no_reader_while_idle(scene: Scene) -> None:
    """A reader exists only while a message is under way."""
    reading = [scene.reading]
    scene.says(TEXT, b"half", final=False)
    reading.append(scene.reading)
    scene.says(CONTINUATION, b"whole")
    reading.append(scene.reading)

    assert [False, True, False] == reading


@pytest.mark.parametrize("code", [1000, 1001, 3000, 4999])
async def test_answers_a_close_frame_with_its_code(scene: Scene, code: int) -> None:
    """The client's code comes back, the session is told, and the connection closes."""
    scene.says(CLOSE, close_payload(code, b"bye"))

    assert [Frame(CLOSE, close_payload(code))] == scene.hears()
    assert ["lost"] == scene.session.heard
    assert "closed" == scene.transport.state


async def test_answers_an_empty_close_frame_with_an_empty_one(scene: Scene) -> None:
    """A close frame without a code is answered without one."""
    scene.says(CLOSE)

    assert [Frame(CLOSE, b"")] == scene.hears()


async def test_says_nothing_after_its_close_frame(scene: Scene) -> None:
    """Pings and writes after the close frames are dropped."""
    scene.connection.data_received(
        client_frame(CLOSE, close_payload(1000)) + client_frame(PING) + client_frame(TEXT, b"x")
    )
    scene.connection.write(text_frame(b"late"))

    assert 1000 == refusal(scene.hears())
    assert [] == scene.texts


REFUSED = {
    "not masked": (client_frame(TEXT, b"x", key=None), 1002),
    "reserved bit": (client_frame(TEXT, b"x", reserved=4), 1002),
    "bad close code": (client_frame(CLOSE, close_payload(1006)), 1002),
    "bad text": (client_frame(TEXT, b"\xff"), 1007),
    "large frame": (client_frame(TEXT, bytes(101)), 1009),
    "large message": (
        client_frame(TEXT, bytes(99), final=False) + client_frame(CONTINUATION, bytes(99)),
        1009,
    ),
}


@pytest.mark.parametrize(("data", "code"), REFUSED.values(), ids=REFUSED.keys())
async def test_refuses_what_breaks_the_protocol(scene: Scene, data: bytes, code: int) -> None:
    """A broken rule gets its code and its reason; what follows is not read."""
    scene.connection.data_received(data)
    scene.connection.data_received(client_frame(PING))

    (frame,) = scene.hears()
    assert code == frame.code
    assert frame.reason
    assert ["lost"] == scene.session.heard


async def test_nothing_is_read_after_a_refusal(scene: Scene) -> None:
    """Not even a close frame is read from a client that failed (RFC 6455, section 7.1.7)."""
    scene.says(TEXT, b"\xff")
    scene.says(CLOSE, close_payload(1007))

    assert "open" == scene.transport.state


async def test_a_refused_client_may_hang_up(scene: Scene) -> None:
    """After a refusal the client has time to read why; then it is cut."""
    scene.says(TEXT, b"\xff")
    assert "open" == scene.transport.state

    await asyncio.sleep(LIMITS.close_timeout_s + 0.5)
    assert "aborted" == scene.transport.state


async def test_pings_of_a_client_that_does_not_read_are_bounded(scene: Scene) -> None:
    """Answers queue behind what is buffered up to a limit, then the client is cut with 1008."""
    scene.stall()
    while not scene.connection.ending:
        scene.says(PING, b"0123456789")

    assert ["stalled", "lost"] == scene.session.heard
    frames, rest = split_server_frames(scene.transport.held[1:])
    assert b"" == rest
    assert [PONG] * 5 + [CLOSE] == [frame.opcode for frame in frames]
    assert 1008 == frames[-1].code


async def test_a_client_that_reads_may_ping_for_ever(scene: Scene) -> None:
    """What is owed counts from the last time that the buffer was empty."""
    for _ in range(10):
        scene.stall()
        scene.says(PING, b"0123456789")
        scene.socket.read()
        scene.transport.take(100)

    assert not scene.connection.ending
    assert ["stalled", "drained"] * 10 == scene.session.heard


async def test_a_pong_that_does_not_fit_stalls_the_session(scene: Scene) -> None:
    """A control frame that has to wait keeps the session from writing before it."""
    scene.connection.write(bytes(PIPE_BYTES))
    assert [] == scene.session.heard

    scene.says(PING, b"?")

    assert ["stalled"] == scene.session.heard
    assert ([Frame(PONG, b"?")], b"") == split_server_frames(scene.transport.held)


# --- silence -------------------------------------------------------------------------------------


async def test_pings_a_silent_client(scene: Scene) -> None:
    """A client that says nothing is pinged at the interval, again and again if it answers."""
    for _ in range(5):
        await scene.hears_ping()
        scene.says(PONG)

    assert not scene.connection.ending


async def test_leaves_a_client_alone_that_speaks(scene: Scene) -> None:
    """Where the client speaks by itself, no ping is sent."""
    for _ in range(10):
        await asyncio.sleep(LIMITS.ping_s / 2)
        scene.says(TEXT, b"still here")

    assert [] == scene.hears()


async def test_closes_on_a_client_that_answers_no_ping(scene: Scene) -> None:
    """Two pings without an answer, and the third visit closes with 1008."""
    await scene.hears_ping()
    await scene.hears_ping()
    assert [] == scene.session.heard

    await asyncio.sleep(LIMITS.ping_s)

    assert 1008 == refusal(scene.hears())
    assert ["lost"] == scene.session.heard


async def test_any_byte_is_a_sign_of_life(scene: Scene) -> None:
    """Half a frame answers a ping as well as a pong does."""
    await scene.hears_ping()
    await scene.hears_ping()
    scene.connection.data_received(client_frame(PONG)[:1])

    await scene.hears_ping()
    assert not scene.connection.ending


async def test_a_slow_reader_is_left_alone(scene: Scene) -> None:
    """A client that takes a byte of what is buffered in an interval is alive, and not pinged."""
    scene.connection.spill(bytes(100))

    for _ in range(6):
        scene.transport.take(1)
        await asyncio.sleep(LIMITS.ping_s)

    assert not scene.connection.ending
    assert [] == scene.hears()


async def test_a_reader_that_keeps_up_just_so_is_left_alone(scene: Scene) -> None:
    """A client that takes everything, and is behind again at each visit, is alive."""
    for _ in range(6):
        scene.connection.spill(bytes(100))
        await asyncio.sleep(LIMITS.ping_s)
        scene.transport.take(100)

    assert not scene.connection.ending


async def test_closes_on_a_client_that_takes_nothing(scene: Scene) -> None:
    """A client that takes nothing of what is buffered for as long as two pings is cut."""
    scene.connection.spill(bytes(100))

    await asyncio.sleep(3 * LIMITS.ping_s)
    assert ["stalled", "lost"] == scene.session.heard
    await asyncio.sleep(LIMITS.close_timeout_s + 0.5)
    assert "aborted" == scene.transport.state


async def test_a_lost_connection_leaves_the_wheel(scene: Scene) -> None:
    """The wheel drops a connection that is gone at its next visit; till then it holds nothing."""
    scene.says(TEXT, b"half a message", final=False)

    scene.connection.connection_lost(None)

    assert not scene.reading
    assert scene.connection.due(asyncio.get_running_loop().time()) is None


# --- goodbye -------------------------------------------------------------------------------------


async def test_an_end_waits_for_the_answer_of_the_client(scene: Scene) -> None:
    """The close frame goes out; the client's answer closes the connection."""
    scene.connection.end(Draining("this node is about to stop"), CURSOR, 22.4)

    (frame,) = scene.hears()
    assert 3503 == frame.code
    assert {"cursor": "1447516314-21", "retry_after": 23} == json.loads(frame.reason)
    assert "open" == scene.transport.state

    scene.says(PING, b"too late")
    scene.says(TEXT, b"too late")
    scene.says(CLOSE, close_payload(3503))
    assert "closed" == scene.transport.state
    assert [] == scene.hears()
    assert [] == scene.texts


async def test_bytes_that_come_after_the_loss_are_dropped(scene: Scene) -> None:
    """A close frame that is read when the connection is gone already changes nothing."""
    scene.connection.connection_lost(None)

    scene.says(CLOSE, close_payload(1000))

    assert [] == scene.hears()
    assert ["lost"] == scene.session.heard


async def test_an_end_that_is_not_answered_is_cut(scene: Scene) -> None:
    """A client that does not answer the close frame is cut at the deadline."""
    scene.connection.end(None, CURSOR, None)

    await asyncio.sleep(LIMITS.close_timeout_s + 0.5)
    assert "aborted" == scene.transport.state


def test_a_goodbye_without_an_error_is_ordinary() -> None:
    """An end that nobody is to blame for closes with 1000 and the cursor."""
    frames, _ = split_server_frames(farewell(None, CURSOR, None))

    assert 1000 == refusal(frames)
    assert {"cursor": "1447516314-21"} == json.loads(frames[0].reason)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (TokenExpired("the token has expired"), 401, 3401),
        (ChannelForbidden("no channel is allowed"), 403, 3403),
    ],
)
def test_d43_a_refused_token_is_told_in_a_frame_with_the_cursor(
    error: TokenExpired | ChannelForbidden, status: int, code: int
) -> None:
    """The error frame carries tag and time, for a client that keeps those of every frame."""
    (told, goodbye), rest = split_server_frames(farewell(error, CURSOR, None))

    assert b"" == rest
    assert TEXT == told.opcode
    assert {
        "error": {"status": status, "message": str(error)},
        "tag": "21",
        "time": "Sat, 14 Nov 2015 15:51:54 GMT",
    } == json.loads(told.payload)
    assert code == goodbye.code
    assert {"cursor": "1447516314-21"} == json.loads(goodbye.reason)


def test_the_longest_goodbye_fits() -> None:
    """The greatest cursor and the longest wait stay within a close frame, unbroken."""
    goodbye = farewell(Draining("x"), Cursor(253_402_300_799, 10**18 - 1), 10**9)

    (frame,), _ = split_server_frames(goodbye)
    assert {"cursor": "253402300799-" + "9" * 18, "retry_after": 10**9} == json.loads(frame.reason)
