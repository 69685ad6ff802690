"""What a client can say on a WebSocket."""

from __future__ import annotations

from typing import NamedTuple


class Text(NamedTuple):
    """A whole text message; the payload is known to be UTF-8."""

    payload: bytes


class Binary(NamedTuple):
    """A whole binary message."""

    payload: bytes


class Ping(NamedTuple):
    """A ping, to be answered with the same payload."""

    payload: bytes


class Pong(NamedTuple):
    """An answer to a ping, or a sign of life sent unasked."""

    payload: bytes


class Close(NamedTuple):
    """
    The client's goodbye; nothing after it is read.

    Attributes:
        code: Close code; `NO_CODE` when the frame had none.
        reason: The client's words, often none.
    """

    code: int
    reason: str


Event = Text | Binary | Ping | Pong | Close
"""Anything that a client can say."""
