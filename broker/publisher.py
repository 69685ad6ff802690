"""The publisher: publications in, one store call for all that wait."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple
import asyncio
import logging

from broker.background import Background
from broker.commit_queue import CommitQueue, Waiting
from broker.core.cursor import Cursor
from broker.core.errors import BrokerError, Unavailable
from broker.gathering import Gathering
from broker.store.base import Publication, Store, Stored

_log = logging.getLogger(__name__)

MOST_GATHERINGS: Final = 1024
"""Tenants of which the gathering is remembered while nothing of theirs waits."""

Accepted = Callable[[str, Publication, asyncio.Future[Stored]], None]
"""Hears of publications that were queued."""


class PublishLimits(NamedTuple):
    """
    Bounds of publishing.

    Attributes:
        call_messages: Messages in one store call at most, one publication excepted.
        queue_messages: Messages that may wait for the store; beyond, publishers get 503.
        call_bytes: Bytes of messages in one store call at most, one publication excepted.
        queue_bytes: Bytes of messages that may wait for the store; beyond, publishers get 503.
        linger_s: Seconds that a call waits for further messages, where others are to be expected.
    """

    call_messages: int = 512
    queue_messages: int = 20_000
    call_bytes: int = 2**20
    queue_bytes: int = 64 * 2**20
    linger_s: float = 0.0


class Publisher:
    """
    Commits publications in groups.

    While one store call of a tenant is in flight, further publications queue and leave together
    in the next one, in the order in which they came (`design.md` section 10, rule 7). Where others
    are to be expected, a call waits for them a little (see `Gathering`).

    Args:
        store: Where messages go.
        floor: Gives the highest cursor of a tenant that this node has seen.
        limits: Bounds.
        wrote: Told the tenant and the last cursor of what was stored, before its publisher is.
        accepted: Told the tenant, the publication and its answer to come, when it was queued.
    """

    def __init__(
        self,
        store: Store,
        floor: Callable[[str], Cursor],
        limits: PublishLimits,
        wrote: Callable[[str, Cursor], None] = lambda _tenant, _cursor: None,
        accepted: Accepted = lambda _tenant, _publication, _answer: None,
    ) -> None:
        self._store = store
        self._floor = floor
        self._limits = limits
        self._wrote = wrote
        self._accepted = accepted
        self._queues: dict[str, CommitQueue] = {}
        self._gatherings: OrderedDict[str, Gathering] = OrderedDict()
        self._background = Background()
        self._queued = 0
        self._queued_bytes = 0

    @property
    def queued(self) -> int:
        """Messages that wait for the store."""
        return self._queued

    async def publish(self, tenant: str, publication: Publication) -> Stored:
        """
        Store the messages of a publication, all or none.

        Raises:
            PreconditionFailed: `if_match` names another message than the last.
            IdempotencyMismatch: the key was used for another request.
            StoreUnavailable: the store did not answer in time; the messages may be stored, and a
                retry with the same idempotency key stores them once.
            Unavailable: too much is waiting already; nothing was stored.
        """
        return await self.submit(tenant, publication)

    def submit(self, tenant: str, publication: Publication) -> asyncio.Future[Stored]:
        """
        Queue a publication; what becomes of it is in the future, as `publish` says.

        Raises:
            Unavailable: too much is waiting already; nothing was stored.
        """
        count, size = len(publication.drafts), _size(publication)
        self._check_room(count, size)
        waiting = Waiting(publication, asyncio.get_running_loop().create_future(), size)
        self._queued += count
        self._queued_bytes += size
        queue = self._queues.get(tenant)
        if queue is None:
            queue = self._queues[tenant] = self._new_queue(tenant)
            self._background.start(self._commit_all(tenant, queue))
        queue.put(waiting)
        self._accepted(tenant, publication, waiting.answer)
        return waiting.answer

    async def close(self) -> None:
        """Wait until everything that was accepted is stored or refused."""
        await self._background.join()

    def _check_room(self, count: int, size: int) -> None:
        limits = self._limits
        if self._queued and self._queued + count > limits.queue_messages:
            raise Unavailable(
                f"{self._queued} messages wait for the store already",
                limit=limits.queue_messages,
                setting="publish_queue_messages",
            )
        if self._queued and self._queued_bytes + size > limits.queue_bytes:
            raise Unavailable(
                f"{self._queued_bytes} bytes of messages wait for the store already",
                limit=limits.queue_bytes,
                setting="publish_queue_bytes",
            )

    def _new_queue(self, tenant: str) -> CommitQueue:
        gathering = self._gatherings.pop(tenant, None) or Gathering()
        self._gatherings[tenant] = gathering
        if len(self._gatherings) > MOST_GATHERINGS:
            self._gatherings.popitem(last=False)
        return CommitQueue(gathering, self._limits.linger_s)

    async def _commit_all(self, tenant: str, queue: CommitQueue) -> None:
        try:
            while queue:
                await queue.gather()
                batch = queue.take(self._limits.call_messages, self._limits.call_bytes)
                self._queued -= sum([waiting.messages for waiting in batch])
                self._queued_bytes -= sum([waiting.size for waiting in batch])
                try:
                    await self._commit(tenant, batch)
                finally:
                    queue.answered(batch)
        finally:
            del self._queues[tenant]

    async def _commit(self, tenant: str, batch: list[Waiting]) -> None:
        # Whoever gave up waiting was told so, and may have sent it again: a store that comes back
        # need not be given it as well.
        batch = [waiting for waiting in batch if not waiting.answer.cancelled()]
        if not batch:
            return
        publications = [waiting.publication for waiting in batch]
        try:
            outcomes = await self._store.publish(tenant, publications, self._floor(tenant))
        except Exception as error:  # noqa: BLE001 - whatever it is, every publisher must hear it
            if not isinstance(error, BrokerError):
                _log.exception("a store call failed")
            for waiting in batch:
                if not waiting.answer.done():
                    waiting.answer.set_exception(error)
            return
        cursors = [
            outcome.stamps[-1].cursor
            for outcome in outcomes
            if isinstance(outcome, Stored) and outcome.stamps
        ]
        if cursors:
            self._wrote(tenant, max(cursors))
        for waiting, outcome in zip(batch, outcomes, strict=True):
            if waiting.answer.done():
                continue
            if isinstance(outcome, BrokerError):
                waiting.answer.set_exception(outcome)
            else:
                waiting.answer.set_result(outcome)


def _size(publication: Publication) -> int:
    return sum([len(draft.body) for draft in publication.drafts])
