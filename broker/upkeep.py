"""Upkeep: what a node does by the clock."""

from __future__ import annotations

from collections.abc import Callable
import asyncio
import logging

from broker.audit import Audit
from broker.core.errors import StoreUnavailable
from broker.hub import Hub
from broker.sync import Sync
from broker.tenant import Tenant

_log = logging.getLogger(__name__)


class Ticker:
    """
    Moves the high-water mark of every tenant on in quiet times, and tidies the hub.

    Args:
        hub: Whose tenants.
        sync: Asks the store for its clock.
        audit: Looks for what was not announced.
        interval_s: Seconds between two ticks.
    """

    def __init__(self, hub: Hub, sync: Sync, audit: Audit, interval_s: float) -> None:
        self._hub = hub
        self._sync = sync
        self._audit = audit
        self._interval_s = interval_s

    async def run(self) -> None:
        """Tick until cancelled."""
        try:
            while True:
                await asyncio.sleep(self._interval_s)
                self._hub.upkeep()
                tenants = [tenant for tenant in self._hub.tenants if tenant.feeds]
                await asyncio.gather(*(self._tick(tenant) for tenant in tenants))
                self._audit.step()
        finally:
            await self._audit.close()

    async def _tick(self, tenant: Tenant) -> None:
        try:
            await self._sync.tick(tenant)
        except StoreUnavailable as error:
            _log.warning("no tick for tenant %s: %s", tenant.name, error)


class Pinger:
    """
    Makes the ping channel: one message for each interval of the wall clock (D24).

    Stands in the timer wheel.

    Args:
        hub: Whose feeds.
        wall_clock: Seconds since the epoch.
        interval_s: Seconds between two pings.
    """

    def __init__(self, hub: Hub, wall_clock: Callable[[], float], interval_s: float) -> None:
        self._hub = hub
        self._wall_clock = wall_clock
        self._interval_s = interval_s

    def wait_s(self) -> float:
        """Return the seconds until the next ping is due."""
        return self._interval_s - self._wall_clock() % self._interval_s

    def due(self, now: float) -> float:
        """Write a ping to every feed that has the channel."""
        self._hub.ping(self._wall_clock())
        return now + self.wait_s()
