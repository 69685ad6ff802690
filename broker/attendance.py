"""Attendance: which sessions a node has, by what lets them in."""

from __future__ import annotations

from collections import Counter as Multiset
from collections.abc import Callable, Iterable, Iterator
import logging

from broker.core.errors import TokenExpired
from broker.core.grants import Grants
from broker.core.revocations import Revocation
from broker.core.session import Session
from broker.wheel import Wheel

_log = logging.getLogger(__name__)

_VISIT_S = 60.0
"""Longest time that a token is remembered here after its last session left."""


class Bearers:
    """
    The sessions of one token; in the timer wheel while it is remembered.

    Attributes:
        grants: What the token allows; None for those without a token.
        sessions: Who came with it.
    """

    __slots__ = ("_visit", "grants", "sessions")

    def __init__(self, grants: Grants | None, visit: Callable[[Bearers], float | None]) -> None:
        self.grants = grants
        self.sessions: set[Session] = set()
        self._visit = visit

    def due(self, now: float) -> float | None:  # noqa: ARG002 - the attendance has its own clocks
        """Have the attendance look after the token."""
        return self._visit(self)


class Attendance:
    """
    The sessions of a node, so that those of a token can be found and closed.

    Sessions of one token share one entry in the timer wheel, and end when it expires.

    Args:
        wheel: Visits each token now and then, and when it expires.
        clock: Loop time in seconds.
        wall_clock: Seconds since the epoch.

    Attributes:
        count: How many sessions there are.
    """

    def __init__(
        self, wheel: Wheel, clock: Callable[[], float], wall_clock: Callable[[], float]
    ) -> None:
        self._wheel = wheel
        self._clock = clock
        self._wall_clock = wall_clock
        self._bearers: dict[Grants | None, Bearers] = {}
        self._by_jti = _Index()
        self._by_sub = _Index()
        self._clients: dict[Session, str] = {}
        self._by_client: Multiset[str] = Multiset()
        self.count = 0

    def __iter__(self) -> Iterator[Session]:
        for bearers in self.tokens:
            yield from list(bearers.sessions)

    @property
    def tokens(self) -> list[Bearers]:
        """Every token, and who came without one."""
        return list(self._bearers.values())

    def of_subject(self, subject: str) -> Iterator[Session]:
        """Give the sessions of a subject, of any tenant, with whichever tokens."""
        for bearers in list(self._by_sub.find(subject)):
            yield from list(bearers.sessions)

    def count_subject(self, grants: Grants) -> int:
        """Return how many sessions the subject of a token has, with whichever tokens."""
        return sum(
            len(bearers.sessions)
            for bearers in self._by_sub.find(grants.subject)
            if bearers.grants is not None and bearers.grants.tenant == grants.tenant
        )

    def count_client(self, client: str) -> int:
        """Return how many sessions a client behind a proxy has."""
        return self._by_client[client]

    def join(self, session: Session, client: str = "") -> None:
        """
        Note a session that is about to be attached.

        Args:
            session: The session.
            client: Who is behind a proxy, where that is counted.
        """
        if client:
            self._clients[session] = client
            self._by_client[client] += 1
        session.begun = session.begun or self._clock()
        grants = session.grants
        bearers = self._bearers.get(grants)
        if bearers is None:
            bearers = self._bearers[grants] = Bearers(grants, self._visit)
            if grants is not None:
                self._by_jti.add(grants.jti, bearers)
                self._by_sub.add(grants.subject, bearers)
            self._wheel.add(bearers, self._next_visit(grants))
        bearers.sessions.add(session)
        self.count += 1

    def leave(self, session: Session) -> None:
        """Forget a session that has left its feed."""
        bearers = self._bearers.get(session.grants)
        if bearers is not None and session in bearers.sessions:
            bearers.sessions.discard(session)
            self.count -= 1
            if self._clients:
                self._leave_client(session)

    def _leave_client(self, session: Session) -> None:
        client = self._clients.pop(session, "")
        if client:
            self._by_client[client] -= 1
            if not self._by_client[client]:
                del self._by_client[client]

    def move(self, session: Session, grants: Grants) -> None:
        """Let a session that is attached go on with another token."""
        client = self._clients.get(session, "")
        self.leave(session)
        session.grants = grants
        self.join(session, client)

    def concerned(self, revocations: Iterable[Revocation]) -> Iterator[Bearers]:
        """Yield the tokens that revocations may be about: of the same id, subject or tenant."""
        tenants = set()
        for revocation in revocations:
            if revocation.jti:
                yield from self._by_jti.find(revocation.jti)
            elif revocation.sub:
                yield from self._by_sub.find(revocation.sub)
            else:
                tenants.add(revocation.tenant)
        if tenants:
            for bearers in self._bearers.values():
                if bearers.grants is not None and bearers.grants.tenant in tenants:
                    yield bearers

    def _visit(self, bearers: Bearers) -> float | None:
        """End the sessions of an expired token, forget one without sessions."""
        grants = bearers.grants
        expires_at = None if grants is None else grants.expires_at
        if expires_at is not None and expires_at <= self._wall_clock():
            for session in list(bearers.sessions):
                try:
                    session.end(TokenExpired("the token has expired", field="exp"))
                except Exception:  # noqa: BLE001 - the others end as well
                    _log.exception("a session could not be ended")
        if bearers.sessions:
            return self._next_visit(grants)
        del self._bearers[grants]
        if grants is not None:
            self._by_jti.remove(grants.jti, bearers)
            self._by_sub.remove(grants.subject, bearers)
        return None

    def _next_visit(self, grants: Grants | None) -> float:
        wait_s = _VISIT_S
        if grants is not None and grants.expires_at is not None:
            wait_s = min(wait_s, max(0.0, grants.expires_at - self._wall_clock()))
        return self._clock() + wait_s


class _Index:
    """Tokens by a name in them: the only one as it is, several as a set, since most are alone."""

    def __init__(self) -> None:
        self._named: dict[str, Bearers | set[Bearers]] = {}

    def add(self, name: str | None, bearers: Bearers) -> None:
        """Take a token in; one without a name cannot be found."""
        if not name:
            return
        known = self._named.setdefault(name, bearers)
        if isinstance(known, set):
            known.add(bearers)
        elif known is not bearers:
            self._named[name] = {known, bearers}

    def remove(self, name: str | None, bearers: Bearers) -> None:
        """Take a token out."""
        if not name:
            return
        known = self._named[name]
        if isinstance(known, set):
            known.discard(bearers)
            if known:
                return
        del self._named[name]

    def find(self, name: str) -> Iterable[Bearers]:
        """Return the tokens of a name."""
        known = self._named.get(name)
        if known is None:
            return ()
        return known if isinstance(known, set) else (known,)
