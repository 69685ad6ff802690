"""Subscribers that poll, on one connection as long as that lasts."""

from __future__ import annotations

from broker.core.cursor import Cursor
from tests.chaos.scene import LONGPOLL_PAUSE_S, SHORTPOLL_PAUSE_S, Node
from tests.chaos.subscribers.base import Head, Line, Subscriber, read_json

_OK, _NOT_MODIFIED = 200, 304


class ShortPollSubscriber(Subscriber):
    """One that asks every so often."""

    mode = "shortpoll"
    pause_s = SHORTPOLL_PAUSE_S
    idle_pause_s = SHORTPOLL_PAUSE_S

    def request(self) -> bytes:
        # Only an answer that comes at once says where a newcomer begins.
        mode = "shortpoll" if self.cursor is None else self.mode
        target = self.scene.target(mode, self.path, self.cursor, self.notices)
        return f"GET {target} HTTP/1.1\r\nHost: chaos\r\n\r\n".encode()

    def _line(self, node: Node) -> Line:
        return _PollLine(self, node)


class LongPollSubscriber(ShortPollSubscriber):
    """One that is held until there is something; without a message it asks again at once."""

    mode = "longpoll"
    pause_s = LONGPOLL_PAUSE_S
    idle_pause_s = 0.0


class _PollLine(Line):
    """Its connection: one request after the other."""

    def read(self, owner: Subscriber, data: bytes, now: float) -> None:
        head = Head.read(data)
        size = 0 if head is None else int(head.headers.get("content-length", "0"))
        if head is None or len(data) < head.end + size:
            self.rest = data
            return
        self.rest = b""
        body = data[head.end : head.end + size]
        if head.status not in (_OK, _NOT_MODIFIED):
            if head.cursor is not None:
                owner.account.adopt(head.cursor)
            self.finish(f"refused {head.status}", head.retry_s)
            return
        if not owner.is_attached:
            owner.attached()
        gap = head.headers.get("x-broker-gap")
        if gap is not None:
            owner.account.told(None, Cursor.parse(gap))
        for line in body.splitlines():
            owner.take(read_json(line), now)
        assert head.cursor is not None, "an answer without a cursor (D44)"
        owner.account.adopt(head.cursor)
        assert isinstance(owner, ShortPollSubscriber)
        pause_s = owner.pause_s if body else owner.idle_pause_s
        owner.scene.loop.call_later(pause_s, self._ask_again, owner)

    def _ask_again(self, owner: Subscriber) -> None:
        if self.owner is owner and self.transport is not None and not self.transport.is_closing():
            self.transport.write(owner.request())
