"""Settings of publishing: sizes, batches, queues, retries."""

from __future__ import annotations

from dataclasses import dataclass

from broker.settings.declare import setting
from broker.settings.kinds import Text
from broker.settings.measures import Bytes, Milliseconds, Rate, Seconds, Whole, WholeSeconds


@dataclass(frozen=True, kw_only=True)
class Publishing:
    """Publishers."""

    max_message_bytes: int = setting(
        Bytes(1, 64 * 2**20),
        65_536,
        doc="Length of a message, as compact JSON; channel rules may set less.",
        why="Notifications are small, and a ring of 1,000 stays within 64 MiB at worst.",
    )
    max_body_bytes: int = setting(
        Bytes(1024, 2**30),
        4 * 2**20,
        doc="Length of a publisher's request; a longer one is refused with 413.",
        why="A full batch of messages of 400 bytes.",
    )
    max_batch_messages: int = setting(
        Whole(1, 100_000, "messages"),
        10_000,
        doc="Messages of one request.",
        why="They are stored in one step, which takes the store about 50 ms.",
    )
    max_publish_channels: int = setting(
        Whole(1, 1000, "channels"),
        50,
        doc="Channels that one message may go to at once.",
        why="As many as one subscriber may listen to.",
    )
    max_publish_rate: float = setting(
        Rate(0.0, 10_000_000.0, "messages a second"),
        0.0,
        doc="Messages that one of `api_keys` may publish in a second at one process, on average; "
        "whoever has used up more is refused with 429 until that is made up for. Without keys all "
        "publishers share one rate. 0: any number.",
        why="Publishers are the operator's own, and the queue before the store is bounded anyway.",
    )
    max_client_publish_rate: float = setting(
        Rate(0.0, 1_000_000.0, "messages a second"),
        20.0,
        doc="Messages that one WebSocket may publish in a second, on average, where a mount and a "
        "rule let it; one that publishes more is closed with 1008. 0: any number.",
        why="Nobody types faster, and a page that runs wild costs no more than that.",
    )
    group_commit_messages: int = setting(
        Whole(1, 10_000, "messages"),
        512,
        doc="Messages of different requests that are stored in one call, if so many wait.",
        why="Most of what can be saved is saved by 64; 512 keeps the store busy 3 ms at a time.",
    )
    group_commit_bytes: int = setting(
        Bytes(1, 2**30),
        2**20,
        doc="Length of the messages of different requests that are stored in one call.",
        why="Long messages keep the store busy like many short ones, and a call that announces "
        "more at once than the store buffers for a process (by default 32 MB) cuts that off.",
    )
    publish_linger_ms: float = setting(
        Milliseconds(0.0, 100.0),
        1.0,
        doc="Longest wait for further messages before a store call, where several publishers send "
        "at the same time; 0: never wait. One publisher alone never waits.",
        why="A call costs as much as twenty messages in it, so they should share calls: saves a "
        "third of the CPU time from a thousand single messages a second on.",
    )
    publish_queue_messages: int = setting(
        Whole(1, 10_000_000, "messages"),
        20_000,
        doc="Messages that may wait for the store; more are refused with 503.",
        why="Two full batches; at 50,000 messages a second nobody waits longer than half a second.",
    )
    publish_queue_bytes: int = setting(
        Bytes(1, 2**40),
        64 * 2**20,
        doc="Length of the messages that may wait for the store; more are refused with 503.",
        why="A thousand messages of the greatest length; a store that is away must not cost "
        "the process its memory.",
    )
    publish_wait_s: float = setting(
        Seconds(0.05, 300.0),
        5.0,
        doc="Time for which a publisher's request waits for the store.",
        why="As long as the store may take for one call.",
    )
    idempotency_ttl_s: int = setting(
        WholeSeconds(1, 30 * 86_400),
        3600,
        doc="Time for which the answer to an `Idempotency-Key` is remembered.",
        why="Longer than publishers retry.",
    )
    events_channel: str = setting(
        Text(),
        "",
        doc="Channel in which the broker says what happens to the other channels, in JSON messages "
        "of the types `channel_created`, `channel_destroyed`, `client_subscribed` and "
        "`client_unsubscribed`. A rule of `channels.yaml` must match it; nobody else can publish "
        "there. Empty: nothing is said.",
        why="Every subscription would cost a message.",
    )
