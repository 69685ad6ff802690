"""Where messages may go, and how large they may be there."""

from __future__ import annotations

from typing import NamedTuple

from broker.catalog import Catalog
from broker.core.channels import check_channel, shown
from broker.core.errors import BodyTooLarge, ChannelForbidden
from broker.core.ring import Retention
from broker.hub import PING_CHANNEL
from broker.settings import Settings

MAX_TARGETS = 16_384
"""Channels that are remembered before all are looked up anew; about 5 MiB."""


class Target(NamedTuple):
    """
    A channel that messages may go to.

    Attributes:
        retention: How much of the channel is kept.
        max_bytes: Size of a message at most, as compact JSON.
        limit_name: What sets that size.
    """

    retention: Retention
    max_bytes: int
    limit_name: str


class EventsChannel(ChannelForbidden):
    """The channel of events is filled by the broker itself."""


class Targets(dict[str, Target]):
    """
    Channels that were published to, each looked up once.

    `targets[name]` raises what is wrong with a channel: `BadChannel`, `UnknownChannel`, or
    `ChannelForbidden` for the channels that the broker fills by itself.

    Args:
        catalog: The channel rules that hold.
        settings: Limits.
    """

    def __init__(self, catalog: Catalog, settings: Settings) -> None:
        super().__init__()
        self.catalog = catalog
        self._settings = settings

    def __missing__(self, channel: str) -> Target:
        check_channel(channel, self._settings.max_channel_bytes)
        if channel == PING_CHANNEL:
            raise ChannelForbidden(
                f"the channel {shown(channel)} is filled by the broker itself", field="channel"
            )
        if channel == self._settings.events_channel:
            raise EventsChannel(
                f"the broker itself says in {shown(channel)} what happens to channels",
                field="channel",
                setting="events_channel",
            )
        match = self.catalog.require(channel)
        most, limit_name = self._settings.max_message_bytes, "max_message_bytes"
        if match.max_message_bytes <= most:
            most = match.max_message_bytes
            limit_name = f"max_message of {match.entry.pattern.text} at {match.entry.place}"
        target = self[channel] = Target(match.retention, most, limit_name)
        return target


def too_large(channel: str, target: Target, size: int) -> BodyTooLarge:
    """
    Make the refusal of a message.

    Args:
        channel: Where it was to go.
        target: What holds there.
        size: Its bytes.
    """
    return BodyTooLarge(
        f"a message of {size} bytes is too large for the channel {shown(channel)}; "
        f"the limit is {target.max_bytes} ({target.limit_name})",
        field="message",
        limit=target.max_bytes,
        setting=target.limit_name.partition(" ")[0],
    )
