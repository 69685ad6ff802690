"""The ping channel, which every node makes for its own sessions (D24)."""

from __future__ import annotations

from broker.core.cursor import Cursor
from broker.core.message import Message

PING_CHANNEL = "ping"
"""Its name; nobody publishes to it, and no store keeps it."""


def ping_message(timestamp: float, cursor: Cursor) -> Message:
    """Make a message of the ping channel; its id is the timestamp in whole seconds."""
    body = b'{"timestamp":%.6f}' % timestamp
    return Message(int(timestamp), PING_CHANNEL, body, cursor, cursor)
