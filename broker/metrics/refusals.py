"""Refusals, counted by what they are and by the limit that was reached."""

from __future__ import annotations

from broker.core.errors import BrokerError
from broker.metrics.meters import Meters


class Refusals:
    """
    Counts the refusals of a listener.

    Args:
        meters: Where.
        listener: Its name.
    """

    def __init__(self, meters: Meters, listener: str) -> None:
        self._refusals = meters.connecting.refusals
        self._reached = meters.limiting.reached
        self._listener = listener

    def count(self, error: BrokerError) -> None:
        """Count a refusal, and the limit behind it where there is one."""
        self._refusals.of(self._listener, error.slug).add()
        if error.setting is not None:
            self._reached.of(error.setting).add()
