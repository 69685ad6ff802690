"""A node inside the test: the whole broker on real sockets, on the loop of the test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
import asyncio
import time

from broker.app import Node
from broker.auth import Expectations, KeyRing, Verifier
from broker.auth.keys import secret_key
from broker.catalog import Catalog
from broker.settings import ListenAddress, Settings
from broker.store.base import Store
from broker.store.memory import MemoryStore
from broker.writing import batched
from tests.support.clock import JumpingLoop
from tests.support.target import Target
from tests.support.tokens import SECRET

OPEN_CHANNELS = """\
defaults:
  history: {messages: 1000, age: 1h}
channels:
  - {name: "ping", history: {messages: 0}, subscribe: public}
  - {name: "short.{a}", history: {messages: 5}, subscribe: public}
  - {name: "brief.{a}", history: {age: 10s}, subscribe: public}
  - {name: "closed.{a}", subscribe: [{role: reader}]}
  - {name: "{a}", subscribe: public}
  - {name: "{a}.{b}", subscribe: public}
"""
"""Rules that let everybody read: `short.*` keeps 5 messages, `closed.*` needs a token."""

_OWN: Mapping[str, Any] = {
    "public": ListenAddress("127.0.0.1", 0),
    "internal": ListenAddress("127.0.0.1", 0),
    "drain_s": 0.0,
}

CROSSED = "crossed"
"""Stands for io_uring on uvloop, where the kernel has it, and plain writes on asyncio."""

WRITE_PATHS = {"of nodes": CROSSED}
"""Set from the command line."""

# A few subscribers are written to in one call too, so that tests have both write paths.
batched.FEW = 1


class SharedMemoryStore(MemoryStore):
    """A store in memory that outlives the nodes that use it."""

    async def close(self) -> None:
        """Stay open: other nodes use it still."""


@dataclass(frozen=True)
class RunningNode(Target):
    """
    A node that serves, and the URLs to reach it.

    Attributes:
        node: The node itself, to look inside.
        clock: Its seconds since the epoch.
    """

    node: Node
    clock: Callable[[], float]

    @property
    def sessions(self) -> int:
        """How many subscribers are attached or held."""
        return self.node.attendance.count


@asynccontextmanager
async def running_node(
    store: Store | None = None,
    *,
    channels: str = OPEN_CHANNELS,
    clock: Callable[[], float] | None = None,
    **settings: Any,
) -> AsyncIterator[RunningNode]:
    """
    Run a node for the length of a block; it believes tokens signed with `SECRET`.

    Args:
        store: Where it keeps messages; a `MemoryStore` of its own by default.
        channels: Channel rules, as YAML.
        clock: Seconds since the epoch; that of the loop where it jumps, else that of the machine.
        **settings: Settings that differ from the defaults; it stops without a pause by default.
    """
    clock = clock or wall_clock()
    catalog = Catalog.parse(channels, "channels.yaml")
    node = Node(
        Settings(**{**_OWN, "io_uring": _write_path(), **settings}),
        store or MemoryStore(clock),
        Verifier(KeyRing([secret_key(SECRET)]), clock, Expectations()),
        catalog,
        clock,
    )
    await node.start()
    try:
        addresses = node.addresses
        urls = {name: f"http://{address}" for name, address in addresses.items()}
        yield RunningNode(urls["public"], urls["internal"], SECRET, node, clock)
    finally:
        await node.stop()


def _write_path() -> str:
    """Return what nodes are told of io_uring, unless the test says it."""
    if WRITE_PATHS["of nodes"] != CROSSED:
        return WRITE_PATHS["of nodes"]
    return "auto" if "uvloop" in type(asyncio.get_running_loop()).__module__ else "off"


def wall_clock() -> Callable[[], float]:
    """Return what gives the seconds since the epoch on the running loop."""
    loop = asyncio.get_running_loop()
    return loop.wall if isinstance(loop, JumpingLoop) else time.time
