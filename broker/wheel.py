"""The timer wheel: one timer for everything that must happen later on any connection."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Protocol
import asyncio
import logging

_log = logging.getLogger(__name__)

_AGAIN_S = 60.0
"""Seconds until what failed is visited again."""


class Timed(Protocol):
    """Something that is visited when its time comes."""

    def due(self, now: float) -> float | None:
        """
        Do what is due.

        Args:
            now: Loop time in seconds; up to one resolution after the time asked for.

        Returns:
            The loop time of the next visit, or None to be dropped.
        """


class Wheel:
    """
    Visits items at about the time they asked for, in slots of one resolution.

    An item stands in the wheel once: whoever wants an earlier or later visit changes what the
    item's `due` looks at, not the wheel. So connections own no timer, and a thousand of them that
    are due together cost one wake-up (`design.md` section 10, rule 10). One that fails is visited
    again a minute later.

    Args:
        loop: Whose clock and timers are used.
        resolution_s: Length of a slot, and the greatest lateness.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, resolution_s: float = 0.1) -> None:
        self._loop = loop
        self._resolution_s = resolution_s
        self._slots: dict[int, list[Timed]] = {}
        self._numbers: list[int] = []  # of the slots, as a heap
        self._timer: asyncio.TimerHandle | None = None
        self._armed = 0
        self._is_stopped = False

    def add(self, item: Timed, at: float) -> None:
        """Have the item visited at loop time `at`, or in the next slot if that has passed."""
        if self._is_stopped:
            return
        number = int(max(at, self._loop.time()) / self._resolution_s) + 1
        slot = self._slots.get(number)
        if slot is None:
            slot = self._slots[number] = []
            heappush(self._numbers, number)
            self._arm()
        slot.append(item)

    def stop(self) -> None:
        """Forget every item, those that are due now and those that come later too."""
        self._is_stopped = True
        self._slots.clear()
        self._numbers.clear()
        self._arm()

    def _arm(self) -> None:
        """Set the timer to the first slot, unless it is."""
        first = self._numbers[0] if self._numbers else None
        if self._timer is not None:
            if self._armed == first:
                return
            self._timer.cancel()
            self._timer = None
        if first is not None:
            self._armed = first
            self._timer = self._loop.call_at(first * self._resolution_s, self._turn)

    def _turn(self) -> None:
        self._timer = None
        now = self._loop.time()
        due: list[Timed] = []
        while self._numbers and self._numbers[0] * self._resolution_s <= now:
            due += self._slots.pop(heappop(self._numbers))
        for item in due:
            if self._is_stopped:
                break
            self._visit(item, now)
        self._arm()

    def _visit(self, item: Timed, now: float) -> None:
        try:
            again = item.due(now)
        except Exception:  # noqa: BLE001 - the others are due as well
            _log.exception("what was due failed")
            again = now + _AGAIN_S  # pings, expiries: what is due now and then must not end
        if again is not None:
            self.add(item, again)
