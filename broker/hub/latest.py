"""The latest messages of channels: what a newcomer gets who asks for so many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from broker.core.cursor import START, Cursor
from broker.core.encoder import Encoder
from broker.core.message import Message
from broker.hub.channel import Channel


def latest(
    channels: Sequence[Channel],
    encoder: Encoder,
    counts: Mapping[str, int],
    until: Cursor,
    limit_bytes: int,
) -> Sequence[bytes] | None:
    """
    Return the last messages of some channels, merged by cursor.

    Args:
        channels: The channels.
        encoder: The dialect.
        counts: How many of each, by name; none of others.
        until: Newest cursor that may be in it.
        limit_bytes: Most that they may hold together, one message excepted; the oldest are left
            out.

    Returns:
        None when the rings do not hold all that is kept, and the store has to be read.
    """
    wanted = [channel for channel in channels if counts.get(channel.name)]
    if not all(channel.answers(START) for channel in wanted):
        return None
    found = [
        (message.cursor, channel.encode(message, encoder))
        for channel in wanted
        for message in _last(channel, counts[channel.name], until)
    ]
    found.sort(reverse=True)
    frames: list[bytes] = []
    size = 0
    for _, frame in found:
        size += len(frame)
        if frames and size > limit_bytes:
            break
        frames.append(frame)
    frames.reverse()
    return frames


def begin_of_latest(channel: Channel, count: int, until: Cursor) -> Cursor | None:
    """
    Return the cursor behind which the last messages of a channel lie.

    Args:
        channel: The channel.
        count: How many.
        until: Newest cursor that may be among them; what is newer follows them.

    Returns:
        None when the ring does not hold all that is kept, and the store has to be read.
    """
    if not channel.answers(START):
        return None
    kept = _last(channel, count, until)
    return max(kept[0].prev, channel.ring.floor) if kept else until


def _last(channel: Channel, count: int, until: Cursor) -> Sequence[Message]:
    channel.expire(until.time)
    kept = [message for message in channel.ring.since(START) if message.cursor <= until]
    return kept[-count:]
