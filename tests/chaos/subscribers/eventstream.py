"""A subscriber over server-sent events."""

from __future__ import annotations

from broker.core.cursor import Cursor
from tests.chaos.scene import Node
from tests.chaos.subscribers.base import Line, Subscriber, read_json
from tests.chaos.subscribers.chunked import ChunkedLine


class EventStreamSubscriber(Subscriber):
    """One that goes on with `Last-Event-ID`, as browsers do."""

    mode = "eventsource"

    def request(self) -> bytes:
        target = self.scene.target(self.mode, self.path, None, self.notices)
        last = "" if self.cursor is None else f"Last-Event-ID: {self.cursor}\r\n"
        return f"GET {target} HTTP/1.1\r\nHost: chaos\r\n{last}\r\n".encode()

    def _line(self, node: Node) -> Line:
        return _EventStreamLine(self, node)


class _EventStreamLine(ChunkedLine):
    """Its connection."""

    separator = b"\n\n"

    retry_s: float | None = None

    def take(self, owner: Subscriber, part: bytes, now: float) -> None:
        fields = dict(line.split(b": ", 1) for line in part.split(b"\n") if b": " in line)
        if b"retry" in fields:
            self.retry_s = int(fields[b"retry"]) / 1000
        if b"data" not in fields:
            return
        data = read_json(fields[b"data"])
        kind = fields.get(b"event")
        if kind is None:
            owner.take(data, now)
            assert fields[b"id"] == str(owner.account.cursor).encode(), "id and envelope differ"
        elif kind == b"gap":
            owner.account.told(data["channel"], Cursor.parse(data["first"]))
        elif kind == b"close":
            owner.account.adopt(Cursor.parse(fields[b"id"].decode()))
            self.finish("closed event", self.retry_s)
