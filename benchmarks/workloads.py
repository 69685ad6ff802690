"""What is measured, as data: who subscribes, who publishes, how fast, for how long."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum


class Transport(StrEnum):
    """How subscribers are connected."""

    WEBSOCKET = "websocket"
    SSE = "sse"
    LONGPOLL = "longpoll"
    SHORTPOLL = "shortpoll"


class Listing(StrEnum):
    """Which channels each subscriber asks for."""

    SAME = "same"
    SPREAD = "spread"
    RANDOM = "random"


@dataclass(frozen=True, slots=True, kw_only=True)
class Publishing:
    """
    How messages are published.

    Attributes:
        rate: Messages a second; 0: as fast as the server answers.
        publishers: Connections.
        depth: Requests in flight on each of them.
        batch: Messages in one request.
        window: Messages that may be published and not delivered to all yet; 0: any number.
        messages: Measured messages at most; 0: as many as `seconds` allow.
    """

    rate: float = 0
    publishers: int = 1
    depth: int = 16
    batch: int = 1
    window: int = 0
    messages: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """
    One thing to measure.

    Attributes:
        name: Stands in file names and on the command line.
        title: Stands in the report.
        group: Heading of the report under which it comes.
        figures: Names of what it shows, see `figures`.
        token: Whether subscribers carry a token.
        storm: Subscribers that come after the last message and read the whole history.
        seconds: Measured time; of publishing, or of quiet when nothing is published.
        growth: What is counted along the axis of the group's plot; None: it has none.
        alone: Whether only the broker itself is measured.
        pinned: Whether the load generator has a CPU of its own, on which it never sleeps.
    """

    name: str
    title: str
    group: str
    figures: tuple[str, ...]
    transport: Transport = Transport.WEBSOCKET
    subscribers: int = 0
    channels: int = 1
    per_subscriber: int = 1
    listing: Listing = Listing.SAME
    token: bool = False
    publishing: Publishing | None = None
    payload_bytes: int = 200
    storm: int = 0
    warmup_s: float = 1.0
    settle_s: float = 0.5
    seconds: float = 5.0
    workers: int = 1
    growth: int | None = None
    alone: bool = False
    pinned: bool = True

    def shortened(self, seconds: float) -> Workload:
        """Return the same workload for a first impression, measured for so long at most."""
        return replace(
            self, seconds=min(self.seconds, seconds), warmup_s=min(self.warmup_s, seconds / 4)
        )


FAN_OUT_FIGURES = ("cpu_per_delivery_us", "deliveries_per_s", "latency_p50_ms", "latency_p99_ms")

FULL = 200_000
"""Deliveries a second from which one connection may be too few to keep up a rate."""

SATURATED = Publishing(publishers=32, depth=1, window=512)
"""As fast as the server answers. A server may well answer one connection's requests in turn."""


def steady(rate: float, audience: int) -> Publishing:
    """Return publishing at a rate: on one connection, in one order, unless that is much."""
    if rate * audience < FULL:
        return Publishing(rate=rate)
    return Publishing(rate=rate, publishers=32, depth=1)


def _fan_out() -> list[Workload]:
    paced = [
        Workload(
            name=f"fanout-{subscribers}-{rate}",
            title=f"1 → {subscribers:,}, {rate:,} messages a second",
            group=f"Fan-out to {subscribers:,}",
            figures=FAN_OUT_FIGURES,
            subscribers=subscribers,
            publishing=steady(rate, subscribers),
        )
        for subscribers, rates in ((1000, (20, 100, 1000)), (5000, (20, 100, 1000)))
        for rate in rates
    ]
    saturated = [
        Workload(
            name=f"fanout-{subscribers}-saturated",
            title=f"1 → {subscribers:,}, saturated",
            group=f"Fan-out to {subscribers:,}",
            figures=FAN_OUT_FIGURES,
            subscribers=subscribers,
            publishing=SATURATED,
        )
        for subscribers in (1000, 5000)
    ]
    return sorted(paced + saturated, key=lambda workload: workload.subscribers)


def _channels() -> list[Workload]:
    many = Publishing(rate=2000, publishers=8)
    return [
        Workload(
            name="channels-1000x10",
            title="1,000 channels x 10 subscribers, 2,000 messages a second",
            group="Many channels",
            figures=FAN_OUT_FIGURES,
            subscribers=10_000,
            channels=1000,
            listing=Listing.SPREAD,
            publishing=many,
        ),
        Workload(
            name="channels-10000x1",
            title="10,000 channels x 1 subscriber, 2,000 messages a second",
            group="Many channels",
            figures=FAN_OUT_FIGURES,
            subscribers=10_000,
            channels=10_000,
            listing=Listing.SPREAD,
            publishing=many,
        ),
    ]


def _dashboards() -> list[Workload]:
    one = Workload(
        name="dashboards-one",
        title="500 subscribers of one channel, 100 messages a second",
        group="Dashboards",
        figures=FAN_OUT_FIGURES,
        subscribers=500,
        publishing=Publishing(rate=100),
    )
    return [
        one,
        replace(
            one,
            name="dashboards-same",
            title="500 subscribers of the same 20 channels, 100 messages a second in all",
            channels=20,
            per_subscriber=20,
        ),
        replace(
            one,
            name="dashboards-different",
            title="500 subscribers of different 20 of 200 channels, 1,000 messages a second in all",
            channels=200,
            per_subscriber=20,
            listing=Listing.RANDOM,
            publishing=Publishing(rate=1000, publishers=8),
        ),
    ]


