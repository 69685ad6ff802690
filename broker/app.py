"""The application: everything of one node, wired together, started and stopped in order."""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable, Iterable
from math import ceil
import asyncio
import contextlib
import random

from broker import __version__
from broker.api import Services as ApiServices
from broker.api.intake import Intake
from broker.api.rates import Rates
from broker.api.speech import Speech
from broker.attendance import Attendance
from broker.auth import ApiKeys, Verifier
from broker.catalog import Catalog
from broker.census import Census, Circle, Roster, Switchboard, headcount
from broker.core.errors import Draining
from broker.core.mounts import SubscriberMount, mounts_of
from broker.core.ring import Retention
from broker.core.rules import SlowPolicy
from broker.core.session import State
from broker.events import ChannelEvents
from broker.hub import Hub
from broker.hub.audit import Audit
from broker.hub.feed import FeedLimits
from broker.hub.pump import Pump
from broker.hub.reader import Reader
from broker.hub.sync import Sync, SyncLimits
from broker.listeners import Surroundings, internal_listener, public_listener
from broker.metered import MeteredStore
from broker.metrics import Meters, Place, Register
from broker.patrol import Patrol
from broker.protocols.pushstream.admission import Admission
from broker.protocols.pushstream.endpoints import Endpoints
from broker.protocols.pushstream.speaking import Speaking
from broker.publisher import Publisher, PublishLimits
from broker.readings import read_flows, read_hub, read_limits, read_patterns, read_process
from broker.reminder import Reminder
from broker.settings import ListenAddress, Settings
from broker.shares import ShareLimits, Shares
from broker.stopwatch import Stopwatch
from broker.store.base import Listener as Announcements
from broker.store.base import Publication, Store, Stored
from broker.subscribe import Subscriber
from broker.tracing import traces_of
from broker.transports.listener import HttpListener
from broker.transports.websocket import TextHook
from broker.upkeep import Heart, LagWatch, Pinger, Poster, Ticker
from broker.waiting_room import WaitingRoom
from broker.wheel import Wheel
from broker.writing.batched import path_of

LINGER_S = 60.0
"""Seconds that a feed without sessions is kept: longer than the pause between two polls (D49)."""

DRAIN_SLACK_S = 0.05
"""Delay of a drain that is caught up with at once: less than anybody notices."""

PIECE_WRITES = 8
"""Writes of a message that take as long as one of a piece, to a session that catches up."""

UNKNOWN_RETENTION = Retention(0, 0)
"""Of a channel that no pattern matches any more."""


