"""
Collecting garbage without stopping the traffic.

A full collection looks at every object: with 10,000 subscribers it would stop the loop for a third
of a second, and Python begins one whenever a quarter more has come to stay. What has lived for a
while is therefore set aside (`gc.freeze`), and looked at again only when there is much more of it
than connections and rings explain. Nearly everything here is freed by its last reference, set aside
or not; only what refers to itself, as some tracebacks do, waits for the next full collection.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
import gc

LOOK_S: Final = 10.0
"""Seconds after which what is still there is set aside."""
YOUNG: Final = 5_000
"""New objects, less those freed, after which the young ones are looked at."""
FEWEST: Final = 500_000
"""Objects that nobody explains which may be set aside before all are looked at."""
_OLD: Final = 2
"""The generation of those who survived; setting aside empties it."""
_NEVER: Final = 1_000_000
"""Collections of the young after which Python would begin a full one by itself."""


class Collector:
    """
    Sets aside what lives long; an item of the timer wheel.

    Args:
        explained: Tells about how many objects the traffic keeps.
    """

    def __init__(self, explained: Callable[[], int] = int) -> None:
        self._explained = explained
        self._aside = 0  # at most: who was freed since is not taken off
        self._most = FEWEST

    def start(self) -> None:
        """Set aside what start-up made."""
        gc.set_threshold(YOUNG, gc.get_threshold()[1], _NEVER)
        self._collect_all()

    def due(self, now: float) -> float:
        """Set aside what has come to stay, or look through everything; see `wheel.Timed`."""
        gc.collect(1)
        self._aside += len(gc.get_objects(_OLD))
        gc.freeze()
        if self._aside - self._explained() > self._most:
            self._aside = gc.get_freeze_count()  # looks at each of them, so it is asked now only
            if self._aside - self._explained() > self._most:
                gc.unfreeze()
                self._collect_all()
        return now + LOOK_S

    def _collect_all(self) -> None:
        gc.collect()
        gc.freeze()
        self._aside = gc.get_freeze_count()
        self._most = max(FEWEST, 2 * (self._aside - self._explained()))
