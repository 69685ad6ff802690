"""A session knows where it stands, and what it was told."""

from __future__ import annotations

from broker.core.cursor import START, Cursor
from broker.core.encoder import Gap
from broker.core.errors import Draining
from broker.core.session import Session, Slow, State
from tests.support.messages import at
from tests.support.outlets import RecordingOutlet


class Line:
    """A feed that notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def cursor_at(self, position: int) -> Cursor:
        return at(position)

    def catch_up(self, session: Session) -> int:
        self.asked.append("catch_up")
        return 1

    def leave(self, session: Session) -> Cursor:
        self.asked.append("leave")
        return session.exit()

    def resume(self, session: Session) -> None:
        self.asked.append("resume")

    def slowed(self, session: Session) -> None:
        self.asked.append("slowed")


class Place:
    """A cohort that notes who stalls."""

    def __init__(self, position: int) -> None:
        self.position = position
        self.stalled: list[Session] = []

    def stall(self, session: Session) -> None:
        self.stalled.append(session)


def made() -> tuple[Session, RecordingOutlet, list[Session]]:
    """Return a session, its outlet, and those that said farewell."""
    gone: list[Session] = []
    outlet = RecordingOutlet()
    return Session(outlet, None, notices=True, farewell=gone.append), outlet, gone


def test_a_session_lags_until_it_stands_in_a_cohort() -> None:
    """Closed, lagging at its own cursor, live at its cohort's, lagging where it fell behind."""
    session, _, _ = made()
    assert (State.CLOSED, START) == (session.state, session.cursor)
    session.enter(Line(), at(3))
    assert (State.LAGGING, at(3)) == (session.state, session.cursor)
    session.go_live(Place(7))
    assert (State.LIVE, at(7), None) == (session.state, session.cursor, session.position)
    session.fall_behind()
    assert (State.LAGGING, at(7), 7) == (session.state, session.cursor, session.position)
    session.advance(at(9), None)
    assert (at(9), None) == (session.cursor, session.position)


def test_a_session_leaves_once_with_its_cursor() -> None:
    """It says farewell, and its cursor stays what it was."""
    session, _, gone = made()
    line = Line()
    session.enter(line, at(1))
    session.go_live(Place(4))
    assert at(4) == session.withdraw()
    assert at(4) == session.withdraw()
    session.lost()
    assert ([session], ["leave"]) == (gone, line.asked)
    assert (State.CLOSED, at(4)) == (session.state, session.cursor)


def test_a_goodbye_carries_the_safe_cursor() -> None:
    """Whoever ends the session, the client learns where to go on (P4)."""
    session, outlet, _ = made()
    session.enter(Line(), at(1))
    error = Draining("soon")
    session.end(error, 5.0)
    assert [(error, at(1))] == outlet.ends
    session.end(None)
    assert (None, at(1)) == outlet.ends[-1]


def test_an_outlet_that_fills_up_and_empties() -> None:
    """A live session stalls its cohort's way; drained, a lagging one asks for its turn."""
    session, _, _ = made()
    line, place = Line(), Place(1)
    session.enter(line, at(0))
    session.stalled()
    session.drained()
    assert ["slowed", "resume"] == line.asked
    session.go_live(place)
    session.stalled()
    assert ([session], True) == (place.stalled, session.blocked)
    session.fall_behind()
    session.drained()
    assert (["slowed", "resume", "resume"], False) == (line.asked, session.blocked)


def test_whoever_has_caught_up_is_slow_no_longer() -> None:
    """Going live ends it; falling behind again begins anew."""
    session, _, _ = made()
    session.enter(Line(), at(0))
    session.slow = Slow(at(0), 1.0)
    session.go_live(Place(1))
    assert session.slow is None


def test_a_closed_session_does_nothing() -> None:
    """What the transport or the pump says too late changes nothing."""
    session, outlet, gone = made()
    session.queued = True
    assert 0 == session.flush()
    session.stalled()
    session.drained()
    session.lost()
    session.answer()
    assert (False, [], []) == (session.queued, gone, outlet.answers)


def test_a_turn_catches_up() -> None:
    """The turn is used up, and the feed writes."""
    session, _, _ = made()
    line = Line()
    session.enter(line, at(0))
    session.queued = True
    assert 1 == session.flush()
    assert (False, ["catch_up"]) == (session.queued, line.asked)


def test_an_answered_poll_is_told_its_cursor() -> None:
    """The answer ends the session, by itself or together with its cohort."""
    alone, outlet, gone = made()
    alone.enter(Line(), at(2))
    alone.answer()
    assert ([at(2)], [alone]) == (outlet.answers, gone)
    together, outlet, gone = made()
    together.enter(Line(), at(2))
    together.dismiss(at(5))
    assert ([at(5)], [together], State.CLOSED) == (outlet.answers, gone, together.state)
    assert at(5) == together.withdraw()


def test_P3_a_gap_is_told_once_and_its_growth_again() -> None:
    """Each channel for itself, until nothing is missing any more."""
    session, _, _ = made()
    one, other = Gap("a", at(0), at(5), at(4)), Gap("b", at(0), at(9), at(8))
    assert [one] == list(session.untold([one]))
    assert [other] == list(session.untold([one, other]))
    grown = Gap("a", at(0), at(7), at(6))
    assert [grown] == list(session.untold([grown, other]))
    assert [] == list(session.untold([]))
    assert [one] == list(session.untold([one]))
