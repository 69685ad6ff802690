"""Readings: what is read off the parts of a node whenever somebody asks for its metrics."""

from __future__ import annotations

import asyncio

from broker import __version__
from broker.api.express import Express
from broker.auth import Verifier
from broker.hub import Hub
from broker.hub.flow import Flows
from broker.metrics import Machine
from broker.metrics.meters import Connecting, Delivering, Keeping, Processes
from broker.protocols.pushstream.recall import Recall


def read_flows(connecting: Connecting, delivering: Delivering, flows: Flows) -> None:
    """Have delivery told as the flows count it."""
    connecting.handshakes.follow(lambda: flows.read(lambda flow: flow.begun))
    delivering.messages.follow(lambda: flows.read(lambda flow: flow.messages))
    delivering.bytes.follow(lambda: flows.read(lambda flow: flow.bytes))
    delivering.replayed.follow(lambda: flows.read(lambda flow: flow.history))
    delivering.gaps.follow(lambda: flows.read(lambda flow: flow.gaps))
    delivering.sessions.follow(lambda: flows.read(lambda flow: flow.sessions))
    delivering.lagging.follow(lambda: flows.read(lambda flow: flow.lagging))
    delivering.lags.follow(lambda: flows.read(lambda flow: flow.lags))


def read_hub(keeping: Keeping, hub: Hub) -> None:
    """Have told how much there is in a hub."""
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
