"""Readings: what is read off the parts of a node whenever somebody asks for its metrics."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain, islice
import asyncio

from broker import __version__
from broker.api.express import Express
from broker.auth import Verifier
from broker.hub import Hub
from broker.hub.flow import Flows
from broker.metrics import Machine
from broker.metrics.meters import Connecting, Delivering, Keeping, Limiting, Patterns, Processes
from broker.protocols.pushstream.recall import Recall

LOOK_S = 15.0
"""Seconds for which what was seen of rings is good: as often as Prometheus asks."""

MOST_CHANNELS = 10_000
"""Channels whose rings are looked at; a few milliseconds, and enough to tell how full they are."""


class Fill:
    """
    What was seen of the rings of one pattern.

    Attributes:
        channels: Channels that were looked at.
        messages: Messages that their rings hold.
        room: Messages that they may hold.
    """

    __slots__ = ("channels", "messages", "room")

    def __init__(self) -> None:
        self.channels = 0
        self.messages = 0
        self.room = 0


class Fills:
    """
    How full the rings of a hub are, by pattern.

    Args:
        hub: The hub.
        clock: Seconds that never go back.
    """

    def __init__(self, hub: Hub, clock: Callable[[], float]) -> None:
        self._hub = hub
        self._clock = clock
        self._fills: dict[str, Fill] = {}
        self._next = 0.0

    def read(self, number: Callable[[Fill], float]) -> dict[str, float]:
        """Return a number by pattern; it is at most `LOOK_S` old."""
        if self._clock() >= self._next:
            self._next = self._clock() + LOOK_S
            self._look()
        return {pattern: number(fill) for pattern, fill in self._fills.items()}

    def _look(self) -> None:
        self._fills = {}
        channels = chain.from_iterable(tenant.channels.values() for tenant in self._hub.tenants)
        for channel in islice(channels, MOST_CHANNELS):
            fill = self._fills.setdefault(channel.pattern, Fill())
            fill.channels += 1
            fill.messages += len(channel.ring)
            fill.room += channel.ring.retention.messages


def read_flows(connecting: Connecting, delivering: Delivering, flows: Flows) -> None:
    """Have delivery told as the flows count it."""
    connecting.handshakes.follow(lambda: flows.read(lambda flow: flow.begun))
    delivering.messages.follow(lambda: flows.read(lambda flow: flow.messages))
    delivering.bytes.follow(lambda: flows.read(lambda flow: flow.bytes))
    delivering.replayed.follow(lambda: flows.read(lambda flow: flow.history))
    delivering.gaps.follow(lambda: flows.read(lambda flow: flow.gaps))
    delivering.skipped.follow(lambda: flows.read(lambda flow: flow.skipped))
    delivering.too_slow.follow(lambda: flows.read(lambda flow: flow.too_slow))
    delivering.sessions.follow(lambda: flows.read(lambda flow: flow.sessions))
    delivering.lagging.follow(lambda: flows.read(lambda flow: flow.lagging))
    delivering.lags.follow(lambda: flows.read(lambda flow: flow.lags))


def read_limits(limiting: Limiting, hub: Hub) -> None:
    """Have told what limits were reached without a refusal."""
    limiting.reached.of("slow_reader_s").follow(
        lambda: sum(hub.flows.read(lambda flow: flow.too_slow).values())
    )
    limiting.reached.of("max_idle_channels").follow(lambda: hub.idle.early)
    limiting.reached.of("ring_memory_bytes").follow(lambda: hub.budget.sheds)


def read_patterns(patterns: Patterns, flows: Flows) -> None:
    """Have delivery told by pattern, as the flows count it."""
    patterns.messages.follow(lambda: flows.read_patterns(lambda flow: flow.messages))
    patterns.bytes.follow(lambda: flows.read_patterns(lambda flow: flow.bytes))
    patterns.replayed.follow(lambda: flows.read_patterns(lambda flow: flow.history))
    patterns.gaps.follow(lambda: flows.read_patterns(lambda flow: flow.gaps))
    patterns.sessions.follow(lambda: flows.read_patterns(lambda flow: flow.sessions))
    patterns.lagging.follow(lambda: flows.read_patterns(lambda flow: flow.lagging))


def read_hub(keeping: Keeping, hub: Hub, clock: Callable[[], float]) -> None:
    """
    Have told how much there is in a hub.

    Args:
        keeping: Where.
        hub: The hub.
        clock: Seconds that never go back.
    """
    fills = Fills(hub, clock)
    keeping.ring_channels.follow(lambda: fills.read(lambda fill: fill.channels))
    keeping.ring_messages.follow(lambda: fills.read(lambda fill: fill.messages))
    keeping.ring_room.follow(lambda: fills.read(lambda fill: fill.room))
    keeping.tenants.follow(lambda: sum(1 for _ in hub.tenants))
    keeping.channels.follow(lambda: sum(len(tenant.channels) for tenant in hub.tenants))
    keeping.feeds.follow(lambda: hub.feed_count)
    keeping.ring_bytes.follow(lambda: hub.ring_bytes)


def read_process(processes: Processes, loop: asyncio.AbstractEventLoop, *, alone: bool) -> Machine:
    """
    Have told what the kernel and its event loop know of this process.

    Args:
        processes: Where.
        loop: The event loop.
        alone: Whether there is no supervisor that counts workers.
    """
    processes.build.follow(lambda: {__version__: 1})
    processes.tasks.follow(lambda: len(asyncio.all_tasks(loop)))
    if alone:
        processes.workers.follow(lambda: 1)
    return Machine(processes)


def read_recall(connecting: Connecting, recall: Recall, verifier: Verifier) -> None:
    """Have told what the public listener remembers."""
    connecting.known.of("public", "hit").follow(lambda: recall.hits)
    connecting.known.of("public", "miss").follow(lambda: recall.misses)
    connecting.tokens.of("remembered").follow(lambda: verifier.remembered)
    connecting.tokens.of("verified").follow(lambda: verifier.verified)


def read_express(connecting: Connecting, express: Express) -> None:
    """Have told what the internal listener remembers."""
    connecting.known.of("internal", "hit").follow(lambda: express.hits)
    connecting.known.of("internal", "miss").follow(lambda: express.misses)
