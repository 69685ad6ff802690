"""Attendance: which sessions a node has, by what lets them in."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from broker.core.errors import TokenExpired
from broker.core.grants import Grants
from broker.core.session import Session
from broker.wheel import Wheel


class Attendance:
    """
    The sessions of a node, so that those of a token can be found and closed.

    Sessions of one token share one entry in the timer wheel: they end when it expires.

    Args:
        wheel: Visits each token when it expires.
        until: Gives the loop time of a moment in seconds since the epoch.
    """

    def __init__(self, wheel: Wheel, until: Callable[[float], float]) -> None:
        self._wheel = wheel
        self._until = until
        self._groups: dict[Grants | None, _Group] = {}
        self.count = 0

    def __iter__(self) -> Iterator[Session]:
        for group in list(self._groups.values()):
            yield from list(group.sessions)

    def join(self, session: Session) -> None:
        """Note a session that was attached."""
        group = self._groups.get(session.grants)
        if group is None:
            group = self._groups[session.grants] = _Group(session.grants, self._until)
            if session.grants is not None and session.grants.expires_at is not None:
                self._wheel.add(group, self._until(session.grants.expires_at))
        group.sessions.add(session)
        self.count += 1

    def leave(self, session: Session) -> None:
        """Forget a session that has left its feed."""
        group = self._groups.get(session.grants)
        if group is None or session not in group.sessions:
            return
        group.sessions.discard(session)
        self.count -= 1
        if not group.sessions and (group.grants is None or group.grants.expires_at is None):
            del self._groups[session.grants]


class _Group:
    """Sessions of one token; visited when it expires."""

    __slots__ = ("grants", "sessions", "until")

    def __init__(self, grants: Grants | None, until: Callable[[float], float]) -> None:
        self.grants = grants
        self.until = until
        self.sessions: set[Session] = set()

    def due(self, now: float) -> float | None:
        """End every session of the expired token."""
        if self.grants is None or self.grants.expires_at is None:
            return None
        at = self.until(self.grants.expires_at)
        if at > now:
            return at
        for session in list(self.sessions):
            session.end(TokenExpired("the token has expired", field="exp"))
        return None
