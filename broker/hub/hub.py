"""The hub: announcements in, feeds out; one per node."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Protocol

from broker.core.cursor import START, Cursor
from broker.core.encoder import Encoder
from broker.core.message import Message
from broker.core.ring import Retention
from broker.core.rules import SlowPolicy
from broker.core.session import Session
from broker.hub.budget import Budget
from broker.hub.channel import Channel
from broker.hub.feed import Feed
from broker.hub.flow import Flows
from broker.hub.idle import MOST_CHANNELS, Idle
from broker.hub.pings import PING_CHANNEL, ping_message
from broker.hub.shelf import Shelf
from broker.hub.slow import review
from broker.hub.surroundings import FeedKey, FeedLimits, Surroundings, Turns
from broker.hub.tenant import Tenant, forget_idle
from broker.writing.path import PlainPath, WritePath

RING_BYTES = 256 * 2**20
"""Memory of local rings, where nothing else is said: a fraction of a small machine."""


class Synchroniser(Protocol):
    """Who brings channels up to date with the store: `broker.hub.sync`."""

    def heal(self, tenant: Tenant, channels: Sequence[Channel]) -> None:
        """Read what held channels missed, in the background, and release them."""

    def refill(self, tenant: Tenant, feed: Feed, session: Session) -> None:
        """Read what a lagging session needs and the local rings no longer hold."""

    def forget(self, tenant: Tenant, names: Sequence[str]) -> None:
        """Stop listening to channels."""


class Hub:
    """
    Hands announcements to rings and feeds (a `Sink`), and owns both.

    Args:
        turns: The pump of cohorts.
        catch_ups: That of sessions that catch up; the same by default.
        limits: Bounds of feeds.
        retention: Gives a channel's retention.
        clock: Loop time in seconds.
        linger_s: Seconds that a feed nobody is attached to is kept, so that polls and quick
            reconnects find it.
        idle_channels: Channels that the idle feeds may have together.
        ring_bytes: Memory that local rings and encoded messages may take together.
        healed: Called with the seconds for which a channel missed announcements, once it does not.
        pattern: Gives the pattern of a channel, under which its subscribers are counted.
        slow_policy: Gives what slow readers get of a channel.
        path: How live sessions are written to; by default with a system call each.

    Attributes:
        flows: What left towards subscribers, by transport.
        idle: Feeds without subscribers.
        budget: Memory of local rings.
    """

    def __init__(  # noqa: PLR0913 - each is named where it is given
        self,
        *,
        turns: Turns,
        limits: FeedLimits,
        retention: Callable[[str], Retention],
        clock: Callable[[], float],
        linger_s: float,
        idle_channels: int = MOST_CHANNELS,
        ring_bytes: int = RING_BYTES,
        healed: Callable[[float], None] = lambda _: None,
        pattern: Callable[[str], str] = lambda _: "",
        slow_policy: Callable[[str], SlowPolicy] = lambda _: SlowPolicy.CATCH_UP,
        path: WritePath | None = None,
        catch_ups: Turns | None = None,
    ) -> None:
        self._turns = turns
        self._catch_ups = catch_ups or turns
        self._limits = limits
        self._path = path or PlainPath()
        self._retention = retention
        self._pattern = pattern
        self._slow_policy = slow_policy
        self._clock = clock
        self._tenants: dict[str, Tenant] = {}
        self._shelf = Shelf()
        self._feeds: dict[FeedKey, Feed] = {}
        self.idle = Idle(linger_s, idle_channels)
        self.budget = Budget(ring_bytes, self._timed_channels)
        self._synchroniser: Synchroniser | None = None
        self._healed = healed
        self._held_since: dict[Channel, float] = {}
        self.flows = Flows()

    def use(self, synchroniser: Synchroniser) -> None:
        """Name who brings channels up to date; once, before the first feed."""
        self._synchroniser = synchroniser

    @property
    def _sync(self) -> Synchroniser:
        if self._synchroniser is None:
            raise RuntimeError("the hub has no synchroniser yet")
        return self._synchroniser

    # --- what there is ------------------------------------------------------------

    @property
    def feeds(self) -> Iterable[Feed]:
        """Every feed."""
        return self._feeds.values()

    @property
    def feed_count(self) -> int:
        """How many feeds there are."""
        return len(self._feeds)

    @property
    def tenants(self) -> Iterable[Tenant]:
        """Every tenant that this node has to do with."""
        return self._tenants.values()

    @property
    def ring_bytes(self) -> int:
        """Estimate of the memory that local rings and encoded messages take."""
        return self.budget.tally.bytes

    def tenant(self, name: str) -> Tenant:
        """Return a tenant, new if need be."""
        tenant = self._tenants.get(name)
        if tenant is None:
            tenant = self._tenants[name] = Tenant(name)
        return tenant

    def high_water(self, name: str) -> Cursor:
        """Return a tenant's high-water mark; the beginning for an unknown one."""
        tenant = self._tenants.get(name)
        return START if tenant is None else tenant.high_water

    def is_wanted(self, name: str, channel: str) -> bool:
        """Tell whether anybody on this node reads a tenant's channel."""
        tenant = self._tenants.get(name)
        known = None if tenant is None else tenant.channels.get(channel)
        return known is not None and known.is_wanted

    def wrote(self, name: str, cursor: Cursor) -> None:
        """Take note of what a publisher of this node was given."""
        tenant = self._tenants.get(name)
        if tenant is not None and cursor > tenant.written:
            tenant.written = cursor

    def feed(self, tenant: Tenant, names: tuple[str, ...], encoder: Encoder) -> Feed:
        """
        Return the feed of a channel list in a dialect, new if need be.

        Channels that are new to the node begin unsynchronised: see `Channel.pending`.
        """
        key = FeedKey(tenant.name, names, encoder)
        feed = self._feeds.get(key)
        if feed is None:
            if self.idle.is_full(self._clock()):
                self.sweep()
            feed = self._feeds[key] = self._make_feed(tenant, key)
            tenant.feeds += 1
            self._retire(feed)
        else:
            self.idle.renew(feed, self._clock())
        return feed

    @contextmanager
    def reserved(self, feed: Feed) -> Iterator[None]:
        """Keep a feed while somebody waits to be attached to it."""
        feed.waiting += 1
        try:
            yield
        finally:
            feed.waiting -= 1
            self.idle.renew(feed, self._clock())

    def _make_feed(self, tenant: Tenant, key: FeedKey) -> Feed:
        channels = [self._channel(tenant, name) for name in key.channels if name != PING_CHANNEL]
        feed = Feed(key, channels, self._surroundings(tenant))
        for channel in channels:
            channel.carry(feed)
        return feed

    def _surroundings(self, tenant: Tenant) -> Surroundings:
        around = tenant.around
        if around is None:
            around = tenant.around = Surroundings(
                self._turns,
                self._catch_ups,
                self.flows,
                self._limits,
                self._path,
                self._shelf,
                high_water=lambda: tenant.high_water,
                refill=partial(self._sync.refill, tenant),
                emptied=self._retire,
                clock=self._clock,
            )
        return around

    def _channel(self, tenant: Tenant, name: str) -> Channel:
        channel = tenant.channels.get(name)
        if channel is None:
            retention = self._retention(name)
            channel = Channel(
                name, retention, tenant.high_water, self.budget.tally, self._pattern(name)
            )
            channel.slow_policy = self._slow_policy(name)
            tenant.channels[name] = channel
        return channel

    # --- announcements (Sink) ------------------------------------------------------------

    def received(self, tenant: str, messages: Sequence[Message]) -> None:
        """Take newly announced messages, in stamping order, to the feeds that carry them."""
        state = self.tenant(tenant)
        touched: set[Feed] = set()
        holes: list[Channel] = []
        strays: list[str] = []
        last = START
        for message in messages:
            channel = state.channels.get(message.channel)
            if channel is None:
                strays.append(message.channel)
            elif channel.pending is not None:
                channel.defer(message, self._limits.pending)
            elif message.prev > channel.ring.head:
                state.rise(last)  # runs stand there by now: what is missing before it is late
                self._hold(state, channel)
                channel.defer(message, self._limits.pending)
                holes.append(channel)
            elif channel.ring.append(message):
                _append(channel, message, touched)
            last = message.cursor
        state.rise(last)
        for feed in touched:
            feed.wake()
        if strays:
            self._sync.forget(state, strays)
        if holes:
            self._sync.heal(state, holes)

    def deleted(self, tenant: str, channel: str, cursor: Cursor) -> None:
        """Drop the copy of what was deleted; who has been written it keeps it."""
        known = self.tenant(tenant).channels.get(channel)
        if known is not None:
            known.delete(cursor)

    def ticked(self, tenant: str, cursor: Cursor) -> None:
        """Take note that every announcement up to the cursor has been handed over."""
        self.tenant(tenant).rise(cursor)

    def interrupted(self, tenants: Collection[str] | None = None) -> None:
        """Hold every feed: announcements are missing from now on."""
        for tenant in self._named(tenants):
            tenant.cut()
            self._hold_all(tenant)

    def resumed(self, tenants: Collection[str] | None = None) -> None:
        """Read what every channel missed while announcements did not come."""
        for tenant in self._named(tenants):
            self._hold_all(tenant)
            tenant.connected.set()
            self._sync.heal(tenant, list(tenant.channels.values()))

    def _named(self, names: Collection[str] | None) -> list[Tenant]:
        return [each for name, each in self._tenants.items() if names is None or name in names]

    # --- synchronising ------------------------------------------------------------

    def distrust(self, tenant: Tenant, channels: Sequence[Channel]) -> None:
        """Read channels anew, because the store has messages that were not announced."""
        for channel in channels:
            if channel.pending is None:
                self._hold(tenant, channel)
        self._sync.heal(tenant, channels)

    def release(self, channel: Channel) -> None:
        """Let a synchronised channel's feeds go on."""
        late = channel.release()
        since = self._held_since.pop(channel, None)
        if since is not None:
            self._healed(self._clock() - since)
        for feeds in channel.feeds.values():
            for feed in feeds:
                feed.release(late)

    def _hold(self, tenant: Tenant, channel: Channel) -> None:
        """Keep a channel's announcements back until it is synchronised."""
        self._held_since[channel] = self._clock()
        channel.hold(tenant.high_water)
        for feeds in channel.feeds.values():
            for feed in feeds:
                feed.hold()

    def _hold_all(self, tenant: Tenant) -> None:
        for channel in tenant.channels.values():
            if channel.pending is None:
                self._hold(tenant, channel)

    # --- upkeep ------------------------------------------------------------

    def ping(self, timestamp: float) -> None:
        """Write a ping to every feed that has the ping channel."""
        message = ping_message(timestamp, START)
        forms: dict[tuple[Encoder, Cursor], bytes] = {}  # most feeds stand at the same cursor

        def form(encoder: Encoder, cursor: Cursor) -> bytes:
            frame = forms.get((encoder, cursor))
            if frame is None:
                frame = encoder.message(message._replace(cursor=cursor))
                forms[encoder, cursor] = frame
            return frame

        for feed in self._feeds.values():
            if PING_CHANNEL in feed.names:
                feed.ping(form)

    def heartbeat(self) -> None:
        """Write a sign of life wherever neither pings nor the transport itself give one."""
        beats: dict[tuple[Encoder, Cursor], bytes] = {}  # most feeds stand at the same cursor
        for feed in self._feeds.values():
            if PING_CHANNEL in feed.names and not feed.held:
                continue
            key = feed.encoder, feed.safe_cursor()
            beat = beats.get(key)
            if beat is None:
                beat = beats[key] = feed.encoder.heartbeat(key[1])
            if beat:
                feed.beat(beat)

    def upkeep(self) -> None:
        """Drop what nobody uses any more; to be called about once a second."""
        self.sweep()
        self._shelf.clear()
        self.budget.keep()
        forget_idle(self._tenants, self._clock())
        for feed in self._feeds.values():
            review(feed)

    def revise(self) -> None:
        """Ask for every channel's retention, pattern and policy again: the rules have changed."""
        for tenant in self._tenants.values():
            for channel in tenant.channels.values():
                channel.keep(self._retention(channel.name))
                channel.pattern = self._pattern(channel.name)
                channel.slow_policy = self._slow_policy(channel.name)

    def sweep(self) -> None:
        """Drop feeds that nobody has used for a while or that are too many, and their channels."""
        for feed, key in self.idle.take_spent(self._clock()):
            del self._feeds[key]
            self._drop(feed)

    def _retire(self, feed: Feed) -> None:
        key = FeedKey(feed.tenant, feed.names, feed.encoder)
        self.idle.add(feed, key, self._clock())

    def _drop(self, feed: Feed) -> None:
        feed.is_dropped = True
        tenant = self._tenants[feed.tenant]
        tenant.feeds -= 1
        unused = []
        for channel in feed.channels:
            channel.drop(feed)
            if not channel.feeds:
                del tenant.channels[channel.name]
                channel.shed()
                self._held_since.pop(channel, None)
                unused.append(channel.name)
        if unused:
            self._sync.forget(tenant, unused)

    def _timed_channels(self) -> Iterator[tuple[Channel, int]]:
        for tenant in self._tenants.values():
            now = tenant.high_water.time
            for channel in tenant.channels.values():
                yield channel, now


def _append(channel: Channel, message: Message, touched: set[Feed]) -> None:
    cursor = message.cursor
    for encoder, feeds in channel.feeds.items():
        frame = channel.encode(message, encoder)
        for feed in feeds:
            if not feed.held:
                feed.append(frame, cursor)
                touched.add(feed)
