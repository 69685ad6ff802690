"""Health: alive, ready, and how much there is."""

from __future__ import annotations

from asyncio import timeout

from aiohttp import web
import orjson

from broker.api.call import Call
from broker.api.problems import answer
from broker.api.services import Services
from broker.core.errors import Draining, StoreUnavailable
from broker.core.tenants import MAIN_TENANT
from broker.hub import PING_CHANNEL

READY_DEADLINE_S = 1.0
"""Time in which the store must answer a readiness probe: the probes' own usual deadline."""


class Health:
    """
    The endpoints that monitoring calls.

    Args:
        services: What they work with.
    """

    def __init__(self, services: Services) -> None:
        self._services = services

    async def alive(self, _: Call) -> web.Response:
        """Say that the process answers."""
        return answer(b'{"status":"alive"}')

    async def ready(self, _: Call) -> web.Response:
        """
        Say that requests may come: the store answers, and the node is not about to stop.

        Raises:
            Draining: The node is about to stop.
            StoreUnavailable: The store did not answer in time.
        """
        if self._services.draining():
            raise Draining("this node is about to stop")
        try:
            async with timeout(READY_DEADLINE_S):
                await self._services.store.info(MAIN_TENANT, PING_CHANNEL)
        except TimeoutError as exc:
            raise StoreUnavailable(
                f"the store did not answer within {READY_DEADLINE_S:g} s"
            ) from exc
        return answer(b'{"status":"ready"}')

    async def stats(self, _: Call) -> web.Response:
        """Return how much there is on this node."""
        hub = self._services.hub
        tenants = list(hub.tenants)
        counts = {
            "sessions": self._services.attendance.count,
            "feeds": len(list(hub.feeds)),
            "channels": sum(len(tenant.channels) for tenant in tenants),
            "tenants": len(tenants),
        }
        return answer(orjson.dumps(counts))
