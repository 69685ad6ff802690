"""Steps of cases that stay connected: streams, WebSockets, requests side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from tests.conformance.pushstream_module.case import Body, Expect, Header, Listener, Player
from tests.support.frames import CLOSE, PING, PONG, TEXT
from tests.support.subscribers import UPGRADE, WebSocket
from tests.support.wire import Http, connected, waiting


class Publish(NamedTuple):
    """
    A message, published on a connection of its own.

    Attributes:
        body: What is published.
        channel: Where.
        headers: Further headers, `Event-Type` for example.
    """

    body: bytes
    channel: str = "{channel}"
    headers: Mapping[str, str] = {}

    async def play(self, player: Player) -> None:
        """Publish it; it must be accepted."""
        async with connected(player.urls["internal"]) as http:
            target = player.text(f"/pub?id={self.channel}")
            answer = await http.ask(
                target, self.headers, method="POST", body=player.bytes(self.body)
            )
        assert 200 == answer.status, answer
        await _settle(player)


class Delete(NamedTuple):
    """
    A channel, deleted.

    Attributes:
        channel: Which.
    """

    channel: str = "{channel}"

    async def play(self, player: Player) -> None:
        """Delete it; it must have been there."""
        async with connected(player.urls["internal"]) as http:
            answer = await http.ask(player.text(f"/pub?id={self.channel}"), method="DELETE")
        assert 200 == answer.status, answer
        await _settle(player)


class Stream(NamedTuple):
    """
    A request whose answer goes on for long.

    Attributes:
        target: Path and query.
        headers: What its head must say.
        begins: What its body must begin with, before anything is done.
        during: What is done then.
        goes_on: What must have come after that.
        ends: What must come before it ends by itself; None where it does not.
        asks: Further headers of the request.
        version: Version of HTTP.
    """

    target: str
    headers: Mapping[str, Header] = {}
    begins: bytes = b""
    during: tuple[Publish | Delete, ...] = ()
    goes_on: Body = b""
    ends: Body | None = None
    asks: Mapping[str, str] = {}
    version: str = "1.1"

    async def play(self, player: Player) -> None:
        """Open it, read its beginning, do what is done meanwhile, read on."""
        async with connected(player.urls["public"]) as http:
            await http.send(
                player.text(self.target), _filled(player, self.asks), version=self.version
            )
            head = await http.head()
            player.compare(Expect(200, self.headers), head)
            reader = _Reader(http, chunked=head.headers.get("Transfer-Encoding") == "chunked")
            begins = player.bytes(self.begins)
            await reader.has(len(begins))
            assert begins == reader.take(len(begins))
            for deed in self.during:
                await deed.play(player)
            if isinstance(self.goes_on, bytes):
                wanted = player.bytes(self.goes_on)
                await reader.has(len(wanted))
                assert wanted == reader.take(len(wanted))
            else:
                await reader.until(player, self.goes_on)
            if self.ends is not None:
                player.compare_body(self.ends, await reader.rest())


async def _settle(player: Player) -> None:
    """Poll once, which returns when everything that was stored before can be read."""
    async with connected(player.urls["public"]) as http:
        await http.ask(player.text("/shortpoll/{channel}"))


def _filled(player: Player, headers: Mapping[str, str]) -> dict[str, str]:
    return {name: player.text(value) for name, value in headers.items()}


class _Reader:
    """What came of a body."""

    def __init__(self, http: Http, *, chunked: bool) -> None:
        self._http = http
        self._chunked = chunked
        self._got = b""

    async def has(self, size: int) -> None:
        while len(self._got) < size:
            assert await self._more(), f"it ended after {self._got!r}"

    async def until(self, player: Player, wanted: Body) -> None:
        """Read until a body fits; what does not, in the end, fails."""
        while True:
            try:
                player.compare_body(wanted, self._got)
            except AssertionError:
                assert await self._more(), f"it ended after {self._got!r}"
            else:
                self._got = b""
                return

    async def rest(self) -> bytes:
        while await self._more():
            pass
        return self._got

    def take(self, size: int) -> bytes:
        taken, self._got = self._got[:size], self._got[size:]
        return taken

    async def _more(self) -> bool:
        async with waiting():
            if self._chunked:
                piece = await self._http.chunk()
            else:
                piece = await self._http.reader.read(65_536)
        self._got += piece
        return bool(piece)


class Held(NamedTuple):
    """
    A request that waits while something is done.

    Attributes:
        target: Path and query.
        during: What is done.
        expect: The answer.
        asks: Further headers of the request.
    """

    target: str
    during: tuple[Publish | Delete, ...]
    expect: Expect
    asks: Mapping[str, str] = {}

    async def play(self, player: Player) -> None:
        """Ask, do it, read the answer."""
        async with connected(player.urls["public"]) as http:
            await http.send(player.text(self.target), _filled(player, self.asks))
            await _settle(player)
            for deed in self.during:
                await deed.play(player)
            player.compare(self.expect, await http.answer())


class Socket(NamedTuple):
    """
    A WebSocket.

    Attributes:
        target: Path and query.
        during: What is done once it is open.
        hears: The texts that must come then, in order.
        headers: What the handshake's answer must say.
        asks: Further headers of the handshake.
        sends: Frames that the client sends at the end: opcode and payload.
        answered: Frames that must come then; the last may be a close frame.
    """

    target: str
    during: tuple[Publish | Delete, ...] = ()
    hears: tuple[Body, ...] = ()
    headers: Mapping[str, Header] = {}
    asks: Mapping[str, str] = {}
    sends: tuple[tuple[int, bytes], ...] = ()
    answered: tuple[tuple[int, bytes], ...] = ()

    async def play(self, player: Player) -> None:
        """Open it, hear what comes, say what is said."""
        async with connected(player.urls["public"]) as http:
            answer = await http.ask(player.text(self.target), {**UPGRADE, **self.asks})
            player.compare(Expect(101, self.headers), answer)
            socket = WebSocket(http, answer)
            for deed in self.during:
                await deed.play(player)
            for wanted in self.hears:
                player.compare_body(wanted, await socket.text())
            for opcode, payload in self.sends:
                await socket.send(opcode, payload)
            for opcode, payload in self.answered:
                frame = await socket.frame()
                assert (opcode, payload) == (frame.opcode, frame.payload)


class Pipelined(NamedTuple):
    """
    Bytes sent at once, and the statuses of what comes back.

    Attributes:
        sent: What is sent; `{host}` stands for the server.
        statuses: One for each answer.
        listener: Where it goes.
    """

    sent: bytes
    statuses: tuple[int, ...]
    listener: Listener = "public"

    async def play(self, player: Player) -> None:
        """Send it all, read the answers."""
        async with connected(player.urls[self.listener]) as http:
            await http.send_bytes(player.bytes(self.sent).replace(b"{host}", http.host.encode()))
            statuses = []
            for _ in self.statuses:
                statuses.append((await http.answer()).status)
                if statuses[-1] != self.statuses[len(statuses) - 1]:
                    break
        assert self.statuses == tuple(statuses)


__all__ = [
    "CLOSE",
    "PING",
    "PONG",
    "TEXT",
    "Delete",
    "Held",
    "Pipelined",
    "Publish",
    "Socket",
    "Stream",
]
