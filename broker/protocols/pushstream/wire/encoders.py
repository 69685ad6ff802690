"""Encoders of this dialect: a message on a WebSocket, as an event, in a stream, in a poll."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar
import re

import orjson

from broker.core.cursor import Cursor
from broker.core.encoder import Encoder, Gap
from broker.core.errors import BrokerError
from broker.core.frames import deflated_text_frame, text_frame
from broker.core.message import Message
from broker.core.notices import as_shown
from broker.protocols.pushstream.envelope import gap_message
from broker.protocols.pushstream.wire.compression import STREAM_START, stream_piece
from broker.protocols.pushstream.wire.poll_answers import PollAnswers
from broker.protocols.pushstream.wire.writing import STANDARD, Writing
from broker.transports.stream import chunk

MAX_ENCODERS = 4096
"""Encoders that are remembered; whoever needs a forgotten one makes feeds of his own."""

RECONNECT_MS = 3000
"""What event streams ask browsers to wait before they reconnect; the module never said."""

_LINE_END = re.compile(rb"\r\n|\r|\n")

AnyEncoder = TypeVar("AnyEncoder", bound=Encoder)


class Encoders:
    """The encoders in use: who writes alike shares one, and so its feeds and their bytes."""

    def __init__(self) -> None:
        self._known: OrderedDict[Hashable, Encoder] = OrderedDict()

    def get(self, make: Callable[..., AnyEncoder], *how: Hashable) -> AnyEncoder:
        """Return the encoder that `make` makes of the arguments; the same one next time."""
        key = make, how
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = make(*how)
            if len(self._known) > MAX_ENCODERS:
                self._known.popitem(last=False)
        return known  # type: ignore[return-value]  # the key tells whose it is


class WebSocketEncoder:
    """
    One message, one text frame (dashly-rts 2.3.3).

    Attributes:
        deflate_bytes: As given.

    Args:
        writing: What is in it.
        meta: Whether each frame begins with the message's cursor, for clients of nchan.
        deflate_bytes: Length of texts from which on they are compressed; 0: none is.
    """

    once = False
    transport = "websocket"

    def __init__(
        self, writing: Writing = STANDARD, meta: bool = False, deflate_bytes: int = 0
    ) -> None:
        self.deflate_bytes = deflate_bytes
        self._writing = writing
        self._render = writing.render
        self._meta = meta

    def message(self, message: Message) -> bytes:
        """Return the message as a text frame."""
        text = self._render(message)
        if self._meta:
            text = b"id: %d:%d\n\n%b" % (*message.cursor, text)
        if 0 < self.deflate_bytes <= len(text):
            return deflated_text_frame(text)
        return text_frame(text)

    def gap(self, gap: Gap) -> bytes:
        """Return the notice as a text frame."""
        return self.message(gap_message(gap))

    def join(self, frames: Sequence[bytes], cursor: Cursor, gap: Cursor | None) -> bytes:  # noqa: ARG002 - the cursor is in the frames
        """Return the frames in a row."""
        return b"".join(frames)

    def heartbeat(self, cursor: Cursor) -> bytes:  # noqa: ARG002 - nothing carries it
        """Return nothing: connections ping by themselves."""
        return b""


class EventSourceEncoder:
    """
    One message, one event with the cursor as its id (WHATWG HTML, server-sent events).

    Args:
        chunked: Whether each event is a chunk of the body; otherwise the body is plain.
        writing: What is in it.
    """

    once = False
    transport = "eventsource"

    def __init__(self, chunked: bool, writing: Writing = STANDARD) -> None:
        self._frame = chunk if chunked else bytes
        self._writing = writing
        self._render = writing.render
        self._is_line = writing.template is None

    def message(self, message: Message) -> bytes:
        """Return the message as an event, of the publisher's event type where it gave one."""
        kind = as_shown(message).event_type if message.event_type else ""
        line = b"event: %b\n" % kind.encode() if kind else b""
        return self._event(message.cursor, line, self._data(message))

    def gap(self, gap: Gap) -> bytes:
        """Return the notice as an event of type `gap`; its id is the client's own cursor."""
        told = {"channel": gap.channel, **gap.told()}
        return self._event(gap.after, b"event: gap\n", b"data: %b\n" % orjson.dumps(told))

    def join(self, frames: Sequence[bytes], cursor: Cursor, gap: Cursor | None) -> bytes:  # noqa: ARG002 - the cursor is in the frames
        """Return the events in a row."""
        return b"".join(frames)

    def heartbeat(self, cursor: Cursor) -> bytes:  # noqa: ARG002 - a comment has none
        """Return a comment, which clients drop."""
        return self._frame(b": \n\n")

    def opening(self) -> bytes:
        """Return what comes before the first event: when to come back, and the header."""
        return self._frame(b"retry: %d\n\n%b" % (RECONNECT_MS, _comment(self._writing.header)))

    def place(self, cursor: Cursor) -> bytes:
        """
        Return the reader's place, without an event: browsers come back with it.

        One that reconnects before its first event would else be a newcomer again, and miss what
        came in between (P2).

        Source: WHATWG HTML, section 9.2.6 (an id counts even where nothing is dispatched).
        """
        return self._frame(b"id: %d-%d\n\n" % cursor)

    def last_words(
        self, error: BrokerError | None, cursor: Cursor, retry_after_s: float | None
    ) -> bytes:
        """Return the last event: why the stream ends, and when to come back (a `Goodbye`)."""
        retry = b"" if retry_after_s is None else b"retry: %d\n" % int(retry_after_s * 1000)
        told: dict[str, object] = {"cursor": str(cursor)}
        if error is not None:
            told |= {"status": int(error.status), "error": error.slug, "message": str(error)}
        event = b"%bid: %d-%d\nevent: close\ndata: %b\n\n" % (retry, *cursor, orjson.dumps(told))
        return event + _comment(self._writing.footer)

    def _data(self, message: Message) -> bytes:
        """Return the lines that carry a message, blank ones too."""
        text = self._render(message)
        if self._is_line:
            return b"data: %b\n" % text
        return b"".join([b"data: %b\n" % line for line in _LINE_END.split(text)])

    def _event(self, cursor: Cursor, kind: bytes, data: bytes) -> bytes:
        return self._frame(b"id: %d-%d\n%b%b\n" % (*cursor, kind, data))


