"""The budget: how much memory the local rings of a node may take together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from operator import attrgetter

from broker.core.ring import Tally
from broker.hub.channel import Channel

_EXPIRED_AT_ONCE = 512
"""Channels whose old messages are dropped at one visit: well under a millisecond."""

_SHED_TO = 0.9
"""Part of the budget down to which is shed, so that channels are sorted now and then only."""

_used_at = attrgetter("used_at")


class Budget:
    """
    Keeps local rings within their memory: what nobody has read from for longest goes first.

    Nothing is looked through as long as the budget is kept; what rings and encoded forms take is
    counted as they grow. Beyond it, rings are emptied: their channels go on, and whoever needs
    older messages has them read from the store again.

    Args:
        limit_bytes: Memory of all rings and encoded forms together.
        channels: Gives every channel, with the time of its tenant's clock in seconds.

    Attributes:
        tally: What they take now.
        sheds: Times that they took too much.
    """

    def __init__(
        self, limit_bytes: int, channels: Callable[[], Iterable[tuple[Channel, int]]]
    ) -> None:
        self.tally = Tally()
        self.sheds = 0
        self._limit_bytes = limit_bytes
        self._channels = channels
        self._unvisited: Iterator[tuple[Channel, int]] = iter(())

    def keep(self) -> None:
        """Drop old messages of some channels; if rings take too much, empty the least used."""
        self._expire()
        if self.tally.bytes > self._limit_bytes:
            self.sheds += 1
            self._shed(int(self._limit_bytes * _SHED_TO))

    def _expire(self) -> None:
        """Visit the next few channels, so that quiet ones give their memory back too."""
        visited = 0
        for channel, now in islice(self._unvisited, _EXPIRED_AT_ONCE):
            channel.expire(now)
            visited += 1
        if visited < _EXPIRED_AT_ONCE:
            self._unvisited = iter(list(self._channels()))

    def _shed(self, target_bytes: int) -> None:
        kept = [channel for channel, _ in self._channels() if len(channel.ring)]
        for channel in sorted(kept, key=_used_at):
            if self.tally.bytes <= target_bytes:
                return
            if channel.pending is None:
                channel.shed()
