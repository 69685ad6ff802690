"""The connection of an answer without an end, in chunks."""

from __future__ import annotations

from tests.chaos.subscribers.base import Head, Line, Subscriber

_OK = 200


class ChunkedLine(Line):
    """
    A connection whose answer never ends.

    The node sends each message as a chunk, but nothing here relies on that.

    Attributes:
        opened: Whether the node has begun to answer.
        text: What is not whole yet of what the chunks hold.
    """

    separator = b"\n"

    opened = False
    text = b""

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
        *parts, self.text = self.text.split(self.separator)
        for part in parts:
            if self.owner is not None:
                self.take(owner, part, now)

    def take(self, owner: Subscriber, part: bytes, now: float) -> None:
        """Read what stands before a separator."""
        raise NotImplementedError

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
