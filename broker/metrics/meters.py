"""Every metric of the broker, and the instruments of one process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from broker.metrics.declare import (
    Metric,
    counter,
    counters,
    declared,
    gauge,
    gauges,
    histogram,
    histograms,
)
from broker.metrics.instruments import (
    Counter,
    Counters,
    Gauge,
    Gauges,
    Histogram,
    Histograms,
    Instrument,
)

WAITS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Bounds of waits that should take milliseconds, and end after `store_timeout_s` at the latest."""

LAGS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Bounds of how late an event loop comes: what it does at once is meant to end in a millisecond."""

HEALS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Bounds of heals: one read of the store at best, an outage of it at worst."""

CALL_MESSAGES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16_384)
"""Bounds of the messages in one store call; beyond 512 they are single large batches."""


@dataclass(frozen=True, slots=True)
class Connecting:
    """Connections and requests."""

    connections: Gauges = gauges(
        "broker_connections",
        "transport",
        "Open connections: `http` until a subscription begins, `internal` of publishers and "
        "operators, else the transport that the subscription uses.",
    )
    accepted: Counters = counters(
        "broker_connections_accepted_total",
        ("listener",),
        "Connections that clients opened, refused ones included.",
    )
    handshakes: Counters = counters(
        "broker_handshakes_total",
        ("transport",),
        "Subscriptions that began; of polls, each one.",
    )
    closes: Counters = counters(
        "broker_closes_total",
        ("transport", "code"),
        "Subscriptions that ended, of polls those that were held and got no answer, by close code; "
        "1006 where the client went without a word, `other` for codes of the client's own.",
    )
    refusals: Counters = counters(
        "broker_refusals_total",
        ("listener", "error"),
        "Requests that were refused, by the name of the error.",
    )
    known: Counters = counters(
        "broker_known_requests_total",
        ("listener", "outcome"),
        "Requests looked up among those remembered: `hit` when served without parsing, `miss` "
        "when parsed.",
    )
    tokens: Counters = counters(
        "broker_token_checks_total",
        ("outcome",),
        "Tokens that were found good: `remembered` from before, or `verified` by their signature; "
        "others are among the refusals.",
    )
    waiting: Gauge = gauge(
        "broker_attaches_waiting", "Subscriptions that wait for the store before they can begin."
    )


@dataclass(frozen=True, slots=True)
class Delivering:
    """Delivery to subscribers."""

    messages: Counters = counters(
        "broker_delivered_messages_total",
        ("transport",),
        "Messages written to subscribers, those of the channel `ping` included.",
    )
    bytes: Counters = counters(
        "broker_delivered_bytes_total",
        ("transport",),
        "Bytes written to subscribers, framing included.",
    )
    replayed: Counters = counters(
        "broker_replayed_messages_total",
        ("transport",),
        "Delivered messages that came out of history, for subscribers that had missed them.",
    )
    gaps: Counters = counters(
        "broker_gaps_told_total",
        ("transport",),
        "Times that a subscriber was told, or could have been, that messages it missed are no "
        "longer kept.",
    )
    skipped: Counters = counters(
        "broker_conflated_messages_total",
        ("transport",),
        "Messages that slow readers were not sent, because their channel has "
        "`slow_reader: conflate`.",
    )
    too_slow: Counters = counters(
        "broker_slow_readers_closed_total",
        ("transport",),
        "Subscribers that were sent away because a channel of theirs has `slow_reader: close`.",
    )
    sessions: Gauges = gauges(
        "broker_sessions",
        "transport",
        "Subscribers that are attached; `internal` are operators who follow a channel.",
    )
    lagging: Gauges = gauges(
        "broker_sessions_lagging",
        "transport",
        "Attached subscribers that do not have everything yet: slow readers, and those who have "
        "just come.",
    )
    lags: Counters = counters(
        "broker_sessions_fell_behind_total",
        ("transport",),
        "Times that a subscriber which was up to date fell behind, because it read too slowly or "
        "its channels had to be read again.",
    )
    latency: Histogram = histogram(
        "broker_publish_to_socket_seconds",
        WAITS_S,
        "Time from the acceptance of a publish until every live subscriber of this process had "
        "been written it; of a sample of the messages, at most ten a second, that were published "
        "to and read from the same process.",
    )


