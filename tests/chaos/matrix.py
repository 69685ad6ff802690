"""The fault matrix, as data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from tests.chaos import faults
from tests.chaos.faults import Fault
from tests.chaos.topology import Sharded, Single, Stepped, Topology, Watched
from tests.support.stepped import faketime_library


@dataclass(frozen=True)
class Scenario:
    """
    A run on a fresh stand.

    Attributes:
        name: As it is named on the command line.
        title: As it stands in the report.
        faults: What strikes, in this order.
        rounds: How often.
        linked: Whether nodes reach the store through links.
        allowed: Faults of delivery that belong to it; all others must not happen.
        drops: Whether announcements are to be dropped by it.
        keeps_streams: Whether no WebSocket, event stream or stream may end by it (P7).
        nodes: How many there are.
        topology: Makes the store.
        missing: Tells what it needs and this machine does not have; empty if it can run.
    """

    name: str
    title: str
    faults: Sequence[Fault]
    rounds: int = 2
    linked: bool = False
    allowed: frozenset[str] = frozenset()
    drops: bool = False
    keeps_streams: bool = True
    nodes: int = 2
    topology: Callable[[], Topology] = Single
    missing: Callable[[], str] = str


LATE: Final = frozenset({"late"})
FORGOTTEN: Final = frozenset({"told", "needless"})
"""A flushed store cannot say what it held: whoever was away is told of a gap, needed or not."""

MATRIX: Final = (
    Scenario("node-kill", "`kill -9` of a node", [faults.kill_node], keeps_streams=False),
    Scenario(
        "store-kill", "`kill -9` of the store, back on its append-only file", [faults.kill_store]
    ),
    Scenario("store-pause", "the store stopped (SIGSTOP) for 10 s", [faults.pause_store], rounds=1),
    Scenario(
        "announcement-loss",
        "1 % of announcements dropped for 12 s, half of those of quiet channels",
        [faults.lose_announcements],
        rounds=1,
        linked=True,
        drops=True,
        allowed=LATE,
    ),
    Scenario(
        "link-cut", "every connection to the store cut", [faults.cut_links], rounds=3, linked=True
    ),
    Scenario("link-down", "each node without the store for 2 s", [faults.lower_links], linked=True),
    Scenario(
        "link-half-open",
        "every connection to the store dead, and open for the node",
        [faults.half_open_links],
        linked=True,
    ),
    Scenario(
        "client-cut",
        "a third of the subscribers cut, five times",
        [faults.cut_clients],
        rounds=5,
        keeps_streams=False,
    ),
    Scenario(
        "client-half-open",
        "a fifth of the subscribers back without closing, five times",
        [faults.half_open_clients],
        rounds=5,
        keeps_streams=False,
    ),
    Scenario("flush", "`FLUSHALL` while a third is away", [faults.flush_store], allowed=FORGOTTEN),
    Scenario(
        "clock-steps",
        "the store's clock an hour back, right, an hour forward, right",
        [faults.step_clock],
        topology=Stepped,
        missing=lambda: "" if faketime_library() else "libfaketime is not installed",
    ),
    Scenario(
        "sentinel-failover",
        "`kill -9` of the master, replaced by a replica by three sentinels",
        [faults.lose_master],
        topology=Watched,
    ),
    Scenario(
        "cluster-node-loss",
        "`kill -9` of a cluster's master, replaced by a replica",
        [faults.lose_master],
        topology=Sharded,
    ),
    Scenario(
        "rolling-restart",
        "SIGTERM and start of node after node",
        [faults.restart_nodes],
        rounds=1,
        keeps_streams=False,
    ),
)

SHORT: Final = Scenario(
    "short",
    "several faults in a row",
    [
        faults.cut_clients,
        faults.kill_node,
        faults.cut_links,
        faults.kill_store,
        faults.half_open_clients,
        faults.kill_node,
    ],
    rounds=1,
    linked=True,
    keeps_streams=False,
)
"""What a test has the time for."""


def select(words: Sequence[str]) -> list[Scenario]:
    """
    Return the scenarios in whose name one of the words stands; all for none.

    Raises:
        LookupError: a word fits none.
    """
    for word in words:
        if not any(word in scenario.name for scenario in MATRIX):
            names = ", ".join(scenario.name for scenario in MATRIX)
            raise LookupError(f"no scenario has {word!r} in its name; there are {names}")
    return [each for each in MATRIX if not words or any(word in each.name for word in words)]
