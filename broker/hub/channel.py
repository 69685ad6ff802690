"""What a node keeps of one channel that it listens to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from broker.core.cursor import START, Cursor
from broker.core.encoder import Encoder, Gap
from broker.core.message import Message
from broker.core.recovery import Span, join
from broker.core.ring import History, Retention, Ring, Tally
from broker.core.rules import SlowPolicy
from broker.hub.forms import Forms

if TYPE_CHECKING:
    from broker.hub.feed import Feed


class Late(NamedTuple):
    """
    What turned up behind cursors that were handed out already: its announcement was dropped.

    Attributes:
        messages: Messages that were found, in order.
        gap: What is lost for good, or None.
        mark: The last cursor that may have been handed out before.
    """

    messages: Sequence[Message]
    gap: Gap | None
    mark: Cursor


class Arrear(NamedTuple):
    """
    A message that turned up late, as far as it matters to who comes back.

    Attributes:
        prev: Cursor of its predecessor.
        cursor: Where it stands.
        mark: Whoever stands between there and the mark may have been passed over.
    """

    prev: Cursor
    cursor: Cursor
    mark: Cursor


MAX_ARREARS = 256
"""Arrears that a channel remembers; beyond, the oldest are forgotten."""


class Channel:
    """
    A channel on this node: its local ring, its encoded forms and its feeds.

    While `pending` is a list the channel is being synchronised with the store: announcements wait
    there, and every feed of the channel is held.

    Args:
        name: Name of the channel.
        retention: How much of it is kept.
        floor: Where its ring begins.
        tally: Where the memory of ring and forms is counted.
        pattern: The pattern of channel rules that it matches.

    Attributes:
        ring: Every message in `(ring.floor, ring.head]` that the retention keeps.
        bottom: Whether the store keeps nothing at or before `ring.floor` either, so that an older
            cursor means a gap and not a read.
        deleted: Everything up to here was deleted; a copy that a read still brings is dropped.
        feeds: Feeds that carry this channel, by encoder.
        pending: Announcements that wait for the store's history, or None when synchronised.
        is_fresh: Whether it has never been synchronised.
        used_at: When the ring was last read from, in seconds of the store's clock.
        slow_policy: What readers get that are slow.
        encode: Returns a message's bytes in a dialect, made once.
    """

    __slots__ = (
        "_arrears",
        "_forms",
        "_late",
        "_lost",
        "_mark",
        "_tally",
        "bottom",
        "deleted",
        "encode",
        "feeds",
        "is_fresh",
        "name",
        "pattern",
        "pending",
        "ring",
        "slow_policy",
        "used_at",
    )

    def __init__(
        self,
        name: str,
        retention: Retention,
        floor: Cursor,
        tally: Tally | None = None,
        pattern: str = "",
    ) -> None:
        self.name = name
        self.pattern = pattern
        self._tally = Tally() if tally is None else tally
        self.ring = Ring(retention, floor, self._tally)
        self.bottom = False
        self.deleted = START
        self.feeds: dict[Encoder, dict[Feed, None]] = {}
        self.pending: list[Message] | None = []
        self.is_fresh = True
        self.used_at = floor.time
        self.slow_policy = SlowPolicy.CATCH_UP
        self._forms = Forms(lambda: self.ring.floor, self._tally)
        self.encode = self._forms.encode
        self._mark = START
        self._late: list[Message] = []
        self._lost: tuple[Cursor, Cursor] | None = None
        self._arrears: tuple[Arrear, ...] = ()

    @property
    def memory_bytes(self) -> int:
        """Estimate of what the ring and its encoded forms take."""
        return self.ring.memory_bytes + self._forms.memory_bytes

    @property
    def is_wanted(self) -> bool:
        """Whether anybody is attached to one of its feeds."""
        return any(not feed.is_empty for feeds in self.feeds.values() for feed in feeds)

    @property
    def is_late(self) -> bool:
        """Whether something turned up behind the mark since announcements are kept back."""
        return bool(self._late) or self._lost is not None

    def carry(self, feed: Feed) -> None:
        """Add a feed that wants this channel's messages."""
        self.feeds.setdefault(feed.encoder, {})[feed] = None

    def drop(self, feed: Feed) -> None:
        """Take a feed out."""
        feeds = self.feeds[feed.encoder]
        del feeds[feed]
        if not feeds:
            del self.feeds[feed.encoder]
            self._forms.drop(feed.encoder)

    # --- reading ------------------------------------------------------------

    def answers(self, after: Cursor) -> bool:
        """Tell whether this node knows what follows the cursor, or that it is lost."""
        return self.bottom or self.ring.covers(after)

    def first_after(self, after: Cursor) -> Cursor:
        """Return the cursor of the first kept message after the cursor, else the ring's floor."""
        kept = self.ring.since(after, 1)
        return kept[0].cursor if kept else self.ring.floor

    def span(self, encoder: Encoder, after: Cursor, limit: int | None = None) -> Span[bytes]:
        """Return the kept messages after the cursor in a dialect, at most `limit`."""
        cursors, messages = self.ring.stretch(after, limit)
        items = self._forms.encode_all(cursors, messages, encoder)
        return Span(cursors, items, limit is None or len(messages) < limit)

    @property
    def arrears_until(self) -> Cursor:
        """Who comes with a later cursor was not passed over."""
        return self._arrears[-1].mark if self._arrears else START

    def arrears(self, after: Cursor) -> tuple[list[Message], Gap | None]:
        """Return the late messages that who stands at the cursor may have been passed over with."""
        messages: list[Message] = []
        gap = None
        for prev, cursor, mark in self._arrears:
            if not cursor <= after <= mark:
                continue
            if cursor > self.ring.floor:
                messages += self.ring.since(Cursor(cursor.time, cursor.tag - 1), 1)
            else:
                gap = Gap(self.name, prev, self.first_after(after), cursor)
        return messages, gap

    # --- keeping ------------------------------------------------------------

    def expire(self, now: int) -> None:
        """Drop what is older than the retention at `now`, in seconds of the store's clock."""
        if self.ring.expire(now):
            self._forms.prune()

    def keep(self, retention: Retention) -> None:
        """Keep as much as another retention says; what the store has below is asked anew."""
        if retention != self.ring.retention:
            self.ring.keep(retention)
            self.bottom = False

    def shed(self) -> None:
        """Give the ring's memory back; who needs it again reads it from the store."""
        self.ring.clear()
        self.bottom = False
        self._forms.clear()

    def restart(self, floor: Cursor, *, bottom: bool) -> None:
        """Begin anew: nothing is known up to the floor, or, at the bottom, kept anywhere."""
        self.ring.clear()
        self.ring = Ring(self.ring.retention, floor, self._tally)
        self.bottom = bottom
        self._forms.clear()

    def fill(self, messages: Sequence[Message], floor: Cursor) -> None:
        """Add everything that is kept up to `ring.floor`; it is complete after the new floor."""
        self.ring.prepend(messages, floor)
        self.bottom = True
        self.delete(self.deleted)

    def delete(self, until: Cursor) -> None:
        """Drop what was deleted in the store; who has not read it yet is told of a gap."""
        self.deleted = max(self.deleted, until)
        if self.deleted == START:
            return
        if self.ring.drop(self.deleted):
            self._forms.prune()
        if self.ring.floor == self.deleted:
            self.bottom = True

    # --- synchronising ------------------------------------------------------------

    def hold(self, mark: Cursor) -> None:
        """
        Keep announcements back from now on.

        Args:
            mark: The high-water mark; what turns up at or before it is late.
        """
        self.pending = []
        self._mark = mark

    def defer(self, message: Message, limit: int) -> None:
        """Keep an announcement back; beyond `limit` only the last, which shows that others came."""
        pending = self.pending
        if pending is not None:
            pending.append(message)
            if len(pending) > limit:
                del pending[:-1]

    def extend(self, messages: Sequence[Message]) -> None:
        """Add messages that a read found, or that waited."""
        for message in messages:
            if self.ring.append(message) and message.cursor <= self._mark:
                self._late.append(message)
        self.delete(self.deleted)

    def skip(self, floor: Cursor) -> None:
        """Take note that some messages between the ring's head and the floor are kept nowhere."""
        head = self.ring.head
        floor = max(floor, head)
        if floor <= self._mark:
            self._lost = (head if self._lost is None else self._lost[0], floor)
        self.restart(floor, bottom=True)

    def settle(self) -> bool:
        """Add what waited in `pending`; tell whether nothing is missing in between."""
        pending = self.pending or []
        known = History(self.name, (), gap=False, head=self.ring.head)
        joined = join(known, pending)
        self.extend(joined.messages)
        pending.clear()
        return joined.hole is None

    def release(self) -> Late | None:
        """Take announcements directly again; return what turned up behind the mark."""
        self.pending = None
        self.is_fresh = False
        messages, self._late = self._late, []
        lost, self._lost = self._lost, None
        gap = None if lost is None else Gap(self.name, lost[0], self.first_after(lost[1]), lost[1])
        if gap is None and not messages:
            return None
        late = Late(messages, gap, self._mark)
        self._arrears = (*self._arrears, *_arrears_of(late))[-MAX_ARREARS:]
        return late


def _arrears_of(late: Late) -> Iterator[Arrear]:
    if late.gap is not None:
        yield Arrear(late.gap.after, late.gap.last, late.mark)
    for message in late.messages:
        yield Arrear(message.prev, message.cursor, late.mark)
