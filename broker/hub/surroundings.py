"""What feeds are given: their names, their bounds, and whom they ask."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol

from broker.core.cursor import Cursor
from broker.core.encoder import Encoder
from broker.core.session import Session
from broker.hub.flow import Flows
from broker.hub.pump import Turn
from broker.hub.shelf import Shelf
from broker.writing.path import WritePath

if TYPE_CHECKING:
    from broker.hub.feed import Feed


class FeedLimits(NamedTuple):
    """
    Bounds that feeds share.

    Attributes:
        cohort_size: Sessions that share one position.
        piece_bytes: Most that one write to a session holds, one message excepted.
        answer_bytes: Most that the one answer of a poll holds, one message excepted.
        pending: Announcements that may wait for the history of a channel; beyond, it is read again.
        slow_s: Seconds that a reader may be behind where a channel does not wait for it.
    """

    cohort_size: int = 128
    piece_bytes: int = 65536
    answer_bytes: int = 2**20
    pending: int = 10_000
    slow_s: float = 10.0


class Turns(Protocol):
    """Where a feed asks for its turn to write: the pump."""

    def queue(self, item: Turn) -> None:
        """Have the item's `flush` called soon; once, however often this is asked."""


class FeedKey(NamedTuple):
    """
    What makes two sessions share a feed.

    Attributes:
        tenant: Whose channels.
        channels: The channels asked for, in that order; the ping channel may be among them.
        encoder: The dialect.
    """

    tenant: str
    channels: tuple[str, ...]
    encoder: Encoder


class Surroundings(NamedTuple):
    """
    What the feeds of a tenant share.

    Attributes:
        turns: Where cohorts wait for their turn to write.
        catch_ups: Where lagging sessions do.
        flows: Where what they write is counted.
        limits: Bounds.
        path: How cohorts are written to.
        shelf: What those who came back were written lately.
        high_water: Gives the cursor up to which announcements were handed to this node.
        refill: Called with a session whose cursor the local rings do not reach back to; the
            session is queued again once they do.
        emptied: Called when the last session left.
        clock: Loop time in seconds.
    """

    turns: Turns
    catch_ups: Turns
    flows: Flows
    limits: FeedLimits
    path: WritePath
    shelf: Shelf
    high_water: Callable[[], Cursor]
    refill: Callable[[Feed, Session], None]
    emptied: Callable[[Feed], None]
    clock: Callable[[], float]