@dataclass(frozen=True, slots=True)
class Patterns:
    """Delivery by pattern."""

    messages: Counters = counters(
        "broker_pattern_delivered_messages_total",
        ("pattern",),
        "Messages written to subscribers, by the pattern of `channels.yaml` that the first channel "
        "of their list matches; `ping` is passed over.",
    )
    bytes: Counters = counters(
        "broker_pattern_delivered_bytes_total",
        ("pattern",),
        "Bytes written to subscribers, framing included, by the same pattern.",
    )
    replayed: Counters = counters(
        "broker_pattern_replayed_messages_total",
        ("pattern",),
        "Delivered messages that came out of history, by the same pattern.",
    )
    gaps: Counters = counters(
        "broker_pattern_gaps_told_total",
        ("pattern",),
        "Times that a subscriber was told, or could have been, that messages it missed are no "
        "longer kept, by the same pattern.",
    )
    sessions: Gauges = gauges(
        "broker_pattern_sessions", "pattern", "Subscribers that are attached, by the same pattern."
    )
    lagging: Gauges = gauges(
        "broker_pattern_sessions_lagging",
        "pattern",
        "Attached subscribers that do not have everything yet, by the same pattern.",
    )


@dataclass(frozen=True, slots=True)
class Publishing:
    """Publishing."""

    messages: Counters = counters(
        "broker_published_messages_total",
        ("pattern",),
        "Messages that were accepted and stored, by the pattern of `channels.yaml` that their "
        "channel matches.",
    )
    bytes: Counters = counters(
        "broker_published_bytes_total",
        ("pattern",),
        "Bytes of those messages, as compact JSON.",
    )
    repeated: Counter = counter(
        "broker_publishes_repeated_total",
        "Publishes that were answered from an earlier one with the same `Idempotency-Key`.",
    )
    calls: Histogram = histogram(
        "broker_publish_call_messages",
        CALL_MESSAGES,
        "Messages stored in one call of the store: the size of a group commit.",
    )
    queued: Gauge = gauge(
        "broker_publish_queue_messages", "Messages that were taken and wait for the store."
    )
    events: Counters = counters(
        "broker_channel_events_total",
        ("outcome",),
        "Events of channels (`events_channel`): `stored`, or `lost` because too many waited or the "
        "store did not take them.",
    )


@dataclass(frozen=True, slots=True)
class Storing:
    """The store."""

    calls: Histograms = histograms(
        "broker_store_call_seconds",
        "call",
        WAITS_S,
        "Time that calls of the store took, whatever their end.",
    )
    errors: Counters = counters(
        "broker_store_errors_total",
        ("call",),
        "Calls of the store that got no answer, or an error.",
    )
    received: Counter = counter(
        "broker_announced_messages_total",
        "Messages that the store announced to this process, published here or elsewhere.",
    )
    interruptions: Counter = counter(
        "broker_announcement_interruptions_total",
        "Times that the connection which carries announcements broke.",
    )
    connected: Gauge = gauge(
        "broker_announcements_connected",
        "Workers whose announcement connection stands.",
    )
    heals: Histogram = histogram(
        "broker_heal_seconds",
        HEALS_S,
        "Time from the moment in which a channel was found to miss announcements until it was up "
        "to date again.",
    )


