"""A subscriber that comes back: connects, notes its cursor, backs off, goes on from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast
import asyncio
import time

import orjson

from broker.core.cursor import START, Cursor, parse_time
from tests.chaos.account import Account
from tests.chaos.scene import HANDSHAKE_S, SILENCE_S, Node, Scene

PING_CHANNEL = "ping"
GAP_ID = -3
_HEAD_END = b"\r\n\r\n"


class Subscriber:
    """
    One subscriber over all its connections.

    Args:
        number: Its number; the first node it goes to follows from it.
        names: Channels, in the order in which it asks for them.
        scene: What it shares with the others.

    Attributes:
        account: What it got.
        cursor: Where it goes on; None before its first contact.
        is_attached: Whether a node serves it.
        longest_stall_s: Longest time between two deliveries.
    """

    mode = ""
    notices = ""

    def __init__(self, number: int, names: Sequence[str], scene: Scene) -> None:
        self.number = number
        self.names = tuple(names)
        self.path = "/".join(names)
        self.scene = scene
        self.account = Account(name for name in names if name != PING_CHANNEL)
        self.is_attached = False
        self.longest_stall_s = 0.0
        self.delivered_at = 0.0
        self.node = number % len(scene.nodes)
        self.line: Line | None = None
        self._abandoned: list[Line] = []
        self._failures = 0
        self._marked = 0
        self._mark_at = 0.0
        self._due_at = 0.0

    @property
    def cursor(self) -> Cursor | None:
        """Where it goes on; None before its first contact."""
        cursor = self.account.cursor
        return None if cursor == START else cursor

    # --- life --------------------------------------------------------------------------------

    def start(self, delay_s: float = 0.0) -> None:
        """Connect, after a pause."""
        self.scene.loop.call_later(delay_s, self._dial)

    def abandon(self) -> None:
        """Come back without a word: the old connection stays open, and nobody reads it."""
        line, self.line = self.line, None
        if line is not None:
            line.abandon()
            self._abandoned.append(line)
            self.is_attached = False
            self.start()

    def leave(self, away_s: float) -> None:
        """Cut the connection, in the middle of whatever comes, and come back after a while."""
        line, self.line = self.line, None
        if line is not None:
            line.owner = None
            line.abort()
            self.is_attached = False
            self.start(away_s)

    def close(self) -> None:
        """Leave for good."""
        for line in (self.line, *self._abandoned):
            if line is not None:
                line.owner = None
                line.abort()
        self._abandoned.clear()

    def watch(self, now: float) -> None:
        """Give up a connection on which nothing has come for too long."""
        if self.line is not None and now > self._due_at:
            self.line.finish("silent", None)

    def _dial(self) -> None:
        if not self.scene.closing and self.line is None:
            self.scene.task(self.scene.loop.create_task(self._connect()))

    async def _connect(self) -> None:
        node = self.scene.nodes[self.node]
        line = self.line = self._line(node)
        self._due_at = self.scene.loop.time() + HANDSHAKE_S
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                await self.scene.loop.create_connection(lambda: line, *node)
        except OSError:  # a TimeoutError is one
            if self.line is line:
                self.lost(line, "unreachable")

    def _line(self, node: Node) -> Line:
        raise NotImplementedError

    # --- what its connection says ------------------------------------------------------------

    def request(self) -> bytes:
        """Return the request that opens its connection."""
        raise NotImplementedError

    def attached(self) -> None:
        """Take note that a node serves it."""
        self.is_attached = True
        self._failures = 0
        self.scene.arrivals.append((self.mode, time.monotonic()))

    def heard(self) -> None:
        """Take note of a sign of life."""
        self._due_at = self.scene.loop.time() + SILENCE_S

    def lost(self, line: Line, why: str, retry_s: float | None = None) -> None:
        """
        Come back, to another node.

        Args:
            line: The connection that is gone.
            why: For the tally.
            retry_s: When the node asked to come back; None for as soon as is polite.
        """
        if line is not self.line:
            return
        self.line = None
        self.is_attached = False
        self.scene.tally[f"{self.mode}: {why}"] += 1
        self._failures += 1
        self.node = self.scene.other_node(self.node)
        self.start(self.scene.pause_s(self._failures) if retry_s is None else retry_s)

    def take(self, envelope: dict[str, Any], now: float) -> None:
        """Enter an envelope into the account."""
        channel = envelope["channel"]
        cursor = read_cursor(envelope["time"], envelope["tag"])
        message = envelope["message"]
        if channel == PING_CHANNEL:
            self.account.adopt(cursor)
        elif envelope["id"] == GAP_ID:
            self.account.told(channel, Cursor.parse(message["gap"]["first"]))
        else:
            self.account.take(channel, message, cursor, now)
            self._delivered(message["sent"], now)

    def _delivered(self, sent: float, now: float) -> None:
        if now != self.delivered_at:
            stall_s = now - self.delivered_at
            if self.delivered_at and stall_s > self.longest_stall_s:
                self.longest_stall_s = stall_s
            self.delivered_at = now
            self.scene.latencies_s.append(now - sent)
        if self._marked < len(self.scene.marks):
            self._heal(sent, now)

    def _heal(self, sent: float, now: float) -> None:
        mark = self.scene.marks[self._marked]
        if sent >= mark.at:
            mark.healed.append(now - mark.at)
            self._marked += 1


class Line(asyncio.Protocol):
    """
    One connection of a subscriber.

    Args:
        owner: Whose.
        node: Where it goes.

    Attributes:
        owner: Whose; None once it is nobody's business any more.
    """

    def __init__(self, owner: Subscriber, node: Node) -> None:
        self.owner: Subscriber | None = owner
        self.node = node
        self.transport: asyncio.Transport | None = None
        self.rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        if self.owner is None:
            self.transport.abort()
        else:
            self.transport.write(self.owner.request())

    def data_received(self, data: bytes) -> None:
        if self.owner is not None:
            self.owner.heard()
            self.read(self.owner, self.rest + data if self.rest else data, time.monotonic())

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        if self.owner is not None:
            self.owner.lost(self, "cut" if exc is None else type(exc).__name__)

    def read(self, owner: Subscriber, data: bytes, now: float) -> None:
        """Read what came; keep in `rest` what is not whole."""
        raise NotImplementedError

    def abort(self) -> None:
        """Cut it."""
        if self.transport is not None:
            self.transport.abort()

    def abandon(self) -> None:
        """Leave it open, unread."""
        self.owner = None
        if self.transport is not None:
            self.transport.pause_reading()

    def finish(self, why: str, retry_s: float | None) -> None:
        """Have the subscriber come back, as the node asked it to."""
        owner, self.owner = self.owner, None
        if owner is not None:
            owner.lost(self, why, retry_s)
        self.abort()


class Head:
    """
    Head of an answer.

    Attributes:
        status: Its status.
        headers: Names in lower case.
        end: Where the body begins.
    """

    __slots__ = ("end", "headers", "status")

    def __init__(self, data: bytes, end: int) -> None:
        lines = data[:end].decode("latin-1").split("\r\n")
        self.status = int(lines[0][9:12])
        pairs = (line.partition(":") for line in lines[1:])
        self.headers = {name.lower(): value.strip() for name, _, value in pairs}
        self.end = end + len(_HEAD_END)

    @classmethod
    def read(cls, data: bytes) -> Head | None:
        """Read a head, or return None while it is not whole."""
        end = data.find(_HEAD_END)
        return None if end < 0 else cls(data, end)

    @property
    def cursor(self) -> Cursor | None:
        """The cursor of `ETag` and `Last-Modified`, where they are there (D44)."""
        tag, moment = self.headers.get("etag"), self.headers.get("last-modified")
        if tag is None or moment is None:
            return None
        return read_cursor(moment, tag.removeprefix("W/"))

    @property
    def retry_s(self) -> float | None:
        """What `Retry-After` says."""
        text = self.headers.get("retry-after")
        return None if text is None else float(text)


def read_cursor(moment: str, tag: str) -> Cursor:
    """Read a cursor from its two texts."""
    seconds = parse_time(moment)
    assert seconds is not None, moment
    return Cursor(seconds, int(tag))


def read_json(data: bytes) -> dict[str, Any]:
    """Read a JSON object."""
    value: dict[str, Any] = orjson.loads(data)
    return value
