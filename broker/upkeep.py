"""Upkeep: what a node does by the clock."""

from __future__ import annotations

from collections.abc import Callable
import asyncio
import logging

from broker.core.errors import StoreUnavailable
from broker.hub import Hub
from broker.hub.audit import Audit
from broker.hub.sync import Sync
from broker.hub.tenant import Tenant
from broker.metrics import POST_S, Register

_log = logging.getLogger(__name__)

TICKS_AT_ONCE = 32
"""Tenants that are asked for in one turn of the loop: a few milliseconds."""

LAG_WATCH_S = 0.5
"""Time between two looks at how late the event loop comes."""


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
                try:
                    await self._round()
                except Exception:  # noqa: BLE001 - the next round is needed all the same
                    _log.exception("a round of upkeep failed")
        finally:
            await self._audit.close()

    async def _round(self) -> None:
        self._hub.upkeep()
        tenants = [tenant for tenant in self._hub.tenants if tenant.feeds]
        async with asyncio.TaskGroup() as ticks:
            for place, tenant in enumerate(tenants, 1):
                ticks.create_task(self._tick(tenant))
                if place % TICKS_AT_ONCE == 0:
                    await asyncio.sleep(0)  # a thousand at once would hold everybody up
        self._audit.step()

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


class Heart:
    """
    Gives signs of life on event streams that would otherwise be silent.

    Stands in the timer wheel.

    Args:
        hub: Whose feeds.
        interval_s: Seconds between two of them.
    """

    def __init__(self, hub: Hub, interval_s: float) -> None:
        self._hub = hub
        self._interval_s = interval_s

    def due(self, now: float) -> float:
        """Write a sign of life to every feed that needs one."""
        self._hub.heartbeat()
        return now + self._interval_s


class Poster:
    """
    Lets the other workers know the numbers of this one.

    Stands in the timer wheel.

    Args:
        register: Whose numbers.
    """

    def __init__(self, register: Register) -> None:
        self._register = register

    def due(self, now: float) -> float:
        """Post the numbers as they are."""
        self._register.post()
        return now + POST_S


class LagWatch:
    """
    Looks how late the event loop comes to a timer.

    Args:
        loop: The loop.
        observe: Takes the lateness in seconds.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, observe: Callable[[float], None]) -> None:
        self._loop = loop
        self._observe = observe
        self._timer: asyncio.TimerHandle | None = None
        self._due_at = 0.0

    def start(self) -> None:
        """Look from now on."""
        self._due_at = self._loop.time() + LAG_WATCH_S
        self._timer = self._loop.call_at(self._due_at, self._look)

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        self._observe(max(0.0, self._loop.time() - self._due_at))
        self.start()