class Node:
    """
    One broker process: hub and listeners over a store.

    Args:
        settings: All of them.
        store: Where rings live; opened and closed by the node.
        verifier: Checks tokens.
        catalog: Channel rules.
        wall_clock: Seconds since the epoch.
        place: Where its numbers are shared with other workers; None when it is the only one.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        verifier: Verifier,
        catalog: Catalog,
        wall_clock: Callable[[], float],
        place: Place | None = None,
    ) -> None:
        self.settings = settings
        self.catalog = catalog
        self.draining = False
        self._wall_clock = wall_clock
        self.meters = Meters()
        self.register = Register(self.meters.instruments(), place)
        self._verifier = verifier
        loop = asyncio.get_running_loop()
        self._loop = loop
        self.wheel = Wheel(loop)
        self._pump = Pump(loop, settings.slice_writes, settings.max_rest_ms / 1000)
        self._catch_ups = Pump(loop, ceil(settings.slice_writes / PIECE_WRITES), 0.0)
        self._write_path = path_of(settings.io_uring)
        self.hub = Hub(
            turns=self._pump,
            catch_ups=self._catch_ups,
            limits=FeedLimits(
                settings.cohort_size,
                settings.write_buffer_bytes,
                settings.max_poll_bytes,
                slow_s=settings.slow_reader_s,
            ),
            retention=self._retention,
            clock=loop.time,
            linger_s=LINGER_S,
            idle_channels=settings.max_idle_channels,
            ring_bytes=settings.ring_memory_bytes,
            healed=self.meters.storing.heals.observe,
            slow_policy=self._slow_policy,
            path=self._write_path,
            pattern=self._pattern,
        )
        self._traces = traces_of(settings.trace_endpoint, __version__, loop.time, wall_clock)
        stopwatch = Stopwatch(
            loop.time,
            self._pump,
            self.hub.is_wanted,
            self.meters.delivering.latency.observe,
            None if self._traces is None else self._traces.tell,
        )
        self._store = MeteredStore(
            store,
            self.meters.storing,
            self.meters.publishing,
            pattern=self._pattern,
            clock=loop.time,
            handed=stopwatch.handed,
        )
        self.attendance = Attendance(self.wheel, loop.time, wall_clock)
        shares = Shares(
            self.attendance,
            ShareLimits(settings.max_subject_connections, settings.max_address_connections),
        )
        self._admission = Admission(
            verifier, lambda: self.catalog, strict=settings.strict_channels, share=shares.check
        )
        self.patrol = Patrol(self.attendance, lambda: self.catalog, loop.time, wall_clock)
        self._reminder = Reminder(self._store, self.patrol.revocations, wall_clock, settings.tick_s)
        verifier.heed(self.patrol.is_revoked)
        self.publisher = Publisher(
            self._store,
            self.hub.high_water,
            PublishLimits(
                settings.group_commit_messages,
                settings.publish_queue_messages,
                call_bytes=settings.group_commit_bytes,
                queue_bytes=settings.publish_queue_bytes,
                linger_s=settings.publish_linger_ms / 1000,
            ),
            self.hub.wrote,
            self._accepted if settings.events_channel else stopwatch.accepted,
        )
        self._stopwatch = stopwatch
        self._events = self._channel_events(settings.events_channel)
        self.circle = Circle(store, loop.time)
        self._census = Census(
            self.circle, lambda question: headcount(self.hub, question), loop.time
        )
        self._roster = Roster(self.circle, self.attendance, self.hub, loop.time)
        self._around = Surroundings(
            settings, self.meters, self.wheel, self.is_draining, self.retry_after_s, wall_clock
        )
        self.internal = internal_listener(self._around, self._api_services())
        self._lag_watch = LagWatch(loop, self.meters.processes.loop_lag.observe)
        read_flows(self.meters.connecting, self.meters.delivering, self.hub.flows)
        read_limits(self.meters.limiting, self.hub)
        read_patterns(self.meters.patterns, self.hub.flows)
        read_hub(self.meters.keeping, self.hub, loop.time)
        read_process(self.meters.processes, loop, alone=place is None)
        self.meters.processes.write_paths.follow(lambda: {self._write_path.name: 1})
        self.meters.publishing.queued.follow(lambda: self.publisher.queued)
        self._announcements: Announcements | None = None
        self._sync: Sync | None = None
        self._ticking: asyncio.Task[None] | None = None
        self.public: HttpListener | None = None
        self._endpoints: Endpoints | None = None
        self._subscriber: Subscriber | None = None

    # --- start -------------------------------------------------------------------------------

    async def start(self) -> None:
        """
        Open the store, then listen.

        Raises:
            StoreUnavailable: the store cannot be used.
            CannotListen: an address is taken.
        """
        settings = self.settings
        await self._store.open()
        switchboard = Switchboard(self.hub, self.circle)
        self._announcements = await self._store.listener(switchboard)
        await self._reminder.open()
        await self._announcements.watch(self.patrol.revoked)
        await self.circle.open(self._announcements)
        reader = Reader(self._store, settings.read_page_messages)
        limits = SyncLimits(wait_s=settings.store_timeout_s)
        sync = self._sync = Sync(self.hub, self._announcements, reader, limits)
        self.hub.use(sync)
        ticker = Ticker(self.hub, sync, Audit(self.hub, sync, reader), settings.tick_s)
        self._ticking = self._loop.create_task(ticker.run())
        pinger = Pinger(self.hub, self._wall_clock, settings.ping_interval_s)
        self.wheel.add(pinger, self._loop.time() + pinger.wait_s())
        for item in (
            Heart(self.hub, settings.heartbeat_s),
            Poster(self.register),
            self._reminder,
        ):
            self.wheel.add(item, self._loop.time())
        self._lag_watch.start()
        room = WaitingRoom(settings.max_waiting_subscribers)
        subscriber = Subscriber(self.hub, sync, self.attendance, room, self._events)
        self._subscriber = subscriber
        await self.internal.open()
        mounts = mounts_of(self.catalog.mounts, SubscriberMount)
        self.public, self._endpoints = public_listener(
            self._around, subscriber, self._admission, self._verifier, mounts, self._speaker
        )
        await self.public.open()

    def _api_services(self) -> ApiServices:
        return ApiServices(
            publisher=self.publisher,
            store=self._store,
            hub=self.hub,
            catalog=lambda: self.catalog,
            settings=self.settings,
            keys=ApiKeys(self.settings.api_keys),
            wheel=self.wheel,
            attendance=self.attendance,
            verifier=self._verifier,
            patrol=self.patrol,
            census=self._census,
            roster=self._roster,
            subscriber=lambda: self._subscriber,
            destroyed=self._destroyed,
            draining=self.is_draining,
            wall_clock=self._wall_clock,
            metrics=self.register.total,
        )

    def _speaker(self, tokens: TextHook) -> TextHook:
        """Return what publishes the texts of WebSockets; a connection's own rate is its limit."""
        speech = Speech(Intake(self._api_services(), Rates(0, self._loop.time)))
        rate = self.settings.max_client_publish_rate
        return Speaking(speech, lambda: self.catalog, rate, self._loop.time, tokens).hear

    def _channel_events(self, channel: str) -> ChannelEvents | None:
        if not channel:
            return None
        events = self.meters.publishing.events
        return ChannelEvents(
            channel,
            self.publisher.submit,
            self._rule_retention,
            self._loop,
            stored=events.of("stored"),
            lost=events.of("lost"),
        )

    def _accepted(self, tenant: str, publication: Publication, answer: Future[Stored]) -> None:
        self._stopwatch.accepted(tenant, publication, answer)
        if self._events is not None:
            self._events.accepted(tenant, publication, answer)

    def _destroyed(self, tenant: str, channels: Iterable[str]) -> None:
        if self._events is not None:
            self._events.destroyed(tenant, channels)

    def replace_rules(self, catalog: Catalog) -> None:
        """Use other channel rules from now on, for those as well who came under the old ones."""
        self.catalog = catalog
        self._store.forget_patterns()
        self.hub.revise()
        self.patrol.review()
        if self._endpoints is not None:
            self._endpoints.replace(mounts_of(catalog.mounts, SubscriberMount))

    def _pattern(self, channel: str) -> str:
        match = self.catalog.match(channel)
        return "" if match is None else match.entry.pattern.text

    def _retention(self, channel: str) -> Retention:
        return self._rule_retention(channel) or UNKNOWN_RETENTION

    def _rule_retention(self, channel: str) -> Retention | None:
        match = self.catalog.match(channel)
        return None if match is None else match.entry.retention

    def _slow_policy(self, channel: str) -> SlowPolicy:
        match = self.catalog.match(channel)
        return SlowPolicy.CATCH_UP if match is None else match.entry.slow_reader

    def is_draining(self) -> bool:
        """Tell whether this node serves nobody any more."""
        return self.draining

    def retry_after_s(self) -> float:
        """Return how long a client that is sent away is asked to wait, in seconds (D49)."""
        settings = self.settings
        return settings.retry_after_s + random.random() * settings.retry_jitter_s  # noqa: S311 - no secret

    @property
    def addresses(self) -> dict[str, ListenAddress]:
        """Where the node listens, with the ports it was given."""
        listeners = {"public": self.public, "internal": self.internal}
        return {name: listener.address for name, listener in listeners.items() if listener}

    # --- stop --------------------------------------------------------------------------------

    async def stop(self) -> None:
        """Send everybody away over `drain_s`, each with its cursor; then close everything."""
        self.draining = True
        if self.public is not None:
            self.public.refuse()
        await self._drain(self.settings.drain_s)
        if self.public is not None:
            await self.public.close()
            await self._drain(0.0)  # those who were let in before, and waited for the store
            self.public.hang_up()
        await self.internal.close()
        self.internal.hang_up()
        if self._events is not None:
            self._events.close()
        await self.publisher.close()
        await self._close_store()
        if self._traces is not None:
            await self._loop.run_in_executor(None, self._traces.close)
        self._pump.stop()
        self._catch_ups.stop()
        self._write_path.close()
        self._lag_watch.stop()
        self.wheel.stop()

    async def _drain(self, over_s: float) -> None:
        """
        Send everybody away, at an even pace; those who still come in meanwhile as well.

        What a stall of the loop has delayed is spread over the time that is left, as far as it is
        more than `DRAIN_SLACK_S`: those who went together would come back together.
        """
        clock = self._loop.time
        end = clock() + over_s
        while sessions := [each for each in self.attendance if each.state is not State.CLOSED]:
            next_at = clock()
            for left, session in zip(range(len(sessions), 0, -1), sessions, strict=True):
                if session.state is not State.CLOSED:
                    session.end(Draining("this node is about to stop"), self.retry_after_s())
                now = clock()
                next_at = max(next_at, now - DRAIN_SLACK_S) + max(0.0, end - now) / left
                if next_at > now:
                    await asyncio.sleep(next_at - now)

    async def _close_store(self) -> None:
        await self._census.close()
        await self.circle.close()
        await self.patrol.close()
        await self._reminder.close()
        if self._ticking is not None:
            self._ticking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticking
        if self._sync is not None:
            await self._sync.close()
        if self._announcements is not None:
            await self._announcements.close()
        await self._store.close()