class StreamEncoder:
    """
    One message after the other, without an end.

    Args:
        chunked: Whether each message is a chunk of the body; otherwise the body is plain.
        coding: `gzip`, or empty.
        writing: What is in it.
    """

    once = False
    transport = "stream"

    def __init__(self, chunked: bool, coding: str = "", writing: Writing = STANDARD) -> None:
        self._frame = chunk if chunked else bytes
        self._pack = stream_piece if coding else bytes
        self._writing = writing
        self._render = writing.render

    def message(self, message: Message) -> bytes:
        """Return the message and what follows it."""
        return self.piece(self._render(message) + self._writing.separator)

    def gap(self, gap: Gap) -> bytes:
        """Return the notice as a message."""
        return self.message(gap_message(gap))

    def join(self, frames: Sequence[bytes], cursor: Cursor, gap: Cursor | None) -> bytes:  # noqa: ARG002 - the cursor is in the frames
        """Return the messages in a row."""
        return b"".join(frames)

    def heartbeat(self, cursor: Cursor) -> bytes:
        """Return a message that clients know for a sign of life."""
        return self.piece(self._writing.ping(cursor) + self._writing.separator)

    def opening(self) -> bytes:
        """Return what comes before the first message."""
        start = STREAM_START if self._pack is stream_piece else b""
        return self._frame(start) + self.piece(self._writing.header)

    def place(self, cursor: Cursor) -> bytes:  # noqa: ARG002 - it is in the messages
        """Return nothing: signs of life carry the reader's place."""
        return b""

    def last_words(
        self,
        error: BrokerError | None,  # noqa: ARG002 - there is no place for it
        cursor: Cursor,  # noqa: ARG002 - it is in the messages
        retry_after_s: float | None,  # noqa: ARG002 - as the error
    ) -> bytes:
        """Return the footer (a `Goodbye`)."""
        return self._pack(self._writing.footer)

    def piece(self, data: bytes) -> bytes:
        """Return bytes as they stand in the body."""
        return self._frame(self._pack(data))


def _comment(text: bytes) -> bytes:
    """Return a text as comments of an event stream."""
    if not text:
        return b""
    return b"".join([b": %b\n" % line for line in _LINE_END.split(text)]) + b"\n"


class PollEncoder:
    """
    Everything pending in one answer, a message a line.

    Args:
        answers: Writes the answer.
    """

    once = True
    transport = "poll"

    def __init__(self, answers: PollAnswers) -> None:
        self.answers = answers
        self.message = answers.piece

    def gap(self, gap: Gap) -> bytes:  # noqa: ARG002 - `join` says it in a header
        """Return nothing: the answer's head tells of gaps."""
        return b""

    def join(self, frames: Sequence[bytes], cursor: Cursor, gap: Cursor | None) -> bytes:
        """Return the whole answer; without a message it is a 304."""
        if not frames:
            return self.answers.empty(cursor, gap)
        return self.answers.messages(frames, cursor, gap)

    def heartbeat(self, cursor: Cursor) -> bytes:  # noqa: ARG002 - nothing carries it
        """Return nothing: a hold is short."""
        return b""
