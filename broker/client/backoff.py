"""How long to wait before coming back."""

from __future__ import annotations

from collections.abc import Callable

from broker.client.options import ClientOptions

STEADY_S = 5.0
"""Seconds that a connection must have held for the next retry to be a quick one."""


class Backoff:
    """
    The waits of one subscription.

    A connection that held is made anew within a moment, because restarts are short; after that
    the waits are long and random, so that a crowd does not come back at once (D49).

    Args:
        options: Shortest and longest waits.
        uniform: Gives a random number between two.
    """

    def __init__(self, options: ClientOptions, uniform: Callable[[float, float], float]) -> None:
        self._options = options
        self._uniform = uniform
        self._quick = True

    def held(self, seconds: float) -> None:
        """Take note of how long a connection held."""
        if seconds >= STEADY_S:
            self._quick = True

    def next_s(self, asked_s: float | None = None) -> float:
        """
        Return the seconds to wait now.

        Args:
            asked_s: What the broker asks for, if it does; heeded up to the longest wait.
        """
        quick, self._quick = self._quick, False
        shortest_s, longest_s = self._options.retry_s
        if asked_s is not None:
            return min(asked_s, longest_s)
        if quick:
            return self._uniform(0.0, min(self._options.quick_retry_s, longest_s))
        return self._uniform(shortest_s, longest_s)
