"""A subscriber over server-sent events."""

from __future__ import annotations

from broker.core.cursor import Cursor
from tests.chaos.scene import Node
from tests.chaos.subscribers.base import Head, Line, Subscriber, read_json

_OK = 200


class EventStreamSubscriber(Subscriber):
    """One that goes on with `Last-Event-ID`, as browsers do."""

    mode = "eventsource"

    def request(self) -> bytes:
        target = self.scene.target(self.mode, self.path, None, self.notices)
        last = "" if self.cursor is None else f"Last-Event-ID: {self.cursor}\r\n"
        return f"GET {target} HTTP/1.1\r\nHost: chaos\r\n{last}\r\n".encode()

    def _line(self, node: Node) -> Line:
        return _EventStreamLine(self, node)


class _EventStreamLine(Line):
    """Its connection; the node sends each event as a chunk, but nothing here relies on that."""

    opened = False
    text = b""
    retry_s: float | None = None

    def read(self, owner: Subscriber, data: bytes, now: float) -> None:
        at = 0
        if not self.opened:
            head = Head.read(data)
            if head is None:
                self.rest = data
                return
            if head.status != _OK:
                self.finish(f"refused {head.status}", head.retry_s)
                return
            self.opened = True
            owner.attached()
            at = head.end
        self._chunks(data, at)
        *blocks, self.text = self.text.split(b"\n\n")
        for block in blocks:
            if self.owner is not None:
                self._event(owner, block, now)

    def _chunks(self, data: bytes, at: int) -> None:
        pieces = [self.text]
        end = len(data)
        while (line_end := data.find(b"\r\n", at)) >= 0:
            start = line_end + 2
            stop = start + int(data[at:line_end], 16)
            if stop + 2 > end:
                break
            pieces.append(data[start:stop])
            at = stop + 2
        self.rest = data[at:]
        self.text = b"".join(pieces)

    def _event(self, owner: Subscriber, block: bytes, now: float) -> None:
        fields = dict(line.split(b": ", 1) for line in block.split(b"\n") if b": " in line)
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
