"""Stores that wait for the test."""

from __future__ import annotations

from collections.abc import Sequence
import asyncio

from broker.core.cursor import Cursor
from broker.core.ring import History
from broker.store.base import Lookup
from broker.store.memory import MemoryStore


class SlowStore(MemoryStore):
    """
    A store in memory whose reads wait until the gate is open.

    Attributes:
        waiting: Reads that have begun.
        gate: What they wait for.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waiting = 0
        self.gate = asyncio.Event()

    async def read(
        self, tenant: str, lookups: Sequence[Lookup], limit: int, floor: Cursor
    ) -> list[History]:
        self.waiting += 1
        await self.gate.wait()
        return await super().read(tenant, lookups, limit, floor)


class SlowClock(MemoryStore):
    """
    A store in memory whose ticks wait while the gate is closed.

    Attributes:
        gate: What they wait for; open at first.
    """

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()

    async def tick(self, tenant: str, floor: Cursor) -> Cursor:
        await self.gate.wait()
        return await super().tick(tenant, floor)
