"""Polls once they are let in: what they find, now or later, and the same poll again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple
from weakref import ref

from broker.core.cursor import Cursor
from broker.hub import PING_CHANNEL, ping_message
from broker.hub.feed import Feed, Piece
from broker.protocols.pushstream.admission import Admitted
from broker.protocols.pushstream.known import Cut
from broker.protocols.pushstream.services import Services
from broker.protocols.pushstream.wire.encoders import PollEncoder
from broker.protocols.pushstream.wire.jsonp import ScriptConnection
from broker.subscribe import Entry, Subscriber
from broker.transports.front import Seat, hand_over
from broker.transports.poll import PollConnection, PollLimits


class Found(NamedTuple):
    """
    What a poll finds at once.

    Attributes:
        entry: Where it stands once it has that.
        frames: Messages.
        gap: `Gap.first` of what is missing before them, or None.
    """

    entry: Entry
    frames: Sequence[bytes]
    gap: Cursor | None = None


class Polls:
    """
    The polls of one mount: answers them with everything pending, or has them wait.

    Args:
        services: What it works with.
        limits: Bounds of their connections.
        hold: Whether they wait for a message.

    Attributes:
        hold: The same.
    """

    def __init__(self, services: Services, limits: PollLimits, *, hold: bool) -> None:
        self.hold = hold
        self._services = services
        self._subscriber = services.subscriber
        self._limits = limits

    # --- what there is -------------------------------------------------------------------------

    def collect(
        self, entry: Entry, admitted: Admitted, cursor: Cursor | None, encoder: PollEncoder
    ) -> Found | None:
        """
        Return what follows an entry; None when the store has to be read once more.

        Args:
            entry: Where the poll begins.
            admitted: What it may read.
            cursor: The client's own cursor, if it came with one.
            encoder: The dialect.
        """
        piece = entry.feed.collect(entry.cursor, self._services.limits.answer_bytes)
        if piece is None:
            return None
        gap = max(gap.first for gap in piece.gaps) if piece.gaps else None
        frames = piece.frames
        if PING_CHANNEL in admitted.channels:
            frames = [*frames, *self._ping(cursor, piece, encoder)]
        return Found(Entry(entry.feed, piece.cursor), frames, gap)

    def look(self, admitted: Admitted, cursor: Cursor | None, encoder: PollEncoder) -> Found | None:
        """Return what a poll finds, if that needs no store; see `collect`."""
        entry = self._subscriber.enter_now(admitted.tenant, admitted.channels, cursor, encoder)
        return None if entry is None else self.collect(entry, admitted, cursor, encoder)

    def _ping(self, cursor: Cursor | None, piece: Piece, encoder: PollEncoder) -> list[bytes]:
        """
        Return the ping that is due: one for each interval of the clock that the cursor has missed.

        The answer's cursor then lies in the present interval, so the next poll gets none before
        the next one, without any memory of the client.
        """
        if cursor is None or not piece.complete:
            return []
        now = self._services.wall_clock()
        interval_s = self._services.limits.ping_interval_s
        begun = int(now / interval_s) * interval_s
        if cursor.time >= begun or piece.cursor.time < begun:
            return []
        return [encoder.message(ping_message(now, piece.cursor))]

    # --- answering ---------------------------------------------------------------------------

    def connection(self, encoder: PollEncoder, callback: str = "") -> PollConnection:
        """
        Make the protocol of a connection that polls.

        Args:
            encoder: The dialect.
            callback: The function that the answer has to call, or nothing.
        """
        services = self._services
        make = partial(ScriptConnection, callback) if callback else PollConnection
        return make(
            services.wheel,
            self._limits,
            encoder.answers,
            services.recall,
            services.aiohttp,
            services.traffic.poll,
        )

    def sit(self, seat: Seat, encoder: PollEncoder) -> PollConnection | None:
        """Return the protocol of a connection that somebody holds; None when it is gone."""
        if isinstance(seat, PollConnection) and seat.limits is self._limits:
            seat.serve_next(encoder.answers)
            return seat
        transport = seat.surrender()
        if transport is None:
            return None
        connection = self.connection(encoder)
        hand_over(transport, connection, b"")
        return connection

    def settle(
        self, connection: PollConnection, admitted: Admitted, encoder: PollEncoder, found: Found
    ) -> None:
        """Answer a poll with what it found, or have it wait if that is nothing."""
        entry, frames, gap = found
        if not frames and gap is None:
            self.rest(connection, admitted, encoder, entry)
            return
        entry.feed.flow.replay(len(frames), gap=gap is not None)
        self._answer(connection, entry.feed, encoder.join(frames, entry.cursor, gap))

    def rest(
        self, connection: PollConnection, admitted: Admitted, encoder: PollEncoder, entry: Entry
    ) -> None:
        """Have a poll wait for which there is nothing, or tell it so."""
        if not self.hold:
            self._answer(connection, entry.feed, encoder.answers.empty(entry.cursor))
            return
        session = self._subscriber.attach(
            entry, connection, admitted.grants, notices=False, client=admitted.client
        )
        connection.hold(session)

    def _answer(self, connection: PollConnection, feed: Feed, answer: bytes) -> None:
        feed.flow.begun += 1
        feed.flow.bytes += len(answer)
        self._subscriber.keep(feed)
        connection.respond(answer)


def _nothing() -> None:
    """Stand for a feed that is not known yet."""


class Again:
    """
    Answers polls of one shape: they ask for the same channels in the same way (a `Route`).

    Those who wait together come back together, and have missed nothing: the feed that served the
    last one tells so, and nothing is looked for. A feed that nobody uses is not kept for that.

    Args:
        polls: Answers them.
        subscriber: Knows the feeds.
        encoder: The dialect.
    """

    __slots__ = ("_admitted", "_encoder", "_feed", "_polls", "_subscriber")

    def __init__(self, polls: Polls, subscriber: Subscriber, encoder: PollEncoder) -> None:
        self._polls = polls
        self._subscriber = subscriber
        self._encoder = encoder
        self._admitted: Admitted | None = None
        self._feed: Callable[[], Feed | None] = _nothing

    def __call__(
        self,
        admitted: Admitted,
        cursor: Cursor | None,
        parts: Cut,  # noqa: ARG002 - there is nothing else in it
        seat: Seat,
    ) -> bool:
        """Answer a poll; False when aiohttp has to."""
        polls = self._polls
        if not polls.hold and not self._subscriber.is_settled(admitted.tenant):
            return False
        entry = self._stay(admitted, cursor)
        if entry is None:
            return self._look(admitted, cursor, seat)
        connection = polls.sit(seat, self._encoder)
        if connection is not None:
            polls.rest(connection, admitted, self._encoder, entry)
        return True

    def _stay(self, admitted: Admitted, cursor: Cursor | None) -> Entry | None:
        feed = self._feed()
        if feed is None or cursor is None or admitted is not self._admitted:
            return None
        return self._subscriber.remain(feed, cursor)

    def _look(self, admitted: Admitted, cursor: Cursor | None, seat: Seat) -> bool:
        found = self._polls.look(admitted, cursor, self._encoder)
        if found is None:
            return False
        if PING_CHANNEL not in admitted.channels:  # else time alone may bring a message
            self._admitted, self._feed = admitted, ref(found.entry.feed)
        connection = self._polls.sit(seat, self._encoder)
        if connection is not None:
            self._polls.settle(connection, admitted, self._encoder, found)
        return True
