"""Encoders of this dialect: the envelope on a WebSocket, as an event, in the answer of a poll."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from broker.core.cursor import Cursor
from broker.core.encoder import Gap
from broker.core.frames import text_frame
from broker.core.message import Message
from broker.protocols.pushstream.answers import PollAnswers
from broker.protocols.pushstream.envelope import envelope, gap_envelope
from broker.transports.stream import chunk


class WebSocketEncoder:
    """One envelope, one text frame (dashly-rts 2.3.3)."""

    once = False
    transport = "websocket"

    def message(self, message: Message) -> bytes:
        """Return the message as a text frame."""
        return text_frame(envelope(message))

    def gap(self, gap: Gap) -> bytes:
        """Return the notice as a text frame."""
        return text_frame(gap_envelope(gap))

    def join(self, frames: Sequence[bytes], cursor: Cursor, gap: Cursor | None) -> bytes:  # noqa: ARG002 - the cursor is in the frames
        """Return the frames in a row."""
        return b"".join(frames)

    def heartbeat(self) -> bytes:
        """Return nothing: connections ping by themselves."""
        return b""


class EventSourceEncoder:
    """
    One envelope, one event with the cursor as its id (WHATWG HTML, server-sent events).

    Args:
        chunked: Whether each event is a chunk of the body; otherwise the body is plain.
    """

    once = False
    transport = "eventsource"

    def __init__(self, *, chunked: bool) -> None:
        self._frame = chunk if chunked else bytes

    def message(self, message: Message) -> bytes:
        """Return the message as an event, of the publisher's event type where it gave one."""
        kind = b"event: %b\n" % message.event_type.encode() if message.event_type else b""
        return self._event(message.cursor, kind, envelope(message))

    def gap(self, gap: Gap) -> bytes:
        """Return the notice as an event of type `gap`; its id is the client's own cursor."""
        told = {"channel": gap.channel, "after": str(gap.after), "first": str(gap.first)}
        return self._event(gap.after, b"event: gap\n", orjson.dumps(told))

    def join(self, frames: Sequence[bytes], cursor: Cursor, gap: Cursor | None) -> bytes:  # noqa: ARG002 - the cursor is in the frames
        """Return the events in a row."""
        return b"".join(frames)

    def heartbeat(self) -> bytes:
        """Return a comment, which clients drop."""
        return self._frame(b": \n\n")

    def _event(self, cursor: Cursor, kind: bytes, data: bytes) -> bytes:
        return self._frame(b"id: %d-%d\n%bdata: %b\n\n" % (*cursor, kind, data))


class PollEncoder:
    """
    Everything pending in one answer, an envelope a line.

    Args:
        answers: Writes the head of the answer.
    """

    once = True
    transport = "poll"

    def __init__(self, answers: PollAnswers) -> None:
        self.answers = answers

    def message(self, message: Message) -> bytes:
        """Return the message as a line (D48)."""
        return envelope(message) + b"\n"

    def gap(self, gap: Gap) -> bytes:  # noqa: ARG002 - `join` says it in a header
        """Return nothing: the answer's head tells of gaps."""
        return b""

    def join(self, frames: Sequence[bytes], cursor: Cursor, gap: Cursor | None) -> bytes:
        """Return the whole answer; without a message it is a 304."""
        if not frames:
            return self.answers.nothing(cursor, gap)
        return self.answers.messages(b"".join(frames), cursor, gap)

    def heartbeat(self) -> bytes:
        """Return nothing: a hold is short."""
        return b""
