"""Slow readers: what they get of channels that do not wait for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from broker.core.cursor import Cursor
from broker.core.encoder import Encoder, Gap
from broker.core.errors import TooSlow
from broker.core.recovery import Span
from broker.core.rules import SlowPolicy
from broker.core.session import Session, Slow
from broker.hub.channel import Channel
from broker.hub.replay import Piece, Source, replay

if TYPE_CHECKING:
    from broker.hub.feed import Feed


class Newest:
    """
    A channel of which the newest message stands for all before it.

    Args:
        channel: The channel.
        until: Cursor up to which everything is known: now.
    """

    def __init__(self, channel: Channel, until: Cursor) -> None:
        self.name = channel.name
        self.ring = channel.ring
        self.answers = channel.answers
        self.first_after = channel.first_after
        self._encode = channel.encode
        self._newest = channel.ring.newest(until)

    def span(self, encoder: Encoder, after: Cursor, limit: int | None = None) -> Span[bytes]:  # noqa: ARG002 - it is one message at most
        """Return the newest message in a dialect, unless the cursor is past it."""
        newest = self._newest
        if newest is None or newest.cursor <= after:
            return Span((), ())
        return Span((newest.cursor,), (self._encode(newest, encoder),))

    def skipped(self, after: Cursor, until: Cursor) -> Iterator[Gap]:
        """Give how many messages are left out between two cursors, if any are."""
        newest = None if self._newest is None else self._newest.cursor
        left_out = [each for each in self.ring.between(after, until) if each != newest]
        if left_out:
            last = left_out[-1]
            yield Gap(self.name, after, self.first_after(last), last, len(left_out))


def catch_up(
    channels: Sequence[Channel],
    encoder: Encoder,
    after: Cursor,
    until: Cursor,
    limit_bytes: int,
    slow: Slow | None,
) -> Piece | None:
    """
    Return what follows a cursor (see `replay`), of conflated channels less if the reader is slow.

    Everything up to the moment in which it became slow; then, of those, the newest message.

    Args:
        channels: Whose messages.
        encoder: The dialect.
        after: The reader's cursor; before `until`.
        until: Everything up to here is in the rings, as far as it is kept.
        limit_bytes: Most that the frames may hold together, one message excepted.
        slow: Since when the reader is slow, if it is.
    """
    if slow is None or not _any(channels, SlowPolicy.CONFLATE):
        return replay(channels, encoder, after, until, limit_bytes)
    if after < slow.after:
        missed = replay(channels, encoder, after, slow.after, limit_bytes)
        if missed is None or missed.frames or missed.gaps or slow.after >= until:
            return _unfinished(missed, until)
        after = slow.after
    return _replay_newest(channels, encoder, after, until, limit_bytes)


def is_conflated(session: Session, channels: Sequence[Channel]) -> bool:
    """Tell whether a reader of these channels is slow, and messages may be left out for it."""
    return session.slow is not None and _any(channels, SlowPolicy.CONFLATE)


def send_away(session: Session, feed: Feed) -> bool:
    """Send away a reader that has been slow for too long; tell whether it was."""
    slow = session.slow
    if slow is None or not _any(feed.channels, SlowPolicy.CLOSE):
        return False
    limit_s = feed.around.limits.slow_s
    if feed.around.clock() - slow.since < limit_s:
        return False
    behind = max(session.cursor, slow.after)
    missed = [each for each in feed.channels if _closes(each) and _has_more(each, behind)]
    if not missed:
        return False
    feed.flow.too_slow += 1
    session.end(
        TooSlow(
            f"{missed[0].name} does not wait for a reader that is behind for more than "
            f"{limit_s:g} s (slow_reader_s)",
            setting="slow_reader_s",
        )
    )
    return True


def review(feed: Feed) -> None:
    """Give slow readers of a feed a turn, if a channel does not wait for them."""
    if feed.lagging and _any(feed.channels, SlowPolicy.CLOSE):
        for session in feed.lagging:
            if session.slow is not None:
                feed.resume(session)


def _replay_newest(
    channels: Sequence[Channel], encoder: Encoder, after: Cursor, until: Cursor, limit_bytes: int
) -> Piece | None:
    sources: list[Source] = []
    conflated: list[Newest] = []
    for channel in channels:
        if channel.slow_policy is SlowPolicy.CONFLATE:
            conflated.append(Newest(channel, until))
            sources.append(conflated[-1])
        else:
            sources.append(channel)
    piece = replay(sources, encoder, after, until, limit_bytes)
    if piece is None:
        return None
    skipped = [gap for each in conflated for gap in each.skipped(after, piece.cursor)]
    return piece._replace(gaps=[*piece.gaps, *skipped])


def _unfinished(piece: Piece | None, until: Cursor) -> Piece | None:
    """Return a piece that ended before now as one that another follows."""
    return piece if piece is None or piece.cursor >= until else piece._replace(complete=False)


def _any(channels: Sequence[Channel], policy: SlowPolicy) -> bool:
    return any(channel.slow_policy is policy for channel in channels)


def _closes(channel: Channel) -> bool:
    return channel.slow_policy is SlowPolicy.CLOSE


def _has_more(channel: Channel, after: Cursor) -> bool:
    """Tell whether there were messages after a cursor, kept or not."""
    return channel.ring.floor > after or bool(channel.ring.since(after, 1))
