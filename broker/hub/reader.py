"""The reader: many small reads of the store, in few calls."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple
import asyncio

from broker.background import Background
from broker.core.ring import History
from broker.hub.tenant import Tenant
from broker.store.base import Lookup, Store


class _Request(NamedTuple):
    lookups: Sequence[Lookup]
    answer: asyncio.Future[list[History]]


class Reader:
    """
    Reads histories; while one call is in flight, further requests wait and leave together.

    So a storm of attaches costs few round trips, whatever the number of clients.

    Args:
        store: What is read.
        page_messages: Messages per channel in one call at most.
        call_lookups: Channels in one call at most, one request excepted.
    """

    def __init__(self, store: Store, page_messages: int, call_lookups: int = 256) -> None:
        self._store = store
        self._page_messages = page_messages
        self._call_lookups = call_lookups
        self._waiting: dict[str, deque[_Request]] = {}
        self._background = Background()

    async def close(self) -> None:
        """Give up every call; to be called once nobody waits any more."""
        await self._background.close()

    async def read(self, tenant: Tenant, lookups: Sequence[Lookup]) -> list[History]:
        """
        Read what is kept of channels after cursors.

        Raises:
            StoreUnavailable: the store did not answer in time.
        """
        request = _Request(lookups, asyncio.get_running_loop().create_future())
        queue = self._waiting.get(tenant.name)
        if queue is None:
            queue = self._waiting[tenant.name] = deque()
            self._background.start(self._work(tenant, queue))
        queue.append(request)
        return await request.answer

    async def _work(self, tenant: Tenant, queue: deque[_Request]) -> None:
        try:
            while queue:
                await self._call(tenant, self._next(queue))
        finally:
            del self._waiting[tenant.name]

    def _next(self, queue: deque[_Request]) -> list[_Request]:
        batch = [queue.popleft()]
        count = len(batch[0].lookups)
        while queue and count + len(queue[0].lookups) <= self._call_lookups:
            batch.append(queue.popleft())
            count += len(batch[-1].lookups)
        return [request for request in batch if not request.answer.done()]

    async def _call(self, tenant: Tenant, batch: Sequence[_Request]) -> None:
        if not batch:  # nobody waits any more
            return
        lookups = [lookup for request in batch for lookup in request.lookups]
        try:
            histories = await self._store.read(
                tenant.name, lookups, self._page_messages, tenant.high_water
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear it
            for request in batch:
                if not request.answer.done():
                    request.answer.set_exception(error)
            return
        start = 0
        for request in batch:
            end = start + len(request.lookups)
            if not request.answer.done():
                request.answer.set_result(histories[start:end])
            start = end
