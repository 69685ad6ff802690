"""Rates: how much each publisher may publish in a second."""

from __future__ import annotations

from collections.abc import Callable

from broker.core.bucket import Bucket
from broker.core.errors import TooMany


class Rates:
    """
    The rate of each API key; of everybody together where there are no keys.

    Args:
        rate: Messages a second (`max_publish_rate`); 0 for any number.
        clock: Seconds that never go back.
    """

    def __init__(self, rate: float, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._clock = clock
        self._buckets: dict[str, Bucket] = {}  # as many as there are keys

    def check(self, publisher: str) -> None:
        """
        Refuse a publisher that has used its rate up.

        Raises:
            TooMany: it has to wait; the error says for how long.
        """
        if not self._rate:
            return
        wait_s = self._bucket(publisher).wait_s(self._clock())
        if wait_s:
            raise TooMany(
                f"{self._rate:g} messages a second may be published with this key, and it has "
                f"published more (max_publish_rate); it may go on in {wait_s:.1f} s",
                limit=int(self._rate),
                setting="max_publish_rate",
                retry_after_s=wait_s,
            )

    def take(self, publisher: str, messages: int) -> None:
        """
        Count messages that a publisher is about to publish.

        Raises:
            TooMany: it has used its rate up; nothing is counted.
        """
        if self._rate:
            self.check(publisher)
            self._bucket(publisher).take(messages, self._clock())

    def _bucket(self, publisher: str) -> Bucket:
        bucket = self._buckets.get(publisher)
        if bucket is None:
            bucket = self._buckets[publisher] = Bucket(self._rate, self._clock())
        return bucket
