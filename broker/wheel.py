"""The timer wheel: one timer for everything that must happen later on any connection."""

from __future__ import annotations

from typing import Protocol
import asyncio


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
    are due together cost one wake-up (`design.md` section 10, rule 10).

    Args:
        loop: Whose clock and timers are used.
        resolution_s: Length of a slot, and the greatest lateness.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, resolution_s: float = 0.1) -> None:
        self._loop = loop
        self._resolution_s = resolution_s
        self._slots: dict[int, list[Timed]] = {}
        self._next = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, item: Timed, at: float) -> None:
        """Have the item visited at loop time `at`, or in the next slot if that has passed."""
        if self._timer is None:
            self._next = int(self._loop.time() / self._resolution_s) + 1
            self._arm()
        slot = max(int(at / self._resolution_s) + 1, self._next)
        self._slots.setdefault(slot, []).append(item)

    def stop(self) -> None:
        """Forget every item."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._slots.clear()

    def _arm(self) -> None:
        self._timer = self._loop.call_at(self._next * self._resolution_s, self._turn)

    def _turn(self) -> None:
        now = self._loop.time()
        current = int(now / self._resolution_s)
        while self._next <= current:
            items = self._slots.pop(self._next, ())
            self._next += 1
            for item in items:
                again = item.due(now)
                if again is not None:
                    slot = max(int(again / self._resolution_s) + 1, self._next)
                    self._slots.setdefault(slot, []).append(item)
        if self._slots:
            self._arm()
        else:
            self._timer = None
