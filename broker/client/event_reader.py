"""Server-sent events, read from bytes as they come."""

from __future__ import annotations

from collections.abc import Iterator
import re

from broker.client.errors import Unreadable

_LINE_END = re.compile(rb"\r\n|\n|\r")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class EventReader:
    """
    Splits a stream into the data of its events.

    Names and ids are left out: what an event is shows in its data.

    Args:
        max_event_bytes: Bytes of one event at most.

    Attributes:
        retry_ms: What the stream last asked to wait before a reconnect; None until it does.

    Source: WHATWG HTML, section 9.2.6.
    """

    def __init__(self, max_event_bytes: int) -> None:
        self._max_event_bytes = max_event_bytes
        self._rest = b""
        self._data: list[bytes] = []
        self._size = 0
        self._begun = False
        self.retry_ms: int | None = None

    def feed(self, data: bytes) -> Iterator[bytes]:
        """
        Take bytes of the stream; yield the data of every event that is whole now.

        Raises:
            Unreadable: an event is longer than the limit.
        """
        text = self._rest + data
        if not self._begun and len(text) >= len(_BYTE_ORDER_MARK):
            self._begun = True
            text = text.removeprefix(_BYTE_ORDER_MARK)
        at = 0
        for end in _LINE_END.finditer(text):
            if end[0] == b"\r" and end.end() == len(text):
                break  # the line feed of the pair may come with the next bytes
            line, at = text[at : end.start()], end.end()
            if line:
                self._take(line)
            elif self._data:
                yield b"\n".join(self._data)
                self._data, self._size = [], 0
        self._rest = text[at:]
        self._check(len(self._rest))

    def _take(self, line: bytes) -> None:
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
            self._size += len(value)
            self._check(0)
        elif field == b"retry" and value.isdigit():
            self.retry_ms = int(value)

    def _check(self, more: int) -> None:
        if self._size + more > self._max_event_bytes:
            raise Unreadable(f"an event is longer than {self._max_event_bytes} bytes")
