"""The inside of a node, from the store's announcements to outlets, on a loop that stands still."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NamedTuple, TypeVar, cast
import asyncio

from broker.attendance import Attendance
from broker.core.cursor import START, Cursor
from broker.core.encoder import Encoder
from broker.core.message import Draft, Message
from broker.core.ring import Retention
from broker.core.rules import SlowPolicy
from broker.core.session import Session
from broker.hub import Hub
from broker.hub.audit import Audit
from broker.hub.channel import Channel
from broker.hub.feed import Feed
from broker.hub.pump import Pump
from broker.hub.reader import Reader
from broker.hub.surroundings import FeedLimits, Turns
from broker.hub.sync import Sync, SyncLimits
from broker.hub.tenant import Tenant
from broker.store.base import Publication, Stored
from broker.subscribe import Subscriber
from broker.wheel import Wheel
from tests.support.outlets import LineEncoder, RecordingOutlet
from tests.support.steered import SteeredStore
from tests.support.stepping import SteppingLoop

T = TypeVar("T")

TENANT = "main"

EPOCH = 1_700_000_000
"""What the wall clock says when the loop's says 0."""


class Attached(NamedTuple):
    """
    A subscriber.

    Attributes:
        outlet: What it is sent.
        session: Its session.
        begin: Where it began.
    """

    outlet: RecordingOutlet
    session: Session
    begin: Cursor


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never waits, without the loop."""
    try:
        work.send(None)
    except StopIteration as end:
        return cast("T", end.value)
    raise AssertionError("it waits")


class Fanout:
    """
    A node without transports, over a steered store.

    Args:
        retention: Gives a channel's retention; the default one for all otherwise.
        limits: Bounds of feeds.
        page_messages: Messages of one read.
        linger_s: How long an empty feed is kept.
        idle_channels: Channels that empty feeds may have together.
        ring_bytes: Memory of local rings.
        turns: Whose turn it is to write; a pump of its own otherwise.
        slow_policy: Gives what slow readers get of a channel; everything otherwise.

    Attributes:
        log: Every message ever stored, in order; the body is its number. None knows its `prev`.
    """

    def __init__(
        self,
        *,
        retention: Callable[[str], Retention] = lambda _: Retention(),
        limits: FeedLimits | None = None,
        page_messages: int = 1000,
        linger_s: float = 60.0,
        idle_channels: int = 50_000,
        ring_bytes: int = 2**30,
        turns: Turns | None = None,
        slow_policy: Callable[[str], SlowPolicy] = lambda _: SlowPolicy.CATCH_UP,
    ) -> None:
        self.loop = SteppingLoop()
        self.retention = retention
        self.store = SteeredStore(self.wall)
        self.pump = Pump(self.loop, slice_writes=4, max_rest_s=0.0)
        self.wheel = Wheel(self.loop)
        self.hub = Hub(
            turns=turns or self.pump,
            limits=limits or FeedLimits(cohort_size=4, piece_bytes=100, answer_bytes=200),
            retention=lambda name: self.retention(name),  # noqa: PLW0108 - tests replace it
            clock=self.loop.time,
            linger_s=linger_s,
            idle_channels=idle_channels,
            ring_bytes=ring_bytes,
            slow_policy=slow_policy,
        )
        self.loop.run(self.store.listener(self.hub))
        [self.ear] = self.store.ears
        self.reader = Reader(self.store, page_messages)
        self.sync = Sync(self.hub, self.ear, self.reader, SyncLimits())
        self.hub.use(self.sync)
        self.audit = Audit(self.hub, self.sync, self.reader)
        self.attendance = Attendance(self.wheel, self.loop.time, self.wall)
        self.subscriber = Subscriber(self.hub, self.sync, self.attendance)
        self.encoder = LineEncoder()
        self.log: list[Message] = []

    def wall(self) -> float:
        """Return seconds since the epoch on the loop's clock."""
        return EPOCH + self.loop.time()

    @property
    def tenant(self) -> Tenant:
        """The only tenant."""
        return self.hub.tenant(TENANT)

    def channel(self, name: str) -> Channel:
        """Return a channel that the node listens to."""
        return self.tenant.channels[name]

    def feed(self, *names: str, encoder: Encoder | None = None) -> Feed:
        """Return the feed of a list."""
        return self.hub.feed(self.tenant, names, encoder or self.encoder)

    # --- publishers ------------------------------------------------------------

    def publish(self, *channels: str) -> list[Message]:
        """Store one message in each channel, atomically; its announcement is then on its way."""
        drafts = [
            Draft(channel, b"%d" % number) for number, channel in enumerate(channels, len(self.log))
        ]
        publication = Publication(drafts, [self.retention(channel) for channel in channels])
        with self.loop.inside():
            [outcome] = at_once(self.store.publish(TENANT, [publication], START))
        assert isinstance(outcome, Stored)
        messages = [
            Message(stamp.id, draft.channel, draft.body, stamp.cursor, START)
            for draft, stamp in zip(drafts, outcome.stamps, strict=True)
        ]
        self.log += messages
        return messages

    # --- subscribers ------------------------------------------------------------

    def enter(
        self,
        names: Sequence[str],
        cursor: Cursor | None,
        encoder: Encoder | None = None,
        outlet: RecordingOutlet | None = None,
    ) -> asyncio.Task[Attached]:
        """Begin to attach; the task ends with the subscriber."""
        work = self._enter(tuple(names), cursor, encoder, outlet or RecordingOutlet())
        return self.loop.create_task(work)

    def attach(
        self, *names: str, cursor: Cursor | None = None, encoder: Encoder | None = None
    ) -> RecordingOutlet:
        """Attach, and write what there is."""
        work = self._enter(names, cursor, encoder, RecordingOutlet())
        return self.loop.run(work).outlet

    async def _enter(
        self,
        names: tuple[str, ...],
        cursor: Cursor | None,
        encoder: Encoder | None,
        outlet: RecordingOutlet,
    ) -> Attached:
        entry = await self.subscriber.enter(TENANT, names, cursor, encoder or self.encoder)
        session = self.subscriber.attach(entry, outlet, None, notices=True)
        return Attached(outlet, session, entry.cursor)

    # --- the end ------------------------------------------------------------

    def close(self) -> None:
        """Give everything up."""
        self.store.is_manual = False
        self.store.let_go(self.store.waiting)
        self.loop.run(self.audit.close())
        self.loop.run(self.sync.close())
        self.pump.stop()
        self.wheel.stop()
        self.loop.close()
