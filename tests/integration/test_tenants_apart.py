"""Tenants on servers of their own: what is wrong with one server is nobody else's trouble."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
import asyncio

from broker.core.cursor import Cursor
from broker.core.errors import StoreUnavailable
from broker.store.base import Listener, Sink
from broker.store.memory import MemoryListener, MemoryStore
from tests.support.node import RunningNode, running_node, wall_clock
from tests.support.waiting import PATIENCE, eventually

AWAY = [f"away{number}" for number in range(8)]


class HalfAwayStore(MemoryStore):
    """A store of which some tenants' servers are away when the test says so."""

    is_away = False

    async def listener(self, sink: Sink) -> Listener:
        listener = HalfAwayListener(self, sink)
        self._listeners.append(listener)
        return listener


class HalfAwayListener(MemoryListener):
    """Never hears a tick of those tenants that are away."""

    async def tick(self, tenant: str, floor: Cursor) -> Cursor:
        store = self._store
        if isinstance(store, HalfAwayStore) and store.is_away and tenant in AWAY:
            await asyncio.sleep(0.5 * PATIENCE)
            raise StoreUnavailable("the server of this tenant is away")
        return await super().tick(tenant, floor)


async def come(node: RunningNode, tenants: Sequence[str]) -> list[asyncio.Task[Any]]:
    """Begin to open a WebSocket for each tenant, all at once."""

    async def open_and_close(tenant: str) -> None:
        async with node.websocket(["news.a"], None, node.token(sub="7", tenant=tenant)):
            pass

    return [asyncio.create_task(open_and_close(tenant)) for tenant in tenants]


async def test_newcomers_of_one_tenant_do_not_wait_for_another() -> None:
    """Those who come together wait for their own tenant's server alone."""
    store = HalfAwayStore(wall_clock())
    async with running_node(store) as node:
        await asyncio.gather(*await come(node, ["main", *AWAY]))  # from now on their shape is known
        store.is_away = True
        loop = asyncio.get_running_loop()
        began = loop.time()
        away, present = await come(node, AWAY), await come(node, ["main"] * 3)
        await asyncio.gather(*present)
        assert loop.time() - began < 2.0 * PATIENCE
        done, _ = await asyncio.wait(away, timeout=5 * PATIENCE)
        assert len(AWAY) == len(done)
        assert all(isinstance(task.exception(), AssertionError) for task in done)  # 503
        store.is_away = False
        await eventually(lambda: node.sessions == 0)
