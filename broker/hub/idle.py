"""Idle feeds: those without subscribers, kept so that polls and quick reconnects find them."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from broker.hub.feed import Feed
    from broker.hub.surroundings import FeedKey

MOST_CHANNELS = 50_000
"""Channels of idle feeds, where nothing else is said; about 3 KiB each."""

_DOWN_TO = 0.9
"""Part of the bound that is left when feeds go early, so that they are looked through rarely."""

_REST_S = 1.0
"""Time until the next look where too few could go: somebody waits for every one of them."""


class Idle:
    """
    Feeds that may be idle, in the order in which they were last used.

    Whoever polls names channels, and each list that is new to the node makes a feed. They go after
    a while, and earlier, the oldest first, where they are too many.

    Args:
        linger_s: Seconds that an idle feed is kept.
        most_channels: Channels that they may have together (`max_idle_channels`).

    Attributes:
        channels: Channels that they have.
        early: Feeds that went before their time.
    """

    def __init__(self, linger_s: float, most_channels: int = MOST_CHANNELS) -> None:
        self._linger_s = linger_s
        self._most_channels = most_channels
        self._keys: OrderedDict[Feed, FeedKey] = OrderedDict()
        self._rests_until = 0.0
        self.channels = 0
        self.early = 0

    def is_full(self, now: float) -> bool:
        """Tell whether some have to go before there is another one, and may be able to."""
        return self.channels >= self._most_channels and now >= self._rests_until

    def add(self, feed: Feed, key: FeedKey, now: float) -> None:
        """Take in a feed without subscribers."""
        if feed not in self._keys:
            self._keys[feed] = key
            self.channels += len(feed.names)
        self.renew(feed, now)

    def renew(self, feed: Feed, now: float) -> None:
        """Take note that a feed is used."""
        feed.idle_since = now
        if feed in self._keys:
            self._keys.move_to_end(feed)

    def take_spent(self, now: float) -> list[tuple[Feed, FeedKey]]:
        """
        Take out the feeds that are to be dropped.

        Args:
            now: Loop time in seconds.
        """
        most = self._most_channels
        if self.channels >= most:
            most = int(most * _DOWN_TO)
            self._rests_until = now + _REST_S
        for feed in [feed for feed in self._keys if not feed.is_empty]:
            self._remove(feed)
        oldest = now - self._linger_s
        spent = []
        for feed, key in list(self._keys.items()):
            is_early = feed.idle_since > oldest
            if is_early and self.channels <= most:
                break
            if not feed.waiting:
                self._remove(feed)
                self.early += is_early
                spent.append((feed, key))
        if self.channels <= most:
            self._rests_until = now
        return spent

    def _remove(self, feed: Feed) -> None:
        del self._keys[feed]
        self.channels -= len(feed.names)
