"""What a node knows of one tenant."""

from __future__ import annotations

from asyncio import Event
from typing import TYPE_CHECKING

from broker.core.cursor import START, Cursor
from broker.hub.channel import Channel

if TYPE_CHECKING:
    from broker.hub.surroundings import Surroundings

LINGER_S = 600.0
"""Seconds that a tenant without feeds is remembered: what is known of its clock is worth nothing
long before."""


class Tenant:
    """
    A tenant on this node.

    Attributes:
        name: The tenant.
        high_water: Every announcement up to this cursor has been handed to this node.
        channels: Channels that the node listens to, or is about to.
        feeds: Number of its feeds; without any, nobody needs the mark to move on.
        written: Highest cursor that publishers of this node were given.
        cuts: How often its announcements were interrupted.
        connected: Set while they come.
        around: What its feeds share; None before the first.
        idle_since: Loop time since when it was seen without feeds, if it is.
    """

    __slots__ = (
        "around",
        "channels",
        "connected",
        "cuts",
        "feeds",
        "high_water",
        "idle_since",
        "name",
        "written",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.high_water = START
        self.channels: dict[str, Channel] = {}
        self.feeds = 0
        self.written = START
        self.cuts = 0
        self.connected = Event()
        self.connected.set()
        self.around: Surroundings | None = None
        self.idle_since: float | None = None

    def cut(self) -> None:
        """Take note that announcements are missing from now on."""
        self.cuts += 1
        self.connected.clear()

    def rise(self, cursor: Cursor) -> None:
        """Move the high-water mark on."""
        self.high_water = max(self.high_water, cursor)

    def has(self, channel: Channel) -> bool:
        """Tell whether the channel is still one that the node listens to."""
        return self.channels.get(channel.name) is channel


def forget_idle(tenants: dict[str, Tenant], now: float) -> None:
    """
    Take out the tenants that have been without feeds for `LINGER_S`.

    Args:
        tenants: By name.
        now: Loop time in seconds.
    """
    for tenant in list(tenants.values()):
        if tenant.feeds or tenant.channels:
            tenant.idle_since = None
        elif tenant.idle_since is None:
            tenant.idle_since = now
        elif now - tenant.idle_since >= LINGER_S:
            del tenants[tenant.name]
