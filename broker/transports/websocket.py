"""WebSocket: frames on a connection of its own, pings, close codes (RFC 6455)."""

from __future__ import annotations

from asyncio import BaseTransport, get_running_loop
from collections.abc import Callable
from dataclasses import dataclass
import math

import orjson

from broker.core.cursor import Cursor
from broker.core.errors import BrokerError
from broker.core.frames import (
    NORMAL,
    POLICY,
    Close,
    Event,
    FrameError,
    FrameReader,
    Ping,
    Pong,
    Text,
    close_frame,
    ping_frame,
    pong_frame,
    text_frame,
)
from broker.transports.connection import Connection, ConnectionLimits
from broker.transports.traffic import Traffic
from broker.wheel import Wheel

UNANSWERED_PINGS = 2
"""Pings without any sign of life after which a client counts as dead."""

_PING = ping_frame()
_TOLD_IN_A_FRAME = frozenset({401, 403})

TextHook = Callable[["WebSocketConnection", bytes], None]
"""Takes a text message of a client; the connection knows its session."""


@dataclass(frozen=True, slots=True)
class WebSocketLimits(ConnectionLimits):
    """
    Bounds of a WebSocket.

    Attributes:
        ping_s: Seconds of silence after which a client is pinged.
        max_frame_bytes: Payload of one frame of the client at most; beyond, 1009.
        max_message_bytes: Payload of one message of the client at most; beyond, 1009.
        max_owed_bytes: Answers buffered for a client that asks and does not read; beyond, 1008.
        deflate_bytes: Length of messages from which on they are compressed for clients that offer
            it; 0: compression is not agreed to.
    """

    ping_s: float = 25.0
    max_frame_bytes: int = 65536
    max_message_bytes: int = 65536
    max_owed_bytes: int = 4096
    deflate_bytes: int = 0


