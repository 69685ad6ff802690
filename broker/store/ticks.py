"""Sharing ticks: all who wait for one at the same time wait for the same."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
import asyncio

from broker.core.cursor import Cursor
from broker.core.errors import BrokerError, StoreUnavailable


@dataclass(slots=True, eq=False)
class _Round:
    """A tick that has not been asked for yet."""

    answer: asyncio.Future[Cursor]
    floor: Cursor


class Ticks:
    """
    Collects the wishes for ticks of each tenant.

    A tick that began before the wish says nothing about what was stored in between, so whoever
    comes while one is under way waits for the next.

    Args:
        ask: Does one tick of a tenant, not before a floor; raises `StoreUnavailable`.
    """

    def __init__(self, ask: Callable[[str, Cursor], Awaitable[Cursor]]) -> None:
        self._ask = ask
        self._next: dict[str, _Round] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def tick(self, tenant: str, floor: Cursor) -> Cursor:
        """
        Wait for a tick that begins after this call.

        Raises:
            StoreUnavailable: it did not come.
        """
        coming = self._next.get(tenant)
        if coming is None:
            answer: asyncio.Future[Cursor] = asyncio.get_running_loop().create_future()
            coming = self._next[tenant] = _Round(answer, floor)
            if tenant not in self._tasks:
                self._tasks[tenant] = asyncio.create_task(self._work(tenant))
        coming.floor = max(coming.floor, floor)
        return await asyncio.shield(coming.answer)

    async def close(self) -> None:
        """Stop; whoever waits is told so."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for coming in self._next.values():
            _fail(coming.answer, StoreUnavailable("the listener is closed"))
        self._next.clear()

    async def _work(self, tenant: str) -> None:
        try:
            while (coming := self._next.pop(tenant, None)) is not None:
                await self._answer(tenant, coming)
        finally:
            del self._tasks[tenant]

    async def _answer(self, tenant: str, coming: _Round) -> None:
        try:
            cursor = await self._ask(tenant, coming.floor)
        except BrokerError as error:
            _fail(coming.answer, error)
        except BaseException:
            _fail(coming.answer, StoreUnavailable("the tick was given up"))
            raise
        else:
            coming.answer.set_result(cursor)


def _fail(answer: asyncio.Future[Cursor], error: BrokerError) -> None:
    answer.set_exception(error)
    answer.exception()  # everybody who waited may be gone already
