"""WebSockets on real sockets: what a client on a bare socket sees of our connection."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
import asyncio
import json
import ssl

import pytest
import websockets

from broker.core.cursor import Cursor
from broker.core.errors import Draining
from broker.core.frames import text_frame
from broker.transports.connection import NO_FD, Connection
from broker.transports.websocket import WebSocketLimits
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
)
from tests.support.taken import (
    UPGRADE,
    WAIT_S,
    Replayer,
    TakingServer,
    connected,
    self_signed,
    serving,
    upgraded,
)
from tests.support.waiting import eventually

CURSOR = Cursor(1_447_516_314, 21)


@pytest.fixture
async def server() -> AsyncIterator[TakingServer]:
    """Serve over plain TCP."""
    async with serving() as running:
        yield running


async def test_frames_in_the_segment_of_the_handshake_are_read(server: TakingServer) -> None:
    """What a hasty client sends behind its request is read first, and in order."""
    async with connected(server.port) as client:
        await client.send(UPGRADE + client_frame(TEXT, b"hasty") + client_frame(PING, b"1")[:3])
        await client.head()
        await client.send(client_frame(PING, b"1")[3:])

        assert [Frame(PONG, b"1")] == await client.frames(1)
        assert [b"hasty"] == server.texts


async def test_a_close_frame_in_the_segment_of_the_handshake(server: TakingServer) -> None:
    """A client that greets and leaves in one breath gets both answers."""
    async with connected(server.port) as client:
        await client.send(UPGRADE + client_frame(CLOSE, close_payload(1000)))
        await client.head()

        assert b"\x88\x02\x03\xe8" == await client.to_the_end()
        await eventually(lambda: server.sessions[0].heard == ["lost"])


async def test_control_frames_come_between_fragments(server: TakingServer) -> None:
    """Pings within a fragmented message are answered at once, and the message is whole."""
    async with upgraded(server.port) as client:
        await client.send(client_frame(TEXT, b"one ", final=False))
        await client.send(client_frame(PING, b"a"))
        assert [Frame(PONG, b"a")] == await client.frames(1)
        await client.send(client_frame(CONTINUATION, b"two ", final=False))
        await client.send(client_frame(PING, b"b") + client_frame(CONTINUATION, b"three"))

        assert [Frame(PONG, b"b")] == await client.frames(1)
        await eventually(lambda: server.texts == [b"one two three"])


async def test_a_frame_may_come_byte_by_byte(server: TakingServer) -> None:
    """Each byte in a segment of its own makes the same frame."""
    async with upgraded(server.port) as client:
        for byte in client_frame(TEXT, b"slow") + client_frame(PING, b"!"):
            await client.send(bytes((byte,)))

        assert [Frame(PONG, b"!")] == await client.frames(1)
        assert [b"slow"] == server.texts


@pytest.mark.parametrize("code", [1000, 1001, 3000])
async def test_a_close_code_comes_back(server: TakingServer, code: int) -> None:
    """The client's code is answered with the same, and the server closes."""
    async with upgraded(server.port) as client:
        await client.send(client_frame(CLOSE, close_payload(code, b"bye")))

        assert close_payload(code) == (await client.frames(1))[0].payload
        assert b"" == await client.to_the_end()
        await eventually(lambda: server.connections[0].ending)
        assert ["lost"] == server.sessions[0].heard


REFUSED = {
    "not masked": (client_frame(TEXT, b"x", key=None), 1002),
    "large frame": (client_frame(BINARY, bytes(1001)), 1009),
    "large message": (
        client_frame(BINARY, bytes(1000), final=False)
        + client_frame(CONTINUATION, bytes(1000), final=False)
        + client_frame(CONTINUATION, b"x"),
        1009,
    ),
    "bad text": (client_frame(TEXT, b"\xc0\xaf"), 1007),
    "bad close code": (client_frame(CLOSE, close_payload(1005)), 1002),
    "bad close reason": (client_frame(CLOSE, close_payload(1000, b"\xff")), 1007),
}


@pytest.mark.parametrize(("data", "code"), REFUSED.values(), ids=REFUSED.keys())
async def test_a_broken_rule_is_told_and_closes(
    server: TakingServer, data: bytes, code: int
) -> None:
    """The code reaches the client even while it goes on sending, then the server hangs up."""
    async with upgraded(server.port) as client:
        await client.send(data + b"more" * 1000)

        assert code == (await client.frames(1))[0].code
        assert b"" == await client.to_the_end()
        assert ["lost"] == server.sessions[0].heard


async def test_a_half_close_ends_the_connection(server: TakingServer) -> None:
    """A client that shuts its sending side is gone."""
    async with upgraded(server.port) as client:
        client.hang_up()

        assert b"" == await client.to_the_end()
        await eventually(lambda: server.sessions[0].heard == ["lost"])


async def test_a_cut_is_noticed(server: TakingServer) -> None:
    """A client that vanishes is lost, once."""
    async with upgraded(server.port) as client:
        client.vanish()

        await eventually(lambda: server.sessions[0].heard == ["lost"])
        await eventually(lambda: server.connections[0].fd == NO_FD)


async def test_writing_to_a_client_that_vanished(server: TakingServer) -> None:
    """Writes on a dead socket raise nothing, and the session hears of the loss."""
    async with upgraded(server.port) as client:
        connection = server.connections[0]
        client.vanish()
        for _ in range(100):
            connection.write(text_frame(b"x" * 1000))

        await eventually(lambda: server.sessions[0].heard[-1:] == ["lost"])
        assert not connection.write(b"x")