class WebSocketConnection(Connection):
    """
    A WebSocket after its handshake.

    Answers pings and close frames, pings a client that has been silent, and refuses what breaks
    the protocol. Messages of the client are read and dropped, unless there is a hook for texts.
    A client that has been silent for `UNANSWERED_PINGS` pings, or has taken nothing of what is
    buffered for as long, is closed with 1008.

    Args:
        wheel: Times pings and the end.
        limits: Bounds.
        on_text: Takes the client's text messages.
        traffic: Counts WebSockets.
        deflates: Whether the client may send compressed messages: that was agreed on.

    Attributes:
        next_token_at: Loop time from which on the client may send a new token.

    Source: RFC 6455, sections 5.5, 7.1 and 7.4.
    """

    __slots__ = (
        "_backlog",
        "_broken",
        "_deflates",
        "_on_text",
        "_owed",
        "_reader",
        "_spoke",
        "_unanswered",
        "next_token_at",
    )

    limits: WebSocketLimits

    def __init__(
        self,
        wheel: Wheel,
        limits: WebSocketLimits,
        on_text: TextHook | None = None,
        traffic: Traffic | None = None,
        *,
        deflates: bool = False,
    ) -> None:
        super().__init__(wheel, limits, traffic)
        self._on_text = on_text
        self._deflates = deflates
        self._reader: FrameReader | None = None
        self._broken = False  # whether what comes in can no longer be read as frames
        self._spoke = False  # whether the client sent more than pongs since the last visit
        self.next_token_at = 0.0
        self._unanswered = 0
        self._owed = 0
        self._backlog = 0

    def connection_made(self, transport: BaseTransport) -> None:
        """Take the transport on and have it visited by the wheel."""
        super().connection_made(transport)
        self._wheel.add(self, get_running_loop().time() + self.limits.ping_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of everything."""
        self._reader = None
        super().connection_lost(exc)

    def resume_writing(self) -> None:
        """Take note that the client has taken everything."""
        self._owed = 0
        self._unanswered = 0
        super().resume_writing()

    # --- what the client says ----------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Read frames; a reader is kept only while it stands inside a message."""
        self._unanswered = 0
        if self._broken:
            return
        reader = self._reader
        if reader is None:
            limits = self.limits
            reader = FrameReader(
                limits.max_frame_bytes, limits.max_message_bytes, may_deflate=self._deflates
            )
        try:
            for event in reader.feed(data):
                self._hear(event)
        except FrameError as error:
            self._refuse(error.code, error.reason)
            reader = None
        self._reader = None if reader is None or reader.idle else reader

    def _hear(self, event: Event) -> None:
        if isinstance(event, Pong):
            return
        self._spoke = True
        if isinstance(event, Close):
            self._hear_close(event.code)
        elif self._ending:
            return
        elif isinstance(event, Ping):
            self.reply(pong_frame(event.payload))
        elif isinstance(event, Text) and self._on_text is not None:
            self._on_text(self, event.payload)

    def _hear_close(self, code: int) -> None:
        if self._ending:
            if self._transport is not None:
                self._transport.close()
        else:
            self._lose()
            self._finish(close_frame(code), code)

    def _refuse(self, code: int, reason: str) -> None:
        """Close on a client that broke a rule; wait for it to hang up, reading nothing more."""
        self._broken = True
        self._lose()
        self._finish(close_frame(code, reason), code, wait=True)

    def reply(self, frame: bytes) -> None:
        """Answer what the client said, within what one that does not read may be owed."""
        if self._paused:
            self._owed += len(frame)
            if self._owed > self.limits.max_owed_bytes:
                self._refuse(POLICY, "asks without reading")
                return
        self.write(frame)

    # --- what the wheel and the session say --------------------------------------------------

    def due(self, now: float) -> float | None:
        """Ping a silent client, give up one that has been silent for long."""
        if self._ending:
            return None
        self._check_backlog()
        if self._spoke:
            self._spoke = False
        elif self._unanswered >= UNANSWERED_PINGS:
            self._refuse(POLICY, f"silent for {UNANSWERED_PINGS} pings")
            return None
        else:
            self._unanswered += 1
            if not self._paused:
                self.write(_PING)
        return now + self.limits.ping_s

    def _check_backlog(self) -> None:
        """Take for a sign of life that the client has taken some of what is buffered."""
        size = 0 if self._transport is None else self._transport.get_write_buffer_size()
        if size < self._backlog:
            self._unanswered = 0
        self._backlog = size

    def _say_goodbye(
        self, error: BrokerError | None, cursor: Cursor, retry_after_s: float | None
    ) -> None:
        code = NORMAL if error is None else error.close_code
        self._finish(farewell(error, cursor, retry_after_s), code, wait=True)


def farewell(error: BrokerError | None, cursor: Cursor, retry_after_s: float | None) -> bytes:
    """
    Return the last frames of a WebSocket.

    The close frame's reason is JSON with the cursor to come back with. Refusals of the token are
    told in a text frame as well, for clients that look there; it carries the cursor like any
    message, because they keep what they see.

    Args:
        error: Why; None for an ordinary end.
        cursor: The session's safe cursor.
        retry_after_s: When to come back, in seconds, where that is known.

    Source: dashly-rts 2.1 and 2.3.13; `design.md` section 8.
    """
    reason: dict[str, object] = {"cursor": str(cursor)}
    if retry_after_s is not None:
        reason["retry_after"] = math.ceil(retry_after_s)
    code = NORMAL if error is None else error.close_code
    goodbye = close_frame(code, orjson.dumps(reason).decode())
    if error is None or error.status not in _TOLD_IN_A_FRAME:
        return goodbye
    return error_frame(error, cursor) + goodbye


def error_frame(error: BrokerError, cursor: Cursor) -> bytes:
    """
    Return a text frame that says what went wrong.

    Args:
        error: What it was.
        cursor: The session's safe cursor: clients keep the cursor of any frame.

    Source: dashly-rts 2.1 and 2.3.13.
    """
    told = {
        "error": {"status": int(error.status), "message": str(error)},
        "tag": str(cursor.tag),
        "time": cursor.http_date,
    }
    return text_frame(orjson.dumps(told))
