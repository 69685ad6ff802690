"""The hub of a node: announcements in, feeds out, and everything they need in memory."""

from __future__ import annotations

from broker.hub.hub import PING_CHANNEL, Hub, ping_message

__all__ = ["PING_CHANNEL", "Hub", "ping_message"]