def _polls() -> list[Workload]:
    return [
        Workload(
            name="longpoll-wake",
            title="1,000 long polls woken at once, 20 messages a second",
            group="Polls",
            figures=("cpu_per_delivery_us", "latency_p50_ms", "latency_p99_ms"),
            transport=Transport.LONGPOLL,
            subscribers=1000,
            settle_s=1.5,
            publishing=Publishing(rate=20),
        ),
        Workload(
            name="shortpoll-304",
            title="short polls with nothing new, 64 at a time",
            group="Polls",
            figures=("polls_per_s", "cpu_per_poll_us"),
            transport=Transport.SHORTPOLL,
            subscribers=64,
            settle_s=1.0,
        ),
    ]


def _streams() -> list[Workload]:
    return [
        Workload(
            name=f"sse-{rate}",
            title=f"SSE, 1 → 1,000, {rate} messages a second",
            group="SSE",
            figures=FAN_OUT_FIGURES,
            transport=Transport.SSE,
            subscribers=1000,
            publishing=steady(rate, 1000),
        )
        for rate in (20, 100)
    ]


def _resume() -> list[Workload]:
    return [
        Workload(
            name="resume-storm",
            title="500 subscribers come back at once, 1,000 messages behind",
            group="Resume",
            figures=("replayed_per_s", "cpu_per_replayed_us", "storm_p99_ms"),
            subscribers=1,
            settle_s=2.0,
            storm=500,
            publishing=Publishing(messages=1000, batch=1, depth=1),
            warmup_s=0,
            seconds=0,
        )
    ]


def _publish() -> list[Workload]:
    return [
        Workload(
            name="publish-single",
            title="single requests, 32 connections",
            group="Publish",
            figures=("publishes_per_s", "cpu_per_publish_us", "publish_p50_ms", "publish_p99_ms"),
            publishing=Publishing(publishers=32, depth=1),
            pinned=False,
        ),
        Workload(
            name="publish-batch",
            title="NDJSON batches of 100, 4 in flight",
            group="Publish",
            figures=("publishes_per_s", "cpu_per_publish_us", "publish_p50_ms", "publish_p99_ms"),
            publishing=Publishing(publishers=4, depth=1, batch=100),
            alone=True,
            pinned=False,
        ),
    ]


def _connections() -> list[Workload]:
    idle = [
        Workload(
            name=f"idle-{subscribers}",
            title=f"{subscribers:,} idle WebSockets",
            group="Connections",
            figures=("kib_per_connection", "idle_cpu_us_per_connection_s"),
            subscribers=subscribers,
            settle_s=2.0,
            seconds=5.0,
        )
        for subscribers in (5000, 10_000)
    ]
    connect = Workload(
        name="connect",
        title="5,000 WebSocket handshakes, 128 at a time",
        group="Connections",
        figures=("connects_per_s", "cpu_per_connect_us"),
        subscribers=5000,
        token=True,
        seconds=0,
    )
    return [*idle, connect]


def _growth() -> list[Workload]:
    crowds = [
        Workload(
            name=f"growth-{subscribers}-subscribers",
            title=f"1 → {subscribers:,}, 20 messages a second",
            group="Growth in subscribers",
            figures=FAN_OUT_FIGURES,
            subscribers=subscribers,
            publishing=steady(20, subscribers),
            growth=subscribers,
        )
        for subscribers in (100, 1000, 10_000)
    ]
    channels = [
        Workload(
            name=f"growth-{channels}-channels",
            title=f"channels with one subscriber each: {channels:,}; 500 messages a second in all",
            group="Growth in channels",
            figures=FAN_OUT_FIGURES,
            subscribers=channels,
            channels=channels,
            listing=Listing.SPREAD,
            publishing=Publishing(rate=500, publishers=8),
            growth=channels,
        )
        for channels in (1, 100, 10_000)
    ]
    return [*crowds, *channels]


def _workers() -> list[Workload]:
    one = Workload(
        name="workers-1",
        title="1 → 1,000, saturated, one worker, nothing pinned",
        group="Workers",
        figures=("deliveries_per_s", "cpu_per_delivery_us"),
        subscribers=1000,
        publishing=SATURATED,
        alone=True,
        pinned=False,
    )
    two = replace(
        one,
        name="workers-2",
        title="1 → 1,000, saturated, two workers, nothing pinned",
        workers=2,
    )
    return [one, two]


WORKLOADS = (
    *_fan_out(),
    *_channels(),
    *_dashboards(),
    *_streams(),
    *_polls(),
    *_resume(),
    *_publish(),
    *_connections(),
    *_growth(),
    *_workers(),
)
"""Everything that is measured, in the order of the report."""

QUICK = (
    "fanout-1000-100",
    "fanout-1000-saturated",
    "resume-storm",
    "publish-single",
    "publish-batch",
    "idle-5000",
    "connect",
)
"""What `--quick` measures."""


def select(patterns: list[str], *, quick: bool) -> list[Workload]:
    """
    Return the workloads that are called one of the words, or have one in their name.

    Args:
        patterns: Names or parts of names; none: every workload.
        quick: Only those of `QUICK`, unless named, and each for a short time.

    Raises:
        LookupError: A word is in no name.
    """
    names = [workload.name for workload in WORKLOADS]
    wanted = set() if patterns else set(QUICK if quick else names)
    for pattern in patterns:
        found = {pattern} & set(names) or {name for name in names if pattern in name}
        if not found:
            message = f"no workload is called {pattern}; there are {', '.join(names)}"
            raise LookupError(message)
        wanted |= found
    chosen = [workload for workload in WORKLOADS if workload.name in wanted]
    return [workload.shortened(2.0) for workload in chosen] if quick else chosen
