"""The stopwatch: how long some messages take from their acceptance to the sockets."""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable

from broker.core.cursor import Cursor
from broker.hub.pump import Pump
from broker.store.base import Publication, Stored
from broker.tracing import Publishing, Told, parent

PAUSE_S = 0.1
"""Time between two messages that are looked at: ten a second tell enough and cost nothing."""

MOST_MARKS = 64
"""Announcements that one message is looked for in; one that is not among them is not timed."""

Observe = Callable[[float], None]


class Stopwatch:
    """
    Times a message now and then, from its acceptance until live subscribers of this node have it.

    When announcements were handed to the hub, the cohorts that carry them stand in the pump's
    queue; a mark behind them has its turn when all of them were written to. The message is the one
    that its publisher's answer names, so nothing on the way has to carry a time.

    Args:
        clock: Seconds that never go back.
        pump: Where cohorts have their turns.
        is_wanted: Tells whether a tenant's channel has subscribers on this node.
        observe: Takes the seconds.
        told: Takes all that was seen of it, and of messages without readers here as well; None
            where nobody wants to know.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        pump: Pump,
        is_wanted: Callable[[str, str], bool],
        observe: Observe,
        told: Told | None = None,
    ) -> None:
        self._clock = clock
        self._pump = pump
        self._is_wanted = is_wanted
        self._observe = observe
        self._told = told
        self._next = 0.0
        self._lap: _Lap | None = None

    def accepted(self, tenant: str, publication: Publication, answer: Future[Stored]) -> None:
        """Take note of a publication that was taken."""
        now = self._clock()
        if now < self._next or not publication.drafts:
            return
        self._next = now + PAUSE_S
        drafts = publication.drafts
        is_wanted = self._is_wanted(tenant, drafts[-1].channel)
        if not is_wanted and self._told is None:
            return
        seen = Publishing(tenant, drafts[-1].channel, len(drafts), "", parent.get(), now, now)
        lap = _Lap(seen, self._clock, self._observe if is_wanted else None, self._told)
        answer.add_done_callback(lap.answered)
        if is_wanted:
            self._lap = lap

    def handed(self, tenant: str, cursor: Cursor) -> None:
        """Take note that everything up to a cursor was handed to the hub."""
        lap = self._lap
        if lap is None or lap.tenant != tenant:
            return
        if lap.is_over:
            self._lap = None
        elif lap.marks < MOST_MARKS:
            lap.marks += 1
            self._pump.queue(_Mark(lap, cursor, self._clock))


class _Lap:
    """
    One message that is timed.

    Args:
        seen: What is known of it.
        clock: Seconds that never go back.
        observe: Takes the seconds until it was written; None where nobody here reads it.
        told: Takes all that was seen; None where nobody wants to know.

    Attributes:
        tenant: Whose it is.
        marks: Marks that were set for it.
        is_over: Whether its time is known, or never will be.
    """

    def __init__(
        self,
        seen: Publishing,
        clock: Callable[[], float],
        observe: Observe | None,
        told: Told | None,
    ) -> None:
        self.tenant = seen.tenant
        self.marks = 0
        self.is_over = False
        self._seen = seen
        self._clock = clock
        self._observe = observe
        self._told = told
        self._cursor: Cursor | None = None
        self._written: list[tuple[Cursor, float, float]] = []

    def answered(self, answer: Future[Stored]) -> None:
        """Take note of what became of the message."""
        if answer.cancelled() or answer.exception() is not None or answer.result().repeated:
            self.is_over = True
            return
        self._cursor = answer.result().stamps[-1].cursor
        self._seen = self._seen._replace(cursor=str(self._cursor), stamped=self._clock())
        if self._observe is None:
            self._end(self._seen)
        for cursor, handed, written in self._written:
            self.written(cursor, handed, written)

    def written(self, cursor: Cursor, handed: float, now: float) -> None:
        """
        Take note that everything up to a cursor was written.

        Args:
            cursor: The cursor.
            handed: When it was handed to the hub.
            now: When it was written.
        """
        if self._cursor is None:
            self._written.append((cursor, handed, now))
        elif not self.is_over and cursor >= self._cursor:
            if self._observe is not None:
                self._observe(now - self._seen.accepted)
            self._end(self._seen._replace(announced=handed, written=now))

    def _end(self, seen: Publishing) -> None:
        self.is_over = True
        if self._told is not None:
            self._told(seen)


class _Mark:
    """A turn that says when those before it were over."""

    __slots__ = ("_clock", "_cursor", "_handed", "_lap", "queued")

    def __init__(self, lap: _Lap, cursor: Cursor, clock: Callable[[], float]) -> None:
        self._lap = lap
        self._cursor = cursor
        self._clock = clock
        self._handed = clock()
        self.queued = False

    def flush(self) -> int:
        self._lap.written(self._cursor, self._handed, self._clock())
        return 0
