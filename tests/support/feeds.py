"""One feed over channels that a test fills by hand, without a store."""

from __future__ import annotations

from broker.core.cursor import Cursor
from broker.core.message import Message
from broker.core.ring import Retention
from broker.core.session import Session
from broker.hub.channel import Channel
from broker.hub.feed import Feed
from broker.hub.flow import Flows
from broker.hub.shelf import Shelf
from broker.hub.surroundings import FeedKey, FeedLimits, Surroundings
from broker.writing.path import PlainPath
from tests.support.messages import at
from tests.support.outlets import LineEncoder, RecordingOutlet
from tests.support.turns import HandPump


class FeedStand:
    """
    A feed of the channels a and b.

    Args:
        cohort_size: Sessions of one cohort.
        piece_bytes: Bytes of one write.
        retention: Of both channels.
        once: Whether its dialect is that of polls.
        is_born_held: Whether channel a was never synchronised.
        mark: Tag of the high-water mark at the beginning.

    Attributes:
        mark: The high-water mark.
        now: Loop time.
        refills: Sessions whose cursor the rings do not reach back to.
        emptied: How often the feed became empty.
    """

    def __init__(
        self,
        *,
        cohort_size: int = 2,
        piece_bytes: int = 1000,
        retention: Retention | None = None,
        once: bool = False,
        is_born_held: bool = False,
        mark: int = 0,
    ) -> None:
        self.mark = at(mark)
        self.now = 0.0
        self.pump = HandPump()
        self.encoder = LineEncoder(once=once)
        self.refills: list[Session] = []
        self.emptied = 0
        self.channels = {name: Channel(name, retention or Retention(), at(0)) for name in "ab"}
        for channel in self.channels.values():
            if channel.name != "a" or not is_born_held:
                channel.release()
        around = Surroundings(
            self.pump,
            self.pump,
            Flows(),
            FeedLimits(cohort_size, piece_bytes, piece_bytes),
            PlainPath(),
            Shelf(),
            high_water=lambda: self.mark,
            refill=lambda _, session: self.refills.append(session),
            emptied=lambda _: self._count(),
            clock=lambda: self.now,
        )
        self.feed = Feed(
            FeedKey("main", ("a", "b"), self.encoder), list(self.channels.values()), around
        )
        for channel in self.channels.values():
            channel.carry(self.feed)

    def announce(self, *messages: Message) -> None:
        """Do with announcements what the hub does."""
        for message in messages:
            channel = self.channels[message.channel]
            assert channel.ring.append(message)
            if not self.feed.held:
                self.feed.append(channel.encode(message, self.encoder), message.cursor)
            self.mark = max(self.mark, message.cursor)
        self.feed.wake()

    def hold(self, name: str = "a") -> Channel:
        """Hold the feed for a channel."""
        self.channels[name].hold(self.mark)
        self.feed.hold()
        return self.channels[name]

    def release(self, name: str = "a") -> None:
        """Let the feed go on."""
        self.feed.release(self.channels[name].release())

    def attach(
        self, cursor: Cursor | None = None, outlet: RecordingOutlet | None = None
    ) -> tuple[RecordingOutlet, Session]:
        """Attach a session, by default at the mark."""
        outlet = outlet or RecordingOutlet()
        session = Session(outlet, None, notices=True, farewell=lambda _: None)
        outlet.bind(session)
        self.feed.attach(session, self.mark if cursor is None else cursor)
        return outlet, session

    def _count(self) -> None:
        self.emptied += 1
