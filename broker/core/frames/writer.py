"""Making the bytes that go to a client: whole frames, unmasked, never fragmented."""

from __future__ import annotations

from broker.core.frames.codes import (
    DEFLATED,
    FIN,
    LENGTH_16,
    LENGTH_64,
    MAX_CONTROL_BYTES,
    MAX_REASON_BYTES,
    NO_CODE,
    Opcode,
    may_be_sent,
)
from broker.core.frames.deflate import deflate


def text_frame(payload: bytes) -> bytes:
    """Return a whole text message, header included; the payload must be UTF-8."""
    return _head(Opcode.TEXT, len(payload)) + payload


def deflated_text_frame(payload: bytes) -> bytes:
    """Return a whole text message, compressed, for who has agreed to that."""
    packed = deflate(payload)
    return _head(DEFLATED | Opcode.TEXT, len(packed)) + packed


def binary_frame(payload: bytes) -> bytes:
    """Return a whole binary message, header included."""
    return _head(Opcode.BINARY, len(payload)) + payload


def ping_frame(payload: bytes = b"") -> bytes:
    """
    Return a ping.

    Raises:
        ValueError: the payload is over `MAX_CONTROL_BYTES`.
    """
    return _control(Opcode.PING, payload)


def pong_frame(payload: bytes = b"") -> bytes:
    """
    Return the answer to a ping with that payload.

    Raises:
        ValueError: the payload is over `MAX_CONTROL_BYTES`.
    """
    return _control(Opcode.PONG, payload)


def close_frame(code: int, reason: str = "") -> bytes:
    """
    Return a goodbye.

    Args:
        code: Close code; `NO_CODE` gives a frame without code and reason.
        reason: Why; cut to `MAX_REASON_BYTES` at a character's end.

    Raises:
        ValueError: the code may not be sent.
    """
    if code == NO_CODE:
        return _control(Opcode.CLOSE, b"")
    if not may_be_sent(code):
        raise ValueError(f"close code {code} may not be sent")
    words = reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore").encode()
    return _control(Opcode.CLOSE, code.to_bytes(2) + words)


def _control(opcode: Opcode, payload: bytes) -> bytes:
    if len(payload) > MAX_CONTROL_BYTES:
        raise ValueError(f"a control frame holds {MAX_CONTROL_BYTES} bytes at most")
    return bytes((FIN | opcode, len(payload))) + payload


def _head(opcode: int, size: int) -> bytes:
    if size < LENGTH_16:
        return bytes((FIN | opcode, size))
    if size < 1 << 16:
        return bytes((FIN | opcode, LENGTH_16)) + size.to_bytes(2)
    return bytes((FIN | opcode, LENGTH_64)) + size.to_bytes(8)
