"""The feed: one ordered channel list in one dialect, and everyone attached to it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple, Protocol

from broker.channel import Channel
from broker.cohort import Cohort
from broker.core.cursor import Cursor
from broker.core.encoder import Encoder, Gap
from broker.core.message import Message
from broker.core.recovery import Span, clip, merge
from broker.core.session import Session, State

_TRIM_RUN = 1024
"""Written frames that a run may still hold before they are cut off in bulk."""


class FeedLimits(NamedTuple):
    """
    Bounds that feeds share.

    Attributes:
        cohort_size: Sessions that share one position.
        piece_bytes: Most that one write to a session holds, one message excepted.
    """

    cohort_size: int = 128
    piece_bytes: int = 65536


class Turns(Protocol):
    """Where a feed asks for its turn to write: the pump."""

    def queue(self, item: Cohort | Session) -> None:
        """Have the item's `flush` called soon; once, however often this is asked."""


class Piece(NamedTuple):
    """
    What a cursor's holder is to be sent next.

    Attributes:
        frames: Encoded messages, in order; together within the limit.
        cursor: Where the holder stands once it has them.
        gaps: What is missing before the first frame.
        complete: Whether the holder then has everything up to now.
        told: Gaps up to this cursor are told with this piece.
    """

    frames: Sequence[bytes]
    cursor: Cursor
    gaps: Sequence[Gap]
    complete: bool
    told: Cursor | None = None


