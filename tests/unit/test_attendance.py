"""Attendance: sessions found by their token, whatever comes and goes, against plain lists."""

from __future__ import annotations

from collections.abc import Iterator
import asyncio

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
import pytest

from broker.attendance import Attendance
from broker.core.cursor import START, Cursor
from broker.core.errors import BrokerError, TokenExpired
from broker.core.grants import Grants
from broker.core.revocations import Revocation
from broker.core.session import Session
from broker.wheel import Wheel

NAMES = st.sampled_from(["", "a", "b"])
TENANTS = st.sampled_from(["main", "shop"])


class Door:
    """A connection that only notes its end."""

    fd = -1

    def __init__(self) -> None:
        self.error: BrokerError | None = None
        self.ending = False

    def bind(self, session: Session) -> None:
        """Take no note of the session."""

    def write(self, data: bytes) -> bool:
        """Send everything."""
        return True

    def spill(self, rest: bytes | memoryview) -> None:
        """Buffer nothing."""

    def answered(self, cursor: Cursor) -> None:
        """Take no note."""

    def end(self, error: BrokerError | None, cursor: Cursor, retry_after_s: float | None) -> None:
        """Note why."""
        self.error, self.ending = error, True


class Line:
    """A feed that lets go of everybody."""

    def cursor_at(self, position: int) -> Cursor:
        """Return the beginning."""
        return START

    def catch_up(self, session: Session) -> int:
        """Write nothing."""
        return 0

    def leave(self, session: Session) -> Cursor:
        """Let go."""
        return session.exit()

    def resume(self, session: Session) -> None:
        """Give no turn."""

    def slowed(self, session: Session) -> None:
        """Take no note."""


class Hall:
    """An attendance on a clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.now = 1000.0
        self.attendance = Attendance(Wheel(self.loop), lambda: self.now, lambda: self.now)

    def enter(self, grants: Grants | None) -> Session:
        """Let somebody in."""
        session = Session(Door(), grants, notices=False, farewell=self.attendance.leave)
        session.enter(Line(), START)
        self.attendance.join(session)
        return session

    def visit(self) -> None:
        """Have the wheel visit every token."""
        for bearers in self.attendance.tokens:
            bearers.due(self.now)

    def close(self) -> None:
        """Give the loop back."""
        self.loop.close()


@pytest.fixture
def hall() -> Iterator[Hall]:
    """Give an empty attendance."""
    hall = Hall()
    yield hall
    hall.close()


def error_of(session: Session) -> BrokerError | None:
    """Return why a session was ended."""
    assert isinstance(session.outlet, Door)
    return session.outlet.error


class Coming(RuleBasedStateMachine):
    """Sessions that come, go, change their token and expire, beside a plain list."""

    def __init__(self) -> None:
        super().__init__()
        self.hall = Hall()
        self.tokens: list[Grants] = []
        self.present: list[Session] = []

    @rule(tenant=TENANTS, sub=NAMES, jti=NAMES, lasts_s=st.none() | st.integers(1, 300))
    def issue(self, tenant: str, sub: str, jti: str, lasts_s: int | None) -> None:
        """Issue a token."""
        claims: dict[str, object] = {"tenant": tenant, "sub": sub, "jti": jti}
        claims["exp"] = None if lasts_s is None else self.hall.now + lasts_s
        self.tokens.append(Grants.of(claims))

    def valid(self) -> list[Grants]:
        """Return the tokens that have not expired."""
        return [
            each
            for each in self.tokens
            if each.expires_at is None or each.expires_at > self.hall.now
        ]

    @rule(data=st.data())
    def come(self, data: st.DataObject) -> None:
        """Let somebody in, with a token or without."""
        grants = data.draw(st.sampled_from([None, *self.valid()]))
        self.present.append(self.hall.enter(grants))

    @precondition(lambda self: self.present)
    @rule(data=st.data())
    def go(self, data: st.DataObject) -> None:
        """Let somebody go."""
        session = data.draw(st.sampled_from(self.present))
        self.present.remove(session)
        session.lost()

    @precondition(lambda self: self.present and self.valid())
    @rule(data=st.data())
    def refresh(self, data: st.DataObject) -> None:
        """Give somebody another token, or the same one again."""
        session = data.draw(st.sampled_from(self.present))
        self.hall.attendance.move(session, data.draw(st.sampled_from(self.valid())))

    @rule(seconds=st.integers(1, 100))
    def wait(self, seconds: int) -> None:
        """Let time pass and tokens expire."""
        self.hall.now += seconds
        self.hall.visit()
        for session in list(self.present):
            grants = session.grants
            if grants is not None and grants.expires_at and grants.expires_at <= self.hall.now:
                assert isinstance(error_of(session), TokenExpired)
                self.present.remove(session)

    @rule(
        revoked=st.lists(
            st.tuples(TENANTS, NAMES, NAMES).filter(lambda row: not (row[1] and row[2]))
        )
    )
    def look(self, revoked: list[tuple[str, str, str]]) -> None:
        """Find whom revocations are about, and nobody of another id, subject or tenant."""
        revocations = [Revocation(tenant, 10**9, jti, sub) for tenant, jti, sub in revoked]
        found = set()
        for bearers in self.hall.attendance.concerned(revocations):
            found |= bearers.sessions
        wanted = {
            session
            for session in self.present
            for tenant, jti, sub in revoked
            if (grants := session.grants) is not None
            and (grants.jti == jti if jti else grants.subject == sub if sub else True)
            and (jti or sub or grants.tenant == tenant)
        }
        assert wanted == found

    @invariant()
    def is_complete(self) -> None:
        """Everybody who is present is there, once, alive and under the right token."""
        attendance = self.hall.attendance
        assert len(self.present) == attendance.count
        assert set(self.present) == set(attendance)
        assert not any(error_of(session) for session in self.present)
        for bearers in attendance.tokens:
            assert {bearers.grants} >= {session.grants for session in bearers.sessions}

    def teardown(self) -> None:
        """Forget every token once nobody is left."""
        for session in self.present:
            session.lost()
        self.hall.visit()
        attendance = self.hall.attendance
        assert ([], {}, {}) == (
            attendance.tokens,
            attendance._by_jti._named,
            attendance._by_sub._named,
        )
        self.hall.close()


Coming.TestCase.settings = settings(max_examples=100)
test_p9_every_session_is_found_by_its_token = Coming.TestCase


def test_a_session_with_a_new_token_outlives_the_old_one_p9(hall: Hall) -> None:
    """When the old token expires, who has gone on with a new one stays; the others go."""
    old = Grants.of({"sub": "7", "exp": 1010})
    new = Grants.of({"sub": "7", "exp": 1020})
    one, two = hall.enter(old), hall.enter(old)
    hall.attendance.move(one, new)
    hall.now = 1010
    hall.visit()
    assert (None, TokenExpired) == (error_of(one), type(error_of(two)))
    hall.now = 1020
    hall.visit()
    assert isinstance(error_of(one), TokenExpired)
    assert 0 == hall.attendance.count
