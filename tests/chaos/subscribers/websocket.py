"""A subscriber over WebSocket."""

from __future__ import annotations

from base64 import b64encode
import struct

from broker.core.cursor import Cursor
from tests.chaos.scene import Node
from tests.chaos.subscribers.base import Head, Line, Subscriber, read_json
from tests.support.frames import CLOSE, PING, PONG, TEXT, client_frame

_SWITCHING = 101


class WebSocketSubscriber(Subscriber):
    """One that asks for gap notices, and goes on from the cursor of the last frame (D43)."""

    mode = "websocket"
    notices = "notices=gap&"

    def request(self) -> bytes:
        nonce = b64encode(self.scene.random.randbytes(16)).decode()
        target = self.scene.target(self.mode, self.path, self.cursor, self.notices)
        return (
            f"GET {target} HTTP/1.1\r\nHost: chaos\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {nonce}\r\n\r\n"
        ).encode()

    def _line(self, node: Node) -> Line:
        return _WebSocketLine(self, node)


class _WebSocketLine(Line):
    """Its connection."""

    opened = False

    def read(self, owner: Subscriber, data: bytes, now: float) -> None:
        at = 0
        if not self.opened:
            head = Head.read(data)
            if head is None:
                self.rest = data
                return
            if head.status != _SWITCHING:
                self.finish(f"refused {head.status}", head.retry_s)
                return
            self.opened = True
            owner.attached()
            at = head.end
        self._frames(owner, data, at, now)

    def _frames(self, owner: Subscriber, data: bytes, at: int, now: float) -> None:
        end = len(data)
        while end - at >= 2:
            start, size = at + 2, data[at + 1]
            if size == 126:
                start = at + 4
                size = int.from_bytes(data[at + 2 : start])
            elif size == 127:
                start = at + 10
                size = int.from_bytes(data[at + 2 : start])
            stop = start + size
            if stop > end:
                break
            opcode = data[at] & 0x0F
            if opcode == TEXT:
                owner.take(read_json(data[start:stop]), now)
            else:
                self._control(owner, opcode, data[start:stop])
                if self.owner is None:
                    return
            at = stop
        self.rest = data[at:]

    def _control(self, owner: Subscriber, opcode: int, payload: bytes) -> None:
        if opcode == PING and self.transport is not None:
            self.transport.write(client_frame(PONG, payload))
        elif opcode == CLOSE:
            code = struct.unpack_from("!H", payload)[0] if payload else 1005
            reason = read_json(payload[2:]) if len(payload) > 2 else {}
            if "cursor" in reason:
                owner.account.adopt(Cursor.parse(reason["cursor"]))
            self.finish(f"closed {code}", reason.get("retry_after"))
