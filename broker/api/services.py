"""What the internal endpoints work with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from time import time

from broker.attendance import Attendance
from broker.auth import Verifier
from broker.auth.api_keys import ApiKeys
from broker.catalog import Catalog
from broker.census import Census, Roster
from broker.core.errors import BrokerError
from broker.hub import Hub
from broker.metrics.snapshot import Snapshot
from broker.patrol import Patrol
from broker.publisher import Publisher
from broker.settings import Settings
from broker.store.base import Store
from broker.subscribe import Subscriber
from broker.transports.traffic import Traffic
from broker.wheel import Wheel


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """
    What the internal endpoints work with.

    Attributes:
        publisher: Stores messages.
        store: Where they are read back from.
        hub: What this node has attached.
        catalog: Gives the channel rules of this moment; reloading replaces them.
        settings: Limits and the listen address.
        keys: Keys that open the listener.
        wheel: Ends connections and waits.
        patrol: Knows what was revoked, and sends away whom it is about.
        census: Counts the subscribers of all nodes.
        roster: Lists their sessions, and ends one.
        destroyed: Told of which tenant which channels were deleted.
        subscriber: Gives what serves followers; None until the node serves.
        attendance: Knows the subscribers of this node.
        verifier: Checks tokens, to explain what they allow.
        draining: Tells whether this node is about to stop.
        wall_clock: Seconds since the epoch.
        metrics: Gives the numbers of all workers.
        refused: Counts refusals.
        traffic: Counts connections.
    """

    publisher: Publisher
    store: Store
    hub: Hub
    catalog: Callable[[], Catalog]
    settings: Settings
    keys: ApiKeys
    wheel: Wheel
    patrol: Patrol
    census: Census
    roster: Roster
    attendance: Attendance
    verifier: Verifier
    subscriber: Callable[[], Subscriber | None] = lambda: None
    destroyed: Callable[[str, Iterable[str]], None] = lambda _tenant, _channels: None
    draining: Callable[[], bool] = lambda: False
    wall_clock: Callable[[], float] = time
    metrics: Callable[[], Snapshot] = dict
    refused: Callable[[BrokerError], None] = lambda _: None
    traffic: Traffic = field(default_factory=Traffic)
