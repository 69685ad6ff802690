"""What can be wrong with a configuration of nginx."""

from __future__ import annotations

from broker.core.rules import Place


class BadConfiguration(Exception):
    """
    A configuration cannot be read.

    Args:
        place: Where it stops being readable.
        fault: What is wrong there.
    """

    def __init__(self, place: Place, fault: str) -> None:
        super().__init__(place, fault)
        self.place = place
        self.fault = fault

    def __str__(self) -> str:
        return f"{self.place}: {self.fault}"
