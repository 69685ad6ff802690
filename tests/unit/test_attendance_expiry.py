"""Sessions are found by their token, end with it, and leave nothing behind."""

from __future__ import annotations

import pytest

from broker.attendance import Attendance
from broker.core.cursor import Cursor
from broker.core.errors import TokenExpired
from broker.core.grants import Grants
from broker.core.session import Session, State
from broker.wheel import Wheel
from tests.support.messages import at
from tests.support.outlets import RecordingOutlet
from tests.support.stepping import SteppingLoop

EPOCH = 1_700_000_000


class Line:
    """A feed that lets everyone go."""

    def cursor_at(self, position: int) -> Cursor:
        return at(position)

    def catch_up(self, session: Session) -> int:
        return 0

    def leave(self, session: Session) -> Cursor:
        return session.exit()

    def resume(self, session: Session) -> None:
        """Do nothing."""

    def slowed(self, session: Session) -> None:
        """Take no note."""


class Stand:
    """An attendance on a loop that stands still; `skew_s` moves the wall clock alone."""

    def __init__(self, loop: SteppingLoop) -> None:
        self.loop = loop
        self.skew_s = 0.0
        self.attendance = Attendance(Wheel(loop), loop.time, self.wall)

    def wall(self) -> float:
        """Return the seconds since the epoch."""
        return EPOCH + self.loop.time() + self.skew_s

    def grants(self, ttl_s: float | None = None) -> Grants:
        """Return what a token allows that lives so long."""
        claims = {"sub": "7"} if ttl_s is None else {"sub": "7", "exp": int(self.wall() + ttl_s)}
        return Grants.of(claims)

    def join(self, grants: Grants | None) -> tuple[Session, RecordingOutlet]:
        """Have a session attached."""
        outlet = RecordingOutlet()
        session = Session(outlet, grants, notices=False, farewell=self.attendance.leave)
        self.attendance.join(session)
        session.enter(Line(), at(1))
        return session, outlet


def test_sessions_are_counted_while_they_are_attached(loop: SteppingLoop) -> None:
    """Leaving twice counts once."""
    stand = Stand(loop)
    grants = stand.grants()
    first, _ = stand.join(grants)
    second, _ = stand.join(None)
    assert ({first, second}, 2) == (set(stand.attendance), stand.attendance.count)
    first.lost()
    stand.attendance.leave(first)
    assert ([second], 1) == (list(stand.attendance), stand.attendance.count)


def test_sessions_end_with_their_token(loop: SteppingLoop) -> None:
    """All of one token at its expiry, with the reason and their cursor; no others."""
    stand = Stand(loop)
    grants = stand.grants(100)
    ending = [stand.join(grants) for _ in range(3)]
    staying, _ = stand.join(stand.grants(500))
    loop.advance(99.5)
    assert 4 == stand.attendance.count
    loop.advance(1.0)
    for session, outlet in ending:
        [(error, cursor)] = outlet.ends
        assert isinstance(error, TokenExpired)
        assert (at(1), State.CLOSED) == (cursor, session.state)
    assert [staying] == list(stand.attendance)


def test_one_who_comes_with_a_known_token_ends_with_it(loop: SteppingLoop) -> None:
    """However late it comes."""
    stand = Stand(loop)
    grants = stand.grants(100)
    stand.join(grants)
    loop.advance(90.0)
    _, outlet = stand.join(grants)
    loop.advance(11.0)
    assert 1 == len(outlet.ends)


def test_a_wall_clock_that_goes_back_keeps_tokens_alive(loop: SteppingLoop) -> None:
    """The wall clock decides, not the time that has passed."""
    stand = Stand(loop)
    _, outlet = stand.join(stand.grants(100))
    stand.skew_s = -50.0
    loop.advance(120.0)
    assert [] == outlet.ends
    loop.advance(35.0)
    assert 1 == len(outlet.ends)


def test_a_token_without_sessions_is_forgotten(loop: SteppingLoop) -> None:
    """Within a minute, and nothing is left in the wheel."""
    stand = Stand(loop)
    for _ in range(50):
        session, _ = stand.join(stand.grants())
        session.lost()
    stand.join(None)[0].lost()
    assert 51 == len(stand.attendance.tokens)
    loop.advance(61.0)
    assert ([], []) == (stand.attendance.tokens, loop._timers())


def test_a_token_that_comes_back_is_remembered_anew(loop: SteppingLoop) -> None:
    """Also after it was forgotten."""
    stand = Stand(loop)
    grants = stand.grants(300)
    stand.join(grants)[0].lost()
    loop.advance(61.0)
    _, outlet = stand.join(grants)
    loop.advance(300.0)
    assert 1 == len(outlet.ends)


def test_one_that_cannot_be_ended_keeps_no_other(
    loop: SteppingLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of one session's end neither lets others of its token live on nor is hidden."""
    stand = Stand(loop)
    grants = stand.grants(10)
    sessions = [stand.join(grants)[0] for _ in range(5)]
    faulty = next(iter(stand.attendance))

    def fail(*_: object) -> None:
        raise ValueError("a fault")

    monkeypatch.setattr(faulty.outlet, "end", fail)
    loop.advance(11)
    assert all(session.state is State.CLOSED for session in sessions)
