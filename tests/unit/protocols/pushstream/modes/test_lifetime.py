"""The lifetime of connections."""

from __future__ import annotations

import asyncio

import pytest

from broker.core.cursor import Cursor
from broker.core.session import Session
from broker.protocols.pushstream.modes.lifetime import VISIT_S, limit_lifetime
from broker.wheel import Timed, Wheel
from tests.support.outlets import RecordingOutlet


class Line:
    """Stands for a feed."""

    def cursor_at(self, position: int) -> Cursor:
        """Return a cursor; nobody stands here."""
        return Cursor(position, 0)

    def catch_up(self, session: Session) -> int:
        """Write nothing."""
        return 0

    def leave(self, session: Session) -> Cursor:
        """Let a session go."""
        return session.exit()

    def resume(self, session: Session) -> None:
        """Do nothing."""

    def slowed(self, session: Session) -> None:
        """Do nothing."""


class WatchedWheel(Wheel):
    """A wheel that tells what was put into it."""

    def __init__(self) -> None:
        super().__init__(asyncio.get_running_loop())
        self.added: list[Timed] = []

    def add(self, item: Timed, at: float) -> None:
        """Take note of it."""
        self.added.append(item)
        super().add(item, at)


def attached() -> Session:
    """Return a session that is attached."""
    session = Session(RecordingOutlet(), None, notices=False, farewell=lambda _: None)
    session.enter(Line(), Cursor(1000, 1))
    return session


@pytest.mark.jumping
@pytest.mark.parametrize("ttl_s", [1.0, 3 * VISIT_S + 1])
async def test_a_connection_ends_when_its_time_has_come(ttl_s: float) -> None:
    """With its last words before, at its own cursor; not long after, and not before."""
    loop = asyncio.get_running_loop()
    wheel, session, said = Wheel(loop), attached(), loop.create_future()
    began = loop.time()
    limit_lifetime(wheel, session, ttl_s, lambda: said.set_result(loop.time()))
    assert ttl_s <= await asyncio.wait_for(said, 10 * VISIT_S) - began <= ttl_s + 2
    assert None is session.feed
    assert isinstance(session.outlet, RecordingOutlet)
    assert [(None, Cursor(1000, 1))] == session.outlet.ends
    wheel.stop()


async def test_who_is_gone_is_forgotten_at_the_next_visit() -> None:
    """Nothing is said to it, and the wheel keeps it no longer than until then."""
    wheel, session, said = WatchedWheel(), attached(), []
    limit_lifetime(wheel, session, 100 * VISIT_S, lambda: said.append(1))
    [item] = wheel.added
    now = asyncio.get_running_loop().time()
    assert now < (item.due(now) or 0) <= now + VISIT_S
    session.lost()
    assert None is item.due(now + VISIT_S)
    assert isinstance(session.outlet, RecordingOutlet)
    assert ([], []) == (said, session.outlet.ends)
    wheel.stop()


async def test_without_a_limit_nothing_is_timed() -> None:
    """The wheel knows nothing of it."""
    wheel = WatchedWheel()
    limit_lifetime(wheel, attached(), None)
    assert [] == wheel.added
