"""WebSocket frames, without I/O: bytes in, events out; payloads in, bytes out (RFC 6455)."""

from __future__ import annotations

from broker.core.frames.codes import (
    BAD_PAYLOAD,
    GOING_AWAY,
    MAX_CONTROL_BYTES,
    MAX_REASON_BYTES,
    NO_CODE,
    NORMAL,
    POLICY,
    PROTOCOL_ERROR,
    TOO_BIG,
    FrameError,
)
from broker.core.frames.deflate import AGREEMENT, agreement
from broker.core.frames.events import Binary, Close, Event, Ping, Pong, Text
from broker.core.frames.reader import FrameReader
from broker.core.frames.writer import (
    binary_frame,
    close_frame,
    deflated_text_frame,
    ping_frame,
    pong_frame,
    text_frame,
)

__all__ = [
    "AGREEMENT",
    "BAD_PAYLOAD",
    "GOING_AWAY",
    "MAX_CONTROL_BYTES",
    "MAX_REASON_BYTES",
    "NORMAL",
    "NO_CODE",
    "POLICY",
    "PROTOCOL_ERROR",
    "TOO_BIG",
    "Binary",
    "Close",
    "Event",
    "FrameError",
    "FrameReader",
    "Ping",
    "Pong",
    "Text",
    "agreement",
    "binary_frame",
    "close_frame",
    "deflated_text_frame",
    "ping_frame",
    "pong_frame",
    "text_frame",
]
