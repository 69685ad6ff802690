"""The session: one subscriber, live or lagging, and what it needs of its connection."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, Protocol

from broker.core.cursor import START, Cursor
from broker.core.errors import BrokerError

if TYPE_CHECKING:
    from broker.core.encoder import Gap
    from broker.core.grants import Grants

_NOTHING: Mapping[str, Cursor] = MappingProxyType({})


class Outlet(Protocol):
    """
    One connection as its session sees it; transports implement it.

    It tells the session `stalled` as soon as bytes have to be buffered, whoever wrote them,
    `drained` when the buffer is empty again, and `lost` when the connection is gone; that one
    never from within `write` or `spill`, while the session's cohort is being written to.

    Attributes:
        fd: Descriptor that whole writes may go to directly, or -1 where they must not (TLS).
    """

    fd: int

    @property
    def ending(self) -> bool:
        """Whether the goodbye was said or the client is gone: nothing more is sent."""

    def bind(self, session: Session) -> None:
        """Take the session that is told of the connection's fate."""

    def write(self, data: bytes) -> bool:
        """
        Send bytes, in order.

        Returns:
            True when all of them left at once; False when a rest is buffered.
        """

    def spill(self, rest: bytes | memoryview) -> None:
        """Buffer what a direct write to `fd` could not send."""

    def answered(self, cursor: Cursor) -> None:
        """Take note that the one answer of a poll was written, ending at the cursor."""

    def end(self, error: BrokerError | None, cursor: Cursor, retry_after_s: float | None) -> None:
        """
        Say goodbye and close.

        Args:
            error: Why; None when the client asked for it.
            cursor: The session's safe cursor, for the client to come back with.
            retry_after_s: When to come back, in seconds, where that is known.
        """


class Place(Protocol):
    """Where a live session stands: a cohort."""

    position: int

    def stall(self, session: Session) -> None:
        """Let a member fall behind whose outlet filled up, now or once the turn is over."""


class Slow(NamedTuple):
    """
    When a reader became slow: its connection filled up, and it has not caught up since.

    Attributes:
        after: Cursor of that moment; what follows was published later.
        since: Loop time of that moment, in seconds.
    """

    after: Cursor
    since: float


class Line(Protocol):
    """What a session is attached to: a feed."""

    def cursor_at(self, position: int) -> Cursor:
        """Return the cursor of someone who has everything before the position."""

    def catch_up(self, session: Session) -> int:
        """Write the next piece to a lagging session."""

    def leave(self, session: Session) -> Cursor:
        """Let a session go."""

    def resume(self, session: Session) -> None:
        """Give a lagging session its turn to catch up."""

    def slowed(self, session: Session) -> None:
        """Take note that a lagging session's outlet filled up."""


class State(Enum):
    """
    How a session gets its messages.

    LAGGING -> LIVE when it has everything; LIVE -> LAGGING when its outlet fills up or its feed
    lost something; any -> CLOSED, for good.
    """

    LAGGING = auto()
    LIVE = auto()
    CLOSED = auto()


