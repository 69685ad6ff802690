"""The hub of a node: announcements in, feeds out, and everything they need in memory."""

from __future__ import annotations

from broker.hub.hub import Hub
from broker.hub.pings import PING_CHANNEL, ping_message

__all__ = ["PING_CHANNEL", "Hub", "ping_message"]
