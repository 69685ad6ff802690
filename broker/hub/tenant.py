"""What a node knows of one tenant."""

from __future__ import annotations

from asyncio import Event

from broker.core.cursor import START, Cursor
from broker.hub.channel import Channel


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
    """

    __slots__ = ("channels", "connected", "cuts", "feeds", "high_water", "name", "written")

    def __init__(self, name: str) -> None:
        self.name = name
        self.high_water = START
        self.channels: dict[str, Channel] = {}
        self.feeds = 0
        self.written = START
        self.cuts = 0
        self.connected = Event()
        self.connected.set()

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
