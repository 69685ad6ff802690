"""A subscriber over a stream of envelopes, a line each."""

from __future__ import annotations

from tests.chaos.scene import Node
from tests.chaos.subscribers.base import Line, Subscriber, read_cursor, read_json
from tests.chaos.subscribers.chunked import ChunkedLine

_PING_ID = -1


class StreamSubscriber(Subscriber):
    """One that asks for gap notices, and goes on from the cursor of the last envelope."""

    mode = "stream"
    notices = "notices=gap&"

    def request(self) -> bytes:
        target = self.scene.target(self.mode, self.path, self.cursor, self.notices)
        return f"GET {target} HTTP/1.1\r\nHost: chaos\r\n\r\n".encode()

    def _line(self, node: Node) -> Line:
        return _StreamLine(self, node)


class _StreamLine(ChunkedLine):
    """Its connection."""

    def take(self, owner: Subscriber, part: bytes, now: float) -> None:
        envelope = read_json(part)
        if envelope["id"] == _PING_ID:
            owner.account.adopt(read_cursor(envelope["time"], envelope["tag"]))
        else:
            owner.take(envelope, now)