@dataclass(frozen=True, slots=True)
class Keeping:
    """What is kept in memory."""

    tenants: Gauge = gauge(
        "broker_tenants", "Tenants that workers have heard of, each worker's added up."
    )
    channels: Gauge = gauge(
        "broker_channels", "Channels that workers listen to, each worker's added up."
    )
    feeds: Gauge = gauge(
        "broker_feeds",
        "Lists of channels that subscribers share, idle ones included, each worker's added up.",
    )
    ring_bytes: Gauge = gauge(
        "broker_ring_memory_bytes",
        "Estimate of the memory that copies of rings and encoded messages take.",
    )
    ring_channels: Gauges = gauges(
        "broker_ring_channels",
        "pattern",
        "Channels with a copy of their ring, by the pattern that they match; each worker looks at "
        "10,000 of them at most, four times a minute.",
    )
    ring_messages: Gauges = gauges("broker_ring_messages", "pattern", "Messages in those copies.")
    ring_room: Gauges = gauges(
        "broker_ring_capacity_messages",
        "pattern",
        "Messages that those copies may hold; those that there are, divided by these, is how full "
        "the rings of a pattern are.",
    )


@dataclass(frozen=True, slots=True)
class Limiting:
    """Limits."""

    reached: Counters = counters(
        "broker_limits_reached_total",
        ("limit",),
        "Times that a limit was reached, by the setting that sets it.",
    )


@dataclass(frozen=True, slots=True)
class Processes:
    """Processes."""

    build: Gauges = gauges("broker_build_info", "version", "Workers that run this version.")
    write_paths: Gauges = gauges(
        "broker_write_path",
        "path",
        "Workers that write to subscribers this way: `plain` or `io_uring`.",
    )
    workers: Gauge = gauge("broker_workers", "Workers that run.")
    deaths: Counter = counter(
        "broker_worker_deaths_total", "Workers that died and were started again."
    )
    started: Gauge = gauge(
        "broker_process_start_time_seconds",
        "When the worker was started, in seconds since the epoch.",
        by_worker=True,
    )
    cpu: Counter = counter(
        "broker_process_cpu_seconds_total",
        "CPU time that the worker has used, user and system.",
        by_worker=True,
    )
    resident: Gauge = gauge(
        "broker_process_resident_memory_bytes", "Resident memory of the worker.", by_worker=True
    )
    descriptors: Gauge = gauge(
        "broker_process_open_fds", "Files and sockets that the worker has open.", by_worker=True
    )
    most_descriptors: Gauge = gauge(
        "broker_process_max_fds", "Files and sockets that it may have open.", by_worker=True
    )
    tasks: Gauge = gauge(
        "broker_loop_tasks",
        "Tasks of the worker's event loop; an idle connection has none.",
        by_worker=True,
    )
    loop_lag: Histogram = histogram(
        "broker_loop_lag_seconds",
        LAGS_S,
        "How late the worker's event loop came to a timer, looked at twice a second.",
        by_worker=True,
    )


@dataclass(frozen=True, slots=True)
class Meters:
    """The instruments of one process, by what they are about."""

    connecting: Connecting = field(default_factory=Connecting)
    delivering: Delivering = field(default_factory=Delivering)
    patterns: Patterns = field(default_factory=Patterns)
    publishing: Publishing = field(default_factory=Publishing)
    storing: Storing = field(default_factory=Storing)
    keeping: Keeping = field(default_factory=Keeping)
    limiting: Limiting = field(default_factory=Limiting)
    processes: Processes = field(default_factory=Processes)

    def instruments(self) -> Mapping[str, Instrument]:
        """Return every instrument by the name of its metric."""
        return {
            metric.name: getattr(group, name)
            for group in (getattr(self, each.name) for each in fields(self))
            for name, metric in declared(type(group))
        }


GROUPS = (Connecting, Delivering, Patterns, Publishing, Storing, Keeping, Limiting, Processes)
"""The groups of metrics, in the order of the reference."""

METRICS: Mapping[str, Metric] = {
    metric.name: metric for group in GROUPS for _, metric in declared(group)
}
"""Every metric by name."""
