"""The cohort: live sessions of a feed that share one position."""

from __future__ import annotations

from os import write
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from broker.core.session import Session
    from broker.feed import Feed


class Cohort:
    """
    Live sessions of a feed that share one position in its run.

    A turn writes the same bytes to every member: joined once, then one system call each
    (`design.md` section 10, rules 2 and 3).

    Attributes:
        feed: Whose run.
        position: Every member has every frame before this position, none behind it.
        members: Sessions and the descriptors to write to.
        queued: Whether a turn was asked for.
        flushing: Whether a turn is under way; members stay until it is over.
    """

    __slots__ = ("_stalled", "feed", "flushing", "members", "position", "queued")

    def __init__(self, feed: Feed, position: int) -> None:
        self.feed = feed
        self.position = position
        self.members: dict[Session, int] = {}
        self.queued = False
        self.flushing = False
        self._stalled: list[Session] = []

    def admit(self, session: Session) -> None:
        """Take in a session that stands at this position."""
        self.members[session] = session.outlet.fd
        session.go_live(self)

    def absorb(self, other: Cohort) -> None:
        """Take in all members of a cohort at the same position."""
        for session in other.members:
            session.cohort = self
        self.members.update(other.members)
        other.members.clear()

    def stall(self, session: Session) -> None:
        """Let a member fall behind whose outlet filled up, now or once the turn is over."""
        if self.flushing:
            self._stalled.append(session)
        else:
            self.feed.lag(session, self)

    def flush(self) -> int:
        """
        Write to every member what lies between its position and the head.

        A member whose connection does not take it all at once falls behind: its outlet keeps the
        rest, and it is served at its own speed from then on (P8).

        Returns:
            Writes made.
        """
        self.queued = False
        feed = self.feed
        if self.position >= feed.head or not self.members:
            return 0
        data, self.position = feed.piece(self.position)
        count = len(self.members)
        self.flushing = True
        self._write(data)
        for session in self._leaving():
            if feed.encoder.once:
                session.answer()
            else:
                feed.lag(session, self)
        self.flushing = False
        feed.flushed(self)
        return count

    def _leaving(self) -> list[Session]:
        if self.feed.encoder.once:
            return list(self.members)
        stalled, self._stalled = self._stalled, []
        return stalled

    def _write(self, data: bytes) -> None:
        size = len(data)
        for session, fd in self.members.items():
            try:
                sent = write(fd, data)
            except OSError:
                session.outlet.write(data)
            else:
                if sent != size:
                    session.outlet.spill(memoryview(data)[sent:])
