"""The gathering: whether it pays to wait for more publications before a store call."""

from __future__ import annotations

from typing import Final

WINDOW_S: Final = 1.0
"""Seconds that the greatest crowd is remembered, at least; at most twice as long."""

ENOUGH_MESSAGES: Final = 16
"""Messages in a call from which on waiting for more saves next to nothing."""


class Gathering:
    """
    Counts the publications of a tenant that wait for their answers, and the most of late.

    A store call costs as much as twenty messages in it, so messages should share one. Waiting for
    others helps only if others come: publishers that wait for their own answers do not. The most
    publications that waited together of late tell how many publishers there are; once as many are
    here, none is waited for. So one publisher alone, however fast, never waits, and publishers that
    come one by one, a thousand a second, share calls.
    """

    __slots__ = ("_before", "_most", "_since", "_waiting")

    def __init__(self) -> None:
        self._waiting = 0
        self._most = 0
        self._before = 0
        self._since = 0.0

    def enter(self, now: float) -> None:
        """Count a publication that came, at this time of the loop's clock."""
        age = now - self._since
        if age >= WINDOW_S:
            self._before = self._most if age < 2 * WINDOW_S else 0
            self._most = self._waiting
            self._since = now
        self._waiting += 1
        self._most = max(self._most, self._waiting)

    def leave(self, count: int) -> None:
        """Count publications that were answered."""
        self._waiting -= count

    def is_complete(self, messages: int) -> bool:
        """Tell whether nobody need be waited for before a call with so many messages."""
        if messages >= ENOUGH_MESSAGES:
            return True
        return self._waiting >= max(self._most, self._before)