async def test_a_drain_says_goodbye(server: TakingServer) -> None:
    """The client gets code and cursor; its answer ends the connection."""
    async with upgraded(server.port) as client:
        server.connections[0].end(Draining("this node is about to stop"), CURSOR, 20)

        (frame,) = await client.frames(1)
        assert (CLOSE, 3503) == (frame.opcode, frame.code)
        assert {"cursor": "1447516314-21", "retry_after": 20} == json.loads(frame.reason)
        await client.send(client_frame(CLOSE, close_payload(3503)))
        assert b"" == await client.to_the_end()


async def test_an_unanswered_goodbye_ends_in_time(server: TakingServer) -> None:
    """A client that ignores the close frame is cut at the deadline."""
    async with upgraded(server.port) as client:
        server.connections[0].end(None, CURSOR, None)
        await client.frames(1)

        assert b"" == await client.to_the_end()
        await eventually(lambda: server.sessions[0].heard == ["lost"])


async def test_speaks_with_another_implementation(server: TakingServer) -> None:
    """A client of the `websockets` library pings, reads and closes as it is used to."""
    async with websockets.connect(f"ws://127.0.0.1:{server.port}/ws") as client:
        await asyncio.wait_for(await client.ping(b"there?"), WAIT_S)
        server.connections[0].write(text_frame("gr\u00fc\u00dfe".encode()))
        assert "gr\u00fc\u00dfe" == await asyncio.wait_for(client.recv(), WAIT_S)
        await client.send("x" * 500)
        await client.close(3000, "done")

    assert 3000 == client.close_code
    assert [b"x" * 500] == server.texts


# --- slow readers --------------------------------------------------------------------------------

PIECES = 400
PIECE_BYTES = 8000


def pieces() -> list[bytes]:
    """Return numbered frames, more than the kernel buffers."""
    return [text_frame(b"%d " % at + b"x" * PIECE_BYTES) for at in range(PIECES)]


async def check_slow_reader(
    server: TakingServer, client_tls: ssl.SSLContext | None = None
) -> Replayer:
    """Write to a client that reads late and pings meanwhile; check every frame it gets."""
    made: list[Replayer] = []

    def replay(connection: Connection) -> Replayer:
        made.append(Replayer(connection, pieces()))
        return made[-1]

    server.session = replay
    async with upgraded(server.port, tls=client_tls) as client:
        client.pause()
        made[0].go()
        assert not made[0].done, "the kernel must not take it all"
        for at in range(20):
            await client.send(client_frame(PING, b"%d" % at))
        await client.send(client_frame(TEXT, b"all pings are sent"))
        await eventually(lambda: server.texts)
        client.resume()
        frames = await client.frames(PIECES + 20)

    texts = [frame.payload.split()[0] for frame in frames if frame.opcode == TEXT]
    pongs = [frame.payload for frame in frames if frame.opcode == PONG]
    assert [b"%d" % at for at in range(PIECES)] == texts
    assert [b"%d" % at for at in range(20)] == pongs
    return made[0]


async def test_p8_a_slow_reader_gets_every_byte_in_order() -> None:
    """What is written directly, spilled and buffered comes out in order, pongs between frames."""
    async with serving(send_buffer_bytes=65536) as server:
        session = await check_slow_reader(server)

        heard = session.heard[: len(session.heard) // 2 * 2]
        assert ["stalled", "drained"] * (len(heard) // 2) == heard
        assert heard


async def test_a_client_that_floods_pings_is_cut() -> None:
    """A client that pings without reading is cut, with a bounded buffer."""
    async with (
        serving(send_buffer_bytes=4096) as server,
        connected(server.port, receive_buffer_bytes=4096) as client,
    ):
        await client.send(UPGRADE)
        await client.head()
        client.pause()
        flood = client_frame(PING, b"x" * 125) * 50
        for _ in range(2000):
            if server.connections[0].ending:
                break
            await client.send(flood)

        await eventually(lambda: server.sessions[0].heard[-1:] == ["lost"])
        assert ["stalled", "lost"] == server.sessions[0].heard


async def test_a_silent_client_is_pinged_and_given_up() -> None:
    """On a real clock: two pings without an answer, then 1008."""
    async with serving() as server:
        server.limits = WebSocketLimits(ping_s=0.1, close_timeout_s=0.2)
        async with upgraded(server.port) as client:
            frames = await client.frames(3)

            assert [PING, PING, CLOSE] == [frame.opcode for frame in frames]
            assert 1008 == frames[2].code
            assert b"" == await client.to_the_end()


# --- TLS -----------------------------------------------------------------------------------------


async def test_tls_carries_the_same(tmp_path: Path) -> None:
    """Over TLS nothing is written to the descriptor, and everything else is the same."""
    server_side, client_side = self_signed(tmp_path)
    async with (
        serving(tls=server_side) as server,
        upgraded(server.port, tls=client_side) as client,
    ):
        connection = server.connections[0]
        assert NO_FD == connection.fd
        assert connection.write(text_frame(b"hello"))
        await client.send(client_frame(PING, b"1"))
        assert [Frame(TEXT, b"hello"), Frame(PONG, b"1")] == await client.frames(2)

        await client.send(client_frame(CLOSE, close_payload(3000)))
        assert 3000 == (await client.frames(1))[0].code
        assert b"" == await client.to_the_end()
        await eventually(lambda: server.sessions[0].heard == ["lost"])


async def test_p8_a_slow_reader_over_tls(tmp_path: Path) -> None:
    """A slow reader over TLS gets every byte in order as well, and its session hears of it."""
    server_side, client_side = self_signed(tmp_path)
    async with serving(tls=server_side, send_buffer_bytes=65536) as server:
        session = await check_slow_reader(server, client_side)

        assert ["stalled", "drained"] == session.heard[:2]
