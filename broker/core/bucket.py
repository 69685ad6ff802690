"""The bucket: a rate that may be used up at once, and is paid for afterwards."""

from __future__ import annotations


class Bucket:
    """
    So many a second, and at any moment as many as in one second, but at least one.

    As long as one is left, any amount may be taken; what is taken beyond goes into debt,
    and nothing more is given until that is paid: a batch larger than the rate passes, and costs its
    time.

    Args:
        rate: How many a second; more than 0.
        now: Seconds on a clock that never goes back.
    """

    __slots__ = ("_at", "_left", "_most", "_rate")

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._most = self._left = max(1.0, rate)
        self._at = now

    def wait_s(self, now: float) -> float:
        """Return the seconds until something may be taken; 0 when that is now."""
        self._fill(now)
        return max(0.0, (1.0 - self._left) / self._rate)

    def take(self, amount: float, now: float) -> None:
        """Take an amount, whatever is left."""
        self._fill(now)
        self._left -= amount

    def _fill(self, now: float) -> None:
        self._left = min(self._most, self._left + max(0.0, now - self._at) * self._rate)
        self._at = max(now, self._at)
