"""Settings of the store: where rings live, how long, and what a process keeps of them."""

from __future__ import annotations

from dataclasses import dataclass

from broker.settings.declare import setting
from broker.settings.kinds import Url
from broker.settings.measures import Bytes, Seconds, Whole, WholeSeconds

MEMORY_STORE = "memory:"
"""The store that lives and dies with its process."""

STORE_URLS = (
    "redis://",
    "rediss://",
    "unix://",
    "redis+sentinel://",
    "rediss+sentinel://",
    "redis+cluster://",
    "rediss+cluster://",
)
"""How the URL of a store may begin."""


@dataclass(frozen=True, kw_only=True)
class Storing:
    """The store."""

    store: str = setting(
        Url(STORE_URLS, (MEMORY_STORE,)),
        "",
        shown="empty: a private Valkey in the data directory",
        doc="The store that all processes share, a Redis from 6.2 on or a Valkey: one server, a "
        "master that sentinels watch (`redis+sentinel://SENTINEL,…/SERVICE`), or a cluster "
        "(`redis+cluster://SERVER,…`).",
        why="One command starts a broker that keeps its messages, with nothing else installed.",
    )
    store_timeout_s: float = setting(
        Seconds(0.05, 300.0),
        5.0,
        doc="Time in which the store must answer a call.",
        why="Longer than a failover's first seconds would only keep clients waiting in vain.",
    )
    store_replicas: int = setting(
        Whole(0, 100, "replicas"),
        0,
        doc="Replicas that must have a message, or revocation, before it counts as accepted; set "
        "it to 1 where a replica may take the master's place.",
        why="A single server has none to wait for.",
    )
    channel_ttl_s: int = setting(
        WholeSeconds(60, 3650 * 86_400),
        30 * 86_400,
        doc="Time for which the last id and cursor of a channel without messages are remembered.",
        why="Whoever comes back after a holiday still learns exactly whether something is missing.",
    )
    max_revocations: int = setting(
        Whole(1, 10_000_000, "revocations"),
        100_000,
        doc="Revocations of one tenant that may hold at a time; more are refused.",
        why="Three thousand logouts a day for a month, some 35 MiB in each process.",
    )
    ring_memory_bytes: int = setting(
        Bytes(2**20, 2**40),
        256 * 2**20,
        doc="Memory of one process for copies of rings; beyond it, histories are read from the "
        "store again.",
        why="Some 250 busy channels of 1,000 messages of 1 KiB, a fraction of a small machine.",
    )
    read_page_messages: int = setting(
        Whole(1, 100_000, "messages"),
        1000,
        doc="Messages of one channel that are read from the store at a time.",
        why="A ring of the default length is one page, and no page blocks the store for long.",
    )
    tick_s: float = setting(
        Seconds(0.05, 60.0),
        1.0,
        doc="Time after which a process that heard nothing asks the store for its clock.",
        why="A lost connection or announcement shows within a second, for one call a second.",
    )
