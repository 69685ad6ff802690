"""The channels of a request to a mount: from its query, its path, or the mount itself."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import unquote
import re

from broker.api.call import Call
from broker.core.channels import RESERVED, parse_channels, shown
from broker.core.errors import BadChannel, ChannelForbidden
from broker.core.mounts import Mount
from broker.core.publisher_mounts import PublisherMount
from broker.settings import Settings

WILD = "*"
"""Stands for the rest of a name in statistics."""

_BACKTRACK = re.compile(r"\.b[0-9]+(?=/|%2[fF]|$)")


class NoChannel(BadChannel):
    """A request names no channel at all."""


def raw_names(call: Call, mount: Mount) -> str:
    """
    Return the channel list of a request, still percent-encoded.

    Of an argument that comes twice the first counts; its name may be in any case.

    Source: push-stream reference, sections 5 and 7.2.
    """
    if not mount.argument:
        return call.rest
    for pair in call.request.raw_path.partition("?")[2].split("&"):
        name, _, value = pair.partition("=")
        if name.lower() == mount.argument:
            return value
    return ""


def publish_channels(call: Call, mount: PublisherMount, settings: Settings) -> tuple[str, ...]:
    """
    Return the channels that a publisher names.

    Args:
        call: Its request.
        mount: Where it came.
        settings: Limits.

    Raises:
        BadChannel: It names none, or a malformed one.
        TooManyChannels: It names too many.
        ChannelForbidden: A name stands for several channels, or the mount does not serve it.
    """
    if mount.fixed:
        names: Sequence[str] = mount.fixed
    else:
        raw = raw_names(call, mount)
        names = parse_names(_BACKTRACK.sub("", raw) if mount.backtrack else raw, settings)
    channels = tuple(mount.prefix + name for name in names)
    for channel in channels:
        if not mount.allows(channel):
            raise ChannelForbidden(
                f"the mount does not serve the channel {shown(channel)}", field="channels"
            )
    return channels


def parse_names(raw: str, settings: Settings) -> tuple[str, ...]:
    """
    Read a channel list; see `parse_channels`. One slash in front is left out.

    Raises:
        NoChannel: It is empty.
        ChannelForbidden: A name stands for several channels: only statistics take that.
    """
    raw = raw.removeprefix("/")  # the module's own client begins with one
    if not raw:
        raise NoChannel("the request names no channel", field="channels")
    try:
        return parse_channels(
            raw, settings.max_publish_channels, settings.max_channel_bytes, "max_publish_channels"
        )
    except BadChannel as error:
        names = unquote(raw)
        if WILD in names or RESERVED in names.split("/"):
            raise ChannelForbidden(error.detail, field="channels") from None
        raise