class Session:
    """
    One subscriber.

    Live, it stands in a cohort and owns neither cursor nor buffer: its cursor is its cohort's.
    Lagging, it keeps its cursor, and its position in the feed's run while that still helps.

    Args:
        outlet: Its connection.
        grants: What its token allows; shared by all sessions of the token.
        farewell: Called once when it leaves its feed for good.
        notices: Whether it is sent gap notices as frames.

    Attributes:
        begun: When it began, in loop time; noted by the attendance.
        blocked: Whether its outlet still holds bytes, so that nothing may be written.
        queued: Whether it waits for its turn to catch up.
        slow: Since when its reader is slow; None while it is not.
    """

    __slots__ = (
        "_cursor",
        "_told",
        "begun",
        "blocked",
        "cohort",
        "farewell",
        "feed",
        "grants",
        "notices",
        "outlet",
        "position",
        "queued",
        "slow",
    )

    def __init__(
        self,
        outlet: Outlet,
        grants: Grants | None,
        farewell: Callable[[Session], None],
        *,
        notices: bool = False,
    ) -> None:
        self.outlet = outlet
        self.grants = grants
        self.notices = notices
        self.farewell = farewell
        self.feed: Line | None = None
        self.cohort: Place | None = None
        self.position: int | None = None
        self.begun = 0.0
        self.blocked = False
        self.queued = False
        self.slow: Slow | None = None
        self._cursor = START
        self._told = _NOTHING

    @property
    def state(self) -> State:
        """How the session gets its messages."""
        if self.feed is None:
            return State.CLOSED
        return State.LAGGING if self.cohort is None else State.LIVE

    @property
    def cursor(self) -> Cursor:
        """The newest cursor up to which everything was written to this very connection (P4)."""
        if self.cohort is not None and self.feed is not None:
            return self.feed.cursor_at(self.cohort.position)
        return self._cursor

    # --- what the feed says ------------------------------------------------------------

    def enter(self, feed: Line, cursor: Cursor) -> None:
        """Begin, lagging at a cursor."""
        self.feed = feed
        self._cursor = cursor

    def go_live(self, cohort: Place) -> None:
        """Stand in a cohort from now on."""
        self.cohort = cohort
        self.position = None
        self.slow = None

    def fall_behind(self) -> None:
        """Leave the cohort, keeping its place."""
        if self.cohort is not None:
            self._cursor = self.cursor
            self.position = self.cohort.position
            self.cohort = None

    def advance(self, cursor: Cursor, position: int | None) -> None:
        """Take note that everything up to the cursor was handed to the outlet."""
        self._cursor = cursor
        self.position = position

    def untold(self, gaps: Sequence[Gap]) -> Sequence[Gap]:
        """Return those gaps that it has not been told yet; it is told them now."""
        if not gaps:
            self._told = _NOTHING
            return ()
        told = self._told
        self._told = {**told, **{gap.channel: gap.last for gap in gaps}}
        return [gap for gap in gaps if gap.last > told.get(gap.channel, START)]

    def exit(self) -> Cursor:
        """Leave for good; return the cursor to come back with."""
        self._cursor = self.cursor
        self.cohort = None
        self.feed = None
        self.farewell(self)
        return self._cursor

    def answer(self) -> None:
        """Leave because the one answer of a poll is written."""
        if self.feed is not None:
            self.outlet.answered(self.feed.leave(self))

    def dismiss(self, cursor: Cursor) -> None:
        """Be let go by a cohort that has written everybody's answer, ending at the cursor."""
        self._cursor = cursor
        self.cohort = None
        self.feed = None
        self.farewell(self)
        self.outlet.answered(cursor)

    def flush(self) -> int:
        """Take a turn: catch up by one piece; return the writes made."""
        self.queued = False
        return 0 if self.feed is None else self.feed.catch_up(self)

    # --- what the outlet says ------------------------------------------------------------

    def stalled(self) -> None:
        """Take note that the outlet holds bytes: nothing may be written until it is empty."""
        self.blocked = True
        if self.cohort is not None:
            self.cohort.stall(self)
        elif self.feed is not None:
            self.feed.slowed(self)

    def drained(self) -> None:
        """Take note that the outlet is empty again."""
        self.blocked = False
        if self.feed is not None and self.cohort is None:
            self.feed.resume(self)

    def lost(self) -> None:
        """Take note that the connection is gone."""
        if self.feed is not None:
            self.feed.leave(self)

    def withdraw(self) -> Cursor:
        """Leave the feed, if still there; return the cursor to come back with."""
        return self._cursor if self.feed is None else self.feed.leave(self)

    def end(self, error: BrokerError | None, retry_after_s: float | None = None) -> None:
        """Close the connection, handing its cursor to the client."""
        self.outlet.end(error, self.withdraw(), retry_after_s)
