"""The waiting room: how many subscribers may wait for the store at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from broker.core.errors import Unavailable

PLACES = 10_000
"""Subscribers that may wait, where nothing else is said."""


class WaitingRoom:
    """
    Bounds what a storm of subscribers can pile up before a store that is slow or away.

    Args:
        places: How many may wait (`max_waiting_subscribers`).

    Attributes:
        waiting: How many wait.
    """

    def __init__(self, places: int = PLACES) -> None:
        self._places = places
        self.waiting = 0

    @property
    def is_full(self) -> bool:
        """Whether nobody else may wait."""
        return self.waiting >= self._places

    @contextmanager
    def place(self) -> Iterator[None]:
        """
        Wait, for the length of a block.

        Raises:
            Unavailable: nobody else may wait.
        """
        if self.is_full:
            raise Unavailable(
                f"{self._places} subscribers wait for the store already (max_waiting_subscribers)",
                limit=self._places,
                setting="max_waiting_subscribers",
            )
        self.waiting += 1
        try:
            yield
        finally:
            self.leave(1)

    def take(self) -> bool:
        """Take a place until `leave`; False where nobody else may wait."""
        if self.is_full:
            return False
        self.waiting += 1
        return True

    def leave(self, places: int) -> None:
        """Give places back."""
        self.waiting -= places
