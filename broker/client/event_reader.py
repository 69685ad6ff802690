"""Server-sent events, read from bytes as they come."""

from __future__ import annotations

from collections.abc import Iterator

from broker.client.errors import Unreadable

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
        self._held = b""  # what can only be told with the next bytes
        self._line: list[bytes] = []  # pieces of a line that is not whole yet
        self._line_size = 0
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
        *lines, rest = self._unified(data).split(b"\n")
        for piece in lines:
            line = self._finished(piece)
            if line:
                self._take(line)
            elif self._data:
                yield b"\n".join(self._data)
                self._data, self._size = [], 0
        self._line.append(rest)
        self._line_size += len(rest)
        self._check(self._line_size)

    def _unified(self, data: bytes) -> bytes:
        """Return bytes with line feeds alone for line ends; each byte is looked at once."""
        text, self._held = self._held + data, b""
        if not self._begun:
            if len(text) < len(_BYTE_ORDER_MARK):
                self._held = text
                return b""
            self._begun = True
            text = text.removeprefix(_BYTE_ORDER_MARK)
        if text.endswith(b"\r"):  # the line feed of the pair may come with the next bytes
            text, self._held = text[:-1], b"\r"
        return text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _finished(self, piece: bytes) -> bytes:
        """Return the line that ends with this piece."""
        if not self._line_size:
            self._line.clear()
            return piece
        line = b"".join((*self._line, piece))
        self._line, self._line_size = [], 0
        return line

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