class Feed:
    """
    One channel list in one dialect.

    The run holds the frames that some live session has not been written yet; a position counts
    frames since the feed began. Live sessions stand in cohorts, each at one position; lagging
    sessions keep a cursor and are served from the rings.

    Args:
        tenant: Whose channels.
        names: The channels asked for, in that order; the ping channel may be among them.
        channels: The channels that come from the store.
        encoder: The dialect.
        turns: Where cohorts and lagging sessions wait for their turn to write.
        limits: Bounds.
        high_water: Gives the cursor up to which announcements were handed to this node.
        refill: Called with a session whose cursor the local rings do not reach back to; the
            session is queued again once they do.
        emptied: Called when the last session left.
    """

    __slots__ = (
        "_base",
        "_base_cursor",
        "_cursors",
        "_emptied",
        "_high_water",
        "_limits",
        "_piece",
        "_refill",
        "_run",
        "_turns",
        "channels",
        "cohorts",
        "cursor",
        "encoder",
        "held",
        "idle_since",
        "lagging",
        "names",
        "tenant",
    )

    def __init__(
        self,
        tenant: str,
        names: tuple[str, ...],
        channels: Sequence[Channel],
        encoder: Encoder,
        *,
        turns: Turns,
        limits: FeedLimits,
        high_water: Callable[[], Cursor],
        refill: Callable[[Session], None],
        emptied: Callable[[Feed], None],
    ) -> None:
        self.tenant = tenant
        self.names = names
        self.channels = tuple(channels)
        self.encoder = encoder
        self.held = 0
        self.cursor = high_water()
        self.idle_since = 0.0
        self.cohorts: list[Cohort] = []
        self.lagging: set[Session] = set()
        self._turns = turns
        self._limits = limits
        self._high_water = high_water
        self._refill = refill
        self._emptied = emptied
        self._run: list[bytes] = []
        self._cursors: list[Cursor] = []
        self._base = 0
        self._base_cursor = self.cursor
        self._piece: tuple[int, int, bytes, int] | None = None

    # --- state ------------------------------------------------------------

    @property
    def head(self) -> int:
        """Position behind the last frame."""
        return self._base + len(self._run)

    @property
    def sessions(self) -> Iterator[Session]:
        """Everyone attached, live and lagging."""
        for cohort in self.cohorts:
            yield from cohort.members
        yield from self.lagging

    @property
    def empty(self) -> bool:
        """Whether nobody is attached."""
        return not self.cohorts and not self.lagging

    def safe_cursor(self) -> Cursor:
        """Return the newest cursor up to which everything of this feed is in its run (P4)."""
        return self.cursor if self.held else max(self.cursor, self._high_water())

    def cursor_at(self, position: int) -> Cursor:
        """Return the cursor of someone who has everything before the position."""
        if position == self.head:
            return self.safe_cursor()
        if position > self._base:
            return self._cursors[position - self._base - 1]
        return self._base_cursor

    # --- publishing ------------------------------------------------------------

    def append(self, frame: bytes, cursor: Cursor) -> None:
        """Add a frame to the run; `wake` has it written."""
        if not self._run:
            self._base_cursor = self.cursor
        self._run.append(frame)
        self._cursors.append(cursor)
        self.cursor = cursor

    def wake(self) -> None:
        """Give every cohort its turn."""
        if not self.cohorts:
            self._drop_run()
            return
        for cohort in self.cohorts:
            self._turns.queue(cohort)

    def ping(self, message: Message) -> None:
        """Write a message of the node's own to every live session, at the safe cursor."""
        if self.cohorts and not self.held:
            cursor = self.safe_cursor()
            self.append(self.encoder.message(message._replace(cursor=cursor)), cursor)
            self.wake()

    def hold(self) -> None:
        """Stop taking messages: a channel is being synchronised with the store."""
        self.held += 1

    def release(self) -> None:
        """Take what the rings have got meanwhile, and go on."""
        self.held -= 1
        if self.held:
            return
        missed = self._missed()
        if missed is None:
            for cohort in list(self.cohorts):
                for session in list(cohort.members):
                    self.lag(session, cohort)
            self._drop_run()
            self.cursor = self._base_cursor = self.safe_cursor()
        else:
            self._run.extend(missed.items)
            self._cursors.extend(missed.cursors)
            self.cursor = max(self.safe_cursor(), self.cursor)
        self.wake()
        for session in self.lagging:
            if not session.blocked:
                self._turns.queue(session)

    def _missed(self) -> Span[bytes] | None:
        if not self.cohorts:
            return None
        if not all(channel.ring.covers(self.cursor) for channel in self.channels):
            return None
        return merge([channel.span(self.encoder, self.cursor) for channel in self.channels])

    # --- writing to cohorts ------------------------------------------------------------

    def piece(self, position: int, end: int | None = None) -> tuple[bytes, int]:
        """
        Return the bytes of one write to whoever stands at the position, and where they end.

        Made once for all who stand there.

        Args:
            position: Where the reader stands; before `head`.
            end: Position not to pass; the head by default.
        """
        end = self.head if end is None else end
        known = self._piece
        if known is not None and known[0] == position and known[1] == end:
            return known[2], known[3]
        frames = self._run[position - self._base : end - self._base]
        count = _fitting(frames, self._limits.piece_bytes)
        stop = position + count
        data = self.encoder.join(frames[:count], self.cursor_at(stop), None)
        self._piece = (position, end, data, stop)
        return data, stop

    def flushed(self, cohort: Cohort) -> None:
        """Tidy up after a cohort was written to; have it called again if it is not at the head."""
        if not cohort.members:
            self.cohorts.remove(cohort)
        elif cohort.position < self.head:
            self._turns.queue(cohort)
        elif 2 * len(cohort.members) <= self._limits.cohort_size and len(self.cohorts) > 1:
            self._fold(cohort)
        self._trim()

    def _fold(self, cohort: Cohort) -> None:
        host = self._host(cohort.position, len(cohort.members), cohort)
        if host is not None and host.position == cohort.position:
            self.cohorts.remove(cohort)
            host.absorb(cohort)

    def _host(self, position: int, size: int, guest: Cohort | None = None) -> Cohort | None:
        best = None
        for cohort in self.cohorts:
            if cohort is guest or cohort.position < position:
                continue
            if len(cohort.members) + size > self._limits.cohort_size:
                continue
            if best is None or cohort.position < best.position:
                best = cohort
        return best

    def _trim(self) -> None:
        if not self._run:
            return
        least = min((cohort.position for cohort in self.cohorts), default=self.head)
        written = least - self._base
        if written == len(self._run):
            self._drop_run()
        elif written > _TRIM_RUN:
            self._base_cursor = self._cursors[written - 1]
            del self._run[:written], self._cursors[:written]
            self._base = least

    def _drop_run(self) -> None:
        self._base += len(self._run)
        self._base_cursor = self.cursor
        self._run.clear()
        self._cursors.clear()
        self._piece = None

    # --- attaching and catching up -----------------------------------------------------------

    def attach(self, session: Session, cursor: Cursor) -> None:
        """
        Take a session in at its cursor: it is lagging until it has caught up.

        Args:
            session: A session that is attached nowhere.
            cursor: Not after the tenant's high-water mark.
        """
        session.enter(self, cursor)
        self.lagging.add(session)
        self.catch_up(session)

    def leave(self, session: Session) -> Cursor:
        """Let a session go and return the cursor it can safely come back with."""
        cohort = session.cohort
        cursor = session.exit()
        if isinstance(cohort, Cohort):
            del cohort.members[session]
            if not cohort.members and not cohort.flushing:
                self.cohorts.remove(cohort)
                self._trim()
        else:
            self.lagging.discard(session)
        if self.empty:
            self._emptied(self)
        return cursor

    def lag(self, session: Session, cohort: Cohort) -> None:
        """Move a live session whose outlet is full, or who missed something, to the lagging."""
        session.fall_behind()
        del cohort.members[session]
        if not cohort.members and not cohort.flushing:
            self.cohorts.remove(cohort)
        self.lagging.add(session)

    def resume(self, session: Session) -> None:
        """Give a lagging session its turn to catch up."""
        self._turns.queue(session)

    def catch_up(self, session: Session) -> int:
        """
        Write the next piece to a lagging session, or make it live if it has everything.

        Returns:
            Writes made, 0 or 1; the pump counts them.
        """
        if session.state is not State.LAGGING or session.blocked:
            return 0
        position = session.position
        if position is not None and self._base <= position <= self.head:
            return self._catch_up_in_run(session, position)
        piece = self.collect(session.cursor, self._limits.piece_bytes, session.told)
        if piece is None:
            self._refill(session)
            return 0
        if not piece.frames and not piece.gaps:
            if piece.complete and not self.held:
                self._go_live(session, self.head)
            return 0
        data = self._encode(session, piece)
        session.advance(piece.cursor, self.head if piece.complete else None, piece.told)
        return self._send(session, data)

    def _encode(self, session: Session, piece: Piece) -> bytes:
        frames = piece.frames
        if piece.gaps and session.notices:
            frames = [*map(self.encoder.gap, piece.gaps), *frames]
        first = max((gap.first for gap in piece.gaps), default=None)
        return self.encoder.join(frames, piece.cursor, first)

    def _catch_up_in_run(self, session: Session, position: int) -> int:
        host = self._host(position, 1)
        end = self.head if host is None else host.position
        if end == position:
            self._go_live(session, position)
            return 0
        data, stop = self.piece(position, end)
        session.advance(self.cursor_at(stop), stop)
        return self._send(session, data)

    def _send(self, session: Session, data: bytes) -> int:
        sent = session.outlet.write(data) if data else True
        if self.encoder.once:
            session.answer()
        elif sent:
            self._turns.queue(session)
        return 1

    def _go_live(self, session: Session, position: int) -> None:
        self.lagging.discard(session)
        host = next(
            (
                cohort
                for cohort in self.cohorts
                if cohort.position == position and len(cohort.members) < self._limits.cohort_size
            ),
            None,
        )
        if host is None:
            host = Cohort(self, position)
            self.cohorts.append(host)
        host.admit(session)
        if position < self.head:
            self._turns.queue(host)

    # --- reading ------------------------------------------------------------

    def collect(self, after: Cursor, limit_bytes: int, told: Cursor | None = None) -> Piece | None:
        """
        Return what follows a cursor, merged over all channels, from the local rings.

        Args:
            after: The reader's cursor; not after the tenant's high-water mark.
            limit_bytes: Most that the frames may hold together, one message excepted.
            told: Gaps up to this cursor were told before.

        Returns:
            None when the local rings do not reach back to the cursor and the store has to be read.
        """
        if after >= self.cursor:
            safe = after if self.held else self.safe_cursor()
            return Piece((), max(after, safe), (), complete=True)
        spans: list[Span[bytes]] = []
        gaps: list[Gap] = []
        newly = told = told or after
        for channel in self.channels:
            if not channel.answers(after):
                return None
            if channel.ring.floor > told:
                gaps.append(Gap(channel.name, after, channel.first_after(after)))
                newly = max(newly, channel.ring.floor)
            if channel.ring.head > after:
                spans.append(channel.span(self.encoder, after))
        merged = clip(self._up_to_now(merge(spans)), limit_bytes)
        if not merged.complete:
            return Piece(merged.items, merged.cursors[-1], gaps, complete=False, told=newly)
        return Piece(merged.items, self.safe_cursor(), gaps, complete=True, told=newly)

    def _up_to_now(self, span: Span[bytes]) -> Span[bytes]:
        if not self.held or not span.cursors or span.cursors[-1] <= self.cursor:
            return span
        count = bisect_right(span.cursors, self.cursor)
        return Span(span.cursors[:count], span.items[:count])


def _fitting(frames: Sequence[bytes], limit_bytes: int) -> int:
    if len(frames) <= 1:
        return len(frames)
    ends = list(accumulate(map(len, frames)))
    return max(1, bisect_right(ends, limit_bytes))
