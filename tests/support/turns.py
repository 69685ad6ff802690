"""Turns that are given by hand."""

from __future__ import annotations

from collections import deque

from broker.hub.pump import Turn

MOST_TURNS = 10_000
"""Turns after which writing counts as something that never ends."""


class HandPump:
    """
    Gives one turn at a time, when it is told to.

    Attributes:
        waiting: Who waits for a turn.
    """

    def __init__(self) -> None:
        self.waiting: deque[Turn] = deque()

    def queue(self, item: Turn) -> None:
        """Give the item a turn some time."""
        if not item.queued:
            item.queued = True
            self.waiting.append(item)

    def turn(self) -> int:
        """Give the next turn; return the writes made."""
        return self.waiting.popleft().flush() if self.waiting else 0

    def run(self) -> int:
        """Give turns until nobody waits; return the writes made."""
        writes = 0
        for _ in range(MOST_TURNS):
            if not self.waiting:
                return writes
            writes += self.turn()
        raise AssertionError("the turns do not end")
