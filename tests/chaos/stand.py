"""The stand: store, links, nodes, publishers and subscribers of one run."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import mkdtemp
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit
import shutil
import time

from tests.chaos.aide import Aide
from tests.chaos.link import Link
from tests.chaos.topology import Single, Topology
from tests.support.broker import BrokerProcess

RING = 5000
"""Messages of a channel that are kept: those of minutes."""

DRAIN_S = 8.0

NODE_FLAGS = ("--drain-s", str(DRAIN_S), "--retry-after-s", "0.2", "--retry-jitter-s", "0.8")
"""Clients that are sent away come back within a second, so that a run shows it many times."""

SECRET = "a secret that every node of the stand believes"

COMPLETE_S = 20.0
"""Time in which everybody must have everything once nobody publishes any more."""


@dataclass(frozen=True)
class Setup:
    """
    How big a stand is.

    Attributes:
        crowd: Subscribers by transport.
        rate: Messages a second.
        channels: Busy channels.
        quiet: Channels with a message now and then.
        publishers: Connections that publish.
        nodes: Brokers.
        linked: Whether each node reaches the store through a link of its own.
        flags: Further flags of `broker serve`.
        ring: Messages of a channel that are kept.
        seed: Of everything random.
    """

    crowd: Mapping[str, int] = field(
        default_factory=lambda: {
            "websocket": 200,
            "eventsource": 80,
            "stream": 60,
            "longpoll": 100,
            "shortpoll": 80,
        }
    )
    rate: float = 1400.0
    channels: int = 56
    quiet: int = 8
    publishers: int = 4
    nodes: int = 2
    linked: bool = False
    flags: tuple[str, ...] = ()
    ring: int = RING
    seed: int = 1

    @property
    def subscribers(self) -> int:
        """How many there are."""
        return sum(self.crowd.values())


class Stand:
    """
    Everything that one run needs, as an async context manager.

    Args:
        setup: How big.
        topology: The store.

    Attributes:
        nodes: Brokers, over one store.
        links: One for each node, where the setup has them.
        topology: The store.
        strikes: How many faults were lifted.
        drains: When a node was told to stop, on the monotonic clock.
    """

    def __init__(self, setup: Setup, topology: Topology | None = None) -> None:
        self.setup = setup
        self.random = Random(setup.seed)
        self.topology = topology or Single()
        self.links: list[Link] = []
        self.nodes: list[BrokerProcess] = []
        self.crowd = Aide("tests.chaos.crowd")
        self.press = Aide("tests.chaos.press")
        self.strikes = 0
        self.drains: list[float] = []
        self._directory = Path(mkdtemp(prefix="chaos-"))
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            stack.callback(shutil.rmtree, self._directory, ignore_errors=True)
            stack.push_async_callback(self.topology.close)
            await self.topology.start()
            rules = self._directory / "channels.yaml"
            rules.write_text(channel_rules(self.setup.ring))
            for _ in range(self.setup.nodes):
                await self._add_node(stack, rules)
            await self._add_aides(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    # --- a run -------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Have everybody attach, then have publishing begin."""
        await self.crowd.ask("arrive")
        await self.press.ask("start")

    async def lifted(self) -> None:
        """Take note that a fault is over: from now on everybody should heal."""
        self.strikes += 1
        await self.crowd.ask("mark", at=time.monotonic())

    async def healed(self, deadline_s: float) -> int:
        """Wait until everybody got something sent since `lifted`; return how many did."""
        count: int = await self.crowd.ask("healed", deadline_s=deadline_s)
        return count

    async def finish(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Stop publishing and wait until everybody has everything; return press's and crowd's."""
        press = await self.press.ask("stop")
        crowd = await self.crowd.ask("finish", stamps=press["stamps"], deadline_s=COMPLETE_S)
        return press, crowd

    @property
    def complaints(self) -> list[str]:
        """What nodes logged that they never should: tracebacks, errors of their own."""
        lines = [line for node in self.nodes for line in node.log.splitlines()]
        return [line for line in lines if line.startswith("Traceback") or " ERROR " in line]

    async def _add_node(self, stack: AsyncExitStack, rules: Path) -> None:
        url = self.topology.url
        if self.setup.linked:
            link = Link(urlsplit(url).port or 0, Random(self.random.random()))
            await link.open()
            stack.push_async_callback(link.close)
            self.links.append(link)
            url = f"redis://127.0.0.1:{link.port}"
        flags = (
            *("--store", url, "--config", str(rules)),
            *(*NODE_FLAGS, *self.topology.flags, *self.setup.flags),
        )
        node = BrokerProcess(*flags, environ={"BROKER_JWT_SECRET": SECRET})
        await stack.enter_async_context(node)
        self.nodes.append(node)

    async def _add_aides(self, stack: AsyncExitStack) -> None:
        setup = self.setup
        names = {
            "channels": [f"chaos.{number}" for number in range(setup.channels)],
            "quiet": [f"quiet.{number}" for number in range(setup.quiet)],
        }
        for aide in (self.crowd, self.press):
            stack.push_async_callback(aide.close)
        await self.crowd.start(
            nodes=[host_and_port(node.public) for node in self.nodes],
            token=self.nodes[0].token(None),
            crowd=dict(setup.crowd),
            seed=setup.seed,
            **names,
        )
        await self.press.start(
            urls=[node.internal for node in self.nodes],
            publishers=setup.publishers,
            rate=setup.rate,
            **names,
        )


def channel_rules(ring: int = RING) -> str:
    """Return channel rules that let every token read, and keep so many messages."""
    kept = f"{{messages: {ring}, age: 6h}}"
    return (
        "channels:\n"
        "  - {name: ping, history: {messages: 0}, subscribe: [{}]}\n"
        f'  - {{name: "chaos.{{number}}", history: {kept}, subscribe: [{{}}]}}\n'
        f'  - {{name: "quiet.{{number}}", history: {kept}, subscribe: [{{}}]}}\n'
        '  - {name: "visit.{number}", history: {messages: 5, age: 6h}, subscribe: [{}]}\n'
    )


def host_and_port(url: str) -> tuple[str, int]:
    """Return host and port of a URL."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port
