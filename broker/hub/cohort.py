"""The cohort: live sessions of a feed that share one position."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from broker.writing.path import FAILED

if TYPE_CHECKING:
    from broker.core.session import Session
    from broker.hub.feed import Feed
    from broker.writing.path import Aim, WritePath


class Cohort:
    """
    Live sessions of a feed that share one position in its run.

    A turn writes the same bytes to every member: joined once, and sent in as few system calls as
    the write path needs (`design.md` section 10, rules 2, 3 and 9).

    Attributes:
        feed: Whose run.
        position: Every member has every frame before this position, none behind it.
        members: Sessions and the descriptors to write to.
        queued: Whether a turn was asked for.
        flushing: Whether a turn is under way; members stay until it is over.
    """

    __slots__ = ("_aim", "_path", "_stalled", "feed", "flushing", "members", "position", "queued")

    def __init__(self, feed: Feed, position: int, path: WritePath) -> None:
        self._path = path
        self.feed = feed
        self.position = position
        self.members: dict[Session, int] = {}
        self.queued = False
        self.flushing = False
        self._stalled: list[Session] = []
        self._aim: Aim | None = None

    def admit(self, session: Session) -> None:
        """Take in a session that stands at this position."""
        self.members[session] = session.outlet.fd
        self._aim = None
        session.go_live(self)

    def let_go(self, session: Session) -> None:
        """Take a member out."""
        self.members.pop(session, None)
        self._aim = None

    def absorb(self, other: Cohort) -> None:
        """Take in all members of a cohort at the same position."""
        for session in other.members:
            session.cohort = self
        self.members.update(other.members)
        self._aim = None
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
        before = self.position
        data, self.position = feed.piece(before)
        count = len(self.members)
        feed.flow.messages += (self.position - before) * count
        feed.flow.bytes += len(data) * count
        self._write_all(data)
        return count

    def beat(self, data: bytes) -> int:
        """Write a sign of life to every member, unless there is more to write; count the writes."""
        count = len(self.members)
        if self.position < self.feed.head or not count:
            return 0
        self.feed.flow.bytes += len(data) * count
        self._write_all(data)
        return count

    def _write_all(self, data: bytes) -> None:
        """Write to every member, then let go of those that are done or fell behind."""
        feed = self.feed
        self.flushing = True
        self._write(data)
        stalled, self._stalled = self._stalled, []
        if feed.encoder.once:
            self._dismiss()
        else:
            for session in stalled:
                feed.lag(session, self)
        self.flushing = False
        feed.flushed(self)

    def _dismiss(self) -> None:
        """Let every member go: each has its one answer."""
        cursor = self.feed.cursor_at(self.position)
        members, self.members = self.members, {}
        self._aim = None
        self.feed.flow.sessions -= len(members)
        for session in members:
            session.dismiss(cursor)

    def _write(self, data: bytes) -> None:
        aim = self._aim
        if aim is None:
            aim = self._aim = self._path.aim(self.members.values())
        short = self._path.write(aim, data)
        if not short:
            return
        members = list(self.members)
        for place, taken in short:
            outlet = members[place].outlet
            if taken == FAILED:
                outlet.write(data)
            else:
                outlet.spill(memoryview(data)[taken:])


class Beat:
    """
    A turn of a cohort that writes a sign of life and no message.

    Args:
        cohort: Whose members.
        data: What is written.
    """

    __slots__ = ("_cohort", "_data", "queued")

    def __init__(self, cohort: Cohort, data: bytes) -> None:
        self._cohort = cohort
        self._data = data
        self.queued = False

    def flush(self) -> int:
        """Write; return the writes made."""
        return self._cohort.beat(self._data)


class Cohorts:
    """
    The cohorts of a feed.

    Args:
        size: Sessions in one cohort at most.
        path: How they are written to.
    """

    __slots__ = ("_cohorts", "_path", "_size")

    def __init__(self, size: int, path: WritePath) -> None:
        self._cohorts: list[Cohort] = []
        self._size = size
        self._path = path

    def __iter__(self) -> Iterator[Cohort]:
        return iter(self._cohorts)

    def __len__(self) -> int:
        return len(self._cohorts)

    def open(self, feed: Feed, position: int) -> Cohort:
        """Return a cohort at a position that has room, new if need be."""
        last = self._cohorts[-1] if self._cohorts else None
        if last is not None and last.position == position and len(last.members) < self._size:
            return last
        cohort = self.host(position)
        if cohort is None or cohort.position != position:
            cohort = Cohort(feed, position, self._path)
            self._cohorts.append(cohort)
        return cohort

    def host(self, position: int, size: int = 1, guest: Cohort | None = None) -> Cohort | None:
        """
        Return the cohort that is nearest to a position, there or further on, and has room.

        Args:
            position: Where the newcomers stand.
            size: How many they are.
            guest: A cohort that cannot be it.
        """
        best = None
        most = self._size - size
        for cohort in reversed(self._cohorts):  # the last one is the one that is being filled
            if cohort is guest or cohort.position < position or len(cohort.members) > most:
                continue
            if cohort.position == position:
                return cohort
            if best is None or cohort.position < best.position:
                best = cohort
        return best

    def fold(self, cohort: Cohort) -> None:
        """Join a cohort that is at most half full to one at its position that has room."""
        if 2 * len(cohort.members) > self._size or len(self._cohorts) == 1:
            return
        host = self.host(cohort.position, len(cohort.members), cohort)
        if host is not None and host.position == cohort.position:
            self._cohorts.remove(cohort)
            host.absorb(cohort)

    def remove(self, cohort: Cohort) -> None:
        """Take out a cohort without members."""
        self._cohorts.remove(cohort)

    def is_all_at(self, position: int) -> bool:
        """Tell whether every cohort stands at the position."""
        # Turns go from first to last, so most often the last one tells that others follow.
        for cohort in reversed(self._cohorts):  # noqa: SIM110 - called once per write; twice as fast
            if cohort.position != position:
                return False
        return True

    def least(self, head: int) -> int:
        """Return the position of the cohort that is furthest behind; the head without any."""
        return min((cohort.position for cohort in self._cohorts), default=head)
