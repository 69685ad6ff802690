"""The feed: one ordered channel list in one dialect, and everyone attached to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from broker.core.cursor import START, Cursor
from broker.core.encoder import Encoder
from broker.core.recovery import merge
from broker.core.session import Session, Slow, State
from broker.hub.channel import Channel, Late
from broker.hub.cohort import Beat, Cohort, Cohorts
from broker.hub.owed import Owed
from broker.hub.replay import Piece
from broker.hub.run import Run
from broker.hub.shelf import encode, make
from broker.hub.slow import catch_up, is_conflated, send_away
from broker.hub.surroundings import FeedKey, FeedLimits, Surroundings

__all__ = ["Feed", "FeedLimits", "Piece"]

_LONG_RUN = 1024
"""Frames from which on a run is trimmed while some cohorts still lag behind others."""


class Feed:
    """
    One channel list in one dialect.

    The run holds the frames that some live session has not been written yet. Live sessions stand
    in cohorts, each at one position of the run; lagging sessions keep a cursor and are served from
    the rings, or from the run while that still holds what they need.

    A feed is held while one of its channels is being synchronised: its run then ends at `cursor`,
    and nobody is given anything later.

    Args:
        key: Tenant, channel list and dialect.
        channels: The channels that come from the store.
        around: What it shares with others.

    Attributes:
        tenant: Whose channels.
        names: The channels asked for.
        channels: Those that come from the store.
        encoder: The dialect.
        around: What it shares with others.
        flow: Where what it writes is counted.
        held: Number of its channels that are being synchronised.
        append: Adds a frame, with its cursor, to the run; `wake` has it written.
        waiting: Number of those who are about to attach.
        idle_since: Loop time since when nobody uses it.
        is_dropped: Whether it has been given up: it gets nothing any more.
    """

    __slots__ = (
        "__weakref__",
        "_owed",
        "_run",
        "_turns",
        "append",
        "around",
        "channels",
        "cohorts",
        "encoder",
        "flow",
        "held",
        "idle_since",
        "is_dropped",
        "lagging",
        "names",
        "tenant",
        "waiting",
    )

    def __init__(self, key: FeedKey, channels: Sequence[Channel], around: Surroundings) -> None:
        self.tenant, self.names, self.encoder = key
        self.channels = tuple(channels)
        self.held = sum(channel.pending is not None for channel in channels)
        self.waiting = 0
        self.idle_since = 0.0
        self.is_dropped = False
        self.cohorts = Cohorts(around.limits.cohort_size, around.path)
        self.lagging: set[Session] = set()
        pattern = channels[0].pattern if channels else ""
        self.flow = around.flows.of(self.encoder.transport, pattern)
        # Of channels that are being synchronised nothing is known yet, so nothing may be served.
        self._run = Run(START if self.held else around.high_water())
        self.append = self._run.append
        self.around = around
        self._turns = around.turns
        self._owed = Owed(self.encoder, self.channels)

    # --- state ------------------------------------------------------------

    @property
    def head(self) -> int:
        """Position behind the last frame."""
        return self._run.head

    @property
    def cursor(self) -> Cursor:
        """Cursor of the last frame, or a later one."""
        return self._run.cursor

    @property
    def sessions(self) -> Iterator[Session]:
        """Everyone attached, live and lagging."""
        for cohort in self.cohorts:
            yield from cohort.members
        yield from self.lagging

    @property
    def limit_bytes(self) -> int:
        """Most that one write holds, one message excepted."""
        limits = self.around.limits
        return limits.answer_bytes if self.encoder.once else limits.piece_bytes

    @property
    def is_empty(self) -> bool:
        """Whether nobody is attached."""
        return not self.cohorts and not self.lagging

    def safe_cursor(self) -> Cursor:
        """Return the newest cursor up to which everything of this feed was in its run (P4)."""
        cursor = self._run.cursor
        return cursor if self.held else max(cursor, self.around.high_water())

    def cursor_at(self, position: int) -> Cursor:
        """Return the cursor of someone who has everything before the position."""
        if position == self._run.head:
            return self.safe_cursor()
        return self._run.cursor_at(position)

    # --- publishing ------------------------------------------------------------

    def wake(self) -> None:
        """Give every cohort its turn."""
        if not self.cohorts:
            self._run.clear()
            return
        for cohort in self.cohorts:
            self._turns.queue(cohort)

    def ping(self, form: Callable[[Encoder, Cursor], bytes]) -> None:
        """
        Write a message of the node's own to every live session, at the safe cursor.

        Args:
            form: Encodes it, stamped with a cursor.
        """
        if self.cohorts and not self.held:
            cursor = self.safe_cursor()
            self.append(form(self.encoder, cursor), cursor)
            self.wake()

    def beat(self, data: bytes) -> None:
        """Have a sign of life written to every live session that is up to date."""
        for cohort in self.cohorts:
            self._turns.queue(Beat(cohort, data))

    def hold(self) -> None:
        """Stop taking messages: a channel is being synchronised with the store."""
        if not self.held:
            self._run.rise(self.safe_cursor())  # cursors up to here were handed out
            self.around.shelf.clear()
        self.held += 1

    def release(self, late: Late | None = None) -> None:
        """
        Go on, once no other channel holds the feed, with what the rings have got meanwhile.

        Args:
            late: What turned up in the channel behind cursors that were handed out already.
        """
        if late is not None:
            self._owed.note(late)
        if self.held == 1:
            self._catch_up_with_rings()
        self.held -= 1
        if self.held == 0:
            self._run.rise(self.safe_cursor())
            self.wake()
            for session in self.lagging:
                if not session.blocked:
                    self.resume(session)

    def _catch_up_with_rings(self) -> None:
        if self._owed:
            self._lag_all()
            self._owed.share_out(self.lagging)
        cursor = self._run.cursor
        if self.cohorts and all(channel.ring.covers(cursor) for channel in self.channels):
            self._run.extend(
                merge([channel.span(self.encoder, cursor) for channel in self.channels])
            )
            return
        self._lag_all()
        self._run.leap()

    def _lag_all(self) -> None:
        for cohort in list(self.cohorts):
            for session in list(cohort.members):
                self.lag(session, cohort)

    # --- writing to cohorts ------------------------------------------------------------

    def piece(self, position: int, end: int | None = None) -> tuple[bytes, int]:
        """
        Return the bytes of one write to whoever stands at the position, and where they end.

        Made once for all who stand there.

        Args:
            position: Where the reader stands; before `head`.
            end: Position not to pass; the head by default.
        """
        end = self._run.head if end is None else end
        known = self._run.joined
        if known is not None and known[0] == position and known[1] == end:
            return known[2], known[3]
        frames = self._run.frames(position, end, self.limit_bytes)
        stop = position + len(frames)
        data = self.encoder.join(frames, self.cursor_at(stop), None)
        self._run.joined = (position, end, data, stop)
        return data, stop

    def flushed(self, cohort: Cohort) -> None:
        """Tidy up after a cohort was written to; have it called again if it is not at the head."""
        if not cohort.members:
            self.cohorts.remove(cohort)
            if self.is_empty:
                self.around.emptied(self)
        elif cohort.position < self._run.head:
            self._turns.queue(cohort)
        else:
            self.cohorts.fold(cohort)
        self._trim()

    def _trim(self) -> None:
        run = self._run
        if not run:
            return
        if len(run) > _LONG_RUN:
            run.trim(self.cohorts.least(run.head))
        elif self.cohorts.is_all_at(run.head):
            run.clear()

    # --- attaching and catching up -----------------------------------------------------------

    def attach(self, session: Session, cursor: Cursor) -> None:
        """
        Take a session in at its cursor; if that is not now, it is lagging until it has caught up.

        Args:
            session: A session that is attached nowhere.
            cursor: Not after the tenant's high-water mark.
        """
        session.enter(self, cursor)
        flow = self.flow
        flow.begun += 1
        flow.sessions += 1
        waits = self._owed.greet(session) or self.held or session.blocked
        if not waits and cursor >= self._run.cursor:
            self.cohorts.open(self, self._run.head).admit(session)
            return
        self.lagging.add(session)
        self.flow.lagging += 1
        self.slowed(session)
        self.catch_up(session)

    def leave(self, session: Session) -> Cursor:
        """Let a session go and return the cursor it can safely come back with."""
        cohort = session.cohort
        cursor = session.exit()
        self.flow.sessions -= 1
        if isinstance(cohort, Cohort):
            self._leave_cohort(session, cohort)
            self._trim()
        else:
            self.lagging.discard(session)
            self.flow.lagging -= 1
            self._owed.take(session)
        if self.is_empty:
            self._run.clear()
            self.around.emptied(self)
        return cursor

    def lag(self, session: Session, cohort: Cohort) -> None:
        """Move a live session whose outlet is full, or who missed something, to the lagging."""
        session.fall_behind()
        self._leave_cohort(session, cohort)
        self.lagging.add(session)
        self.flow.lagging += 1
        self.flow.lags += 1
        self.slowed(session)

    def slowed(self, session: Session) -> None:
        """Take note if a lagging session's outlet is full; polls have one answer anyway."""
        if session.blocked and session.slow is None and not self.encoder.once:
            session.slow = Slow(self.safe_cursor(), self.around.clock())

    def _leave_cohort(self, session: Session, cohort: Cohort) -> None:
        cohort.let_go(session)
        if not cohort.members and not cohort.flushing:
            self.cohorts.remove(cohort)

    def resume(self, session: Session) -> None:
        """Give a lagging session its turn to catch up."""
        self.around.catch_ups.queue(session)

    def catch_up(self, session: Session) -> int:
        """
        Write the next piece to a lagging session, or make it live if it has everything.

        Returns:
            Writes made, 0 or 1; the pump counts them.
        """
        if session.state is not State.LAGGING or send_away(session, self) or session.blocked:
            return 0
        owed = self._owed.take(session)
        if owed is not None:
            return self._send(session, encode(self, session, owed, owed.gaps))
        position = session.position
        is_whole = not is_conflated(session, self.channels)
        if is_whole and position is not None and self._run.has(position):
            return self._catch_up_in_run(session, position)
        made = make(self, session, is_whole=is_whole)
        if made is None:
            self.around.refill(self, session)
        elif made.piece.frames or made.piece.gaps:
            head = self._run.head if made.piece.complete else None
            session.advance(made.piece.cursor, head)
            return self._send(session, made.data, head)
        elif not self.held:
            self._go_live(session, self._run.head)
        return 0

    def _catch_up_in_run(self, session: Session, position: int) -> int:
        host = self.cohorts.host(position)
        end = self._run.head if host is None else host.position
        if end == position:
            self._go_live(session, position)
            return 0
        data, stop = self.piece(position, end)
        self.flow.messages += stop - position
        session.advance(self.cursor_at(stop), stop)
        return self._send(session, data, stop if stop == end else None)

    def _send(self, session: Session, data: bytes, position: int | None = None) -> int:
        """Write to a lagging session; if nothing is left of it, it stands at the position."""
        self.flow.bytes += len(data)
        sent = session.outlet.write(data) if data else True
        if self.encoder.once:
            session.answer()
        elif sent and position is not None:
            self._go_live(session, position)
        elif sent:
            self.resume(session)
        return 1

    def _go_live(self, session: Session, position: int) -> None:
        host = self.cohorts.open(self, position)
        self.lagging.discard(session)
        self.flow.lagging -= 1
        host.admit(session)
        if position < self._run.head:
            self._turns.queue(host)
        else:
            self._trim()

    def collect(self, after: Cursor, limit_bytes: int, slow: Slow | None = None) -> Piece | None:
        """
        Return what follows a cursor, merged over all channels, from the local rings.

        Args:
            after: The reader's cursor; not after the tenant's high-water mark.
            limit_bytes: Most that the frames may hold together, one message excepted.
            slow: Since when the reader is slow, if it is.

        Returns:
            None when the local rings do not reach back to the cursor and the store has to be read.
        """
        now = self.around.high_water()
        if after >= self._run.cursor or self._is_unsettled():
            return Piece((), after if self.held else max(after, now), (), complete=True)
        for channel in self.channels:
            channel.used_at = now.time
            channel.expire(now.time)
        found = catch_up(self.channels, self.encoder, after, self.safe_cursor(), limit_bytes, slow)
        return self._owed.added(found, after)

    def _is_unsettled(self) -> bool:
        """Tell whether rings hold what turned up late: it is shared out when the feed goes on."""
        return self.held > 0 and any(channel.is_late for channel in self.channels)
