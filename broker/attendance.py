"""Attendance: which sessions a node has, by what lets them in."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from broker.core.errors import TokenExpired
from broker.core.grants import Grants
from broker.core.session import Session
from broker.wheel import Wheel

_VISIT_S = 60.0
"""Longest time that a token is remembered here after its last session left."""


class Attendance:
    """
    The sessions of a node, so that those of a token can be found and closed.

    Sessions of one token share one entry in the timer wheel, and end when it expires.

    Args:
        wheel: Visits each token now and then, and when it expires.
        clock: Loop time in seconds.
        wall_clock: Seconds since the epoch.
    """

    def __init__(
        self, wheel: Wheel, clock: Callable[[], float], wall_clock: Callable[[], float]
    ) -> None:
        self._wheel = wheel
        self._clock = clock
        self._wall_clock = wall_clock
        self._groups: dict[Grants | None, _Group] = {}
        self.count = 0

    def __iter__(self) -> Iterator[Session]:
        for group in list(self._groups.values()):
            yield from list(group.sessions)

    def join(self, session: Session) -> None:
        """Note a session that is about to be attached."""
        group = self._groups.get(session.grants)
        if group is None:
            group = self._groups[session.grants] = _Group(self, session.grants)
            self._wheel.add(group, self._next_visit(session.grants))
        group.sessions.add(session)
        self.count += 1

    def leave(self, session: Session) -> None:
        """Forget a session that has left its feed."""
        group = self._groups.get(session.grants)
        if group is not None and session in group.sessions:
            group.sessions.discard(session)
            self.count -= 1

    def visit(self, group: _Group) -> float | None:
        """End the sessions of an expired token, forget one without sessions."""
        expires_at = None if group.grants is None else group.grants.expires_at
        if expires_at is not None and expires_at <= self._wall_clock():
            for session in list(group.sessions):
                session.end(TokenExpired("the token has expired", field="exp"))
        if not group.sessions:
            del self._groups[group.grants]
            return None
        return self._next_visit(group.grants)

    def _next_visit(self, grants: Grants | None) -> float:
        wait_s = _VISIT_S
        if grants is not None and grants.expires_at is not None:
            wait_s = min(wait_s, max(0.0, grants.expires_at - self._wall_clock()))
        return self._clock() + wait_s


class _Group:
    """The sessions of one token; in the timer wheel while it is remembered."""

    __slots__ = ("_attendance", "grants", "sessions")

    def __init__(self, attendance: Attendance, grants: Grants | None) -> None:
        self._attendance = attendance
        self.grants = grants
        self.sessions: set[Session] = set()

    def due(self, now: float) -> float | None:  # noqa: ARG002 - the attendance has its own clocks
        return self._attendance.visit(self)
