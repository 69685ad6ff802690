"""The census: how many subscribers all nodes have."""

from __future__ import annotations

from asyncio import Future, Task, current_task, get_running_loop, shield, wait
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple
import logging

from broker.background import Background
from broker.census.circle import Circle, Said
from broker.census.counting import Counted
from broker.core.headcount import (
    Headcount,
    Population,
    Question,
    decode_headcount,
    decode_question,
)

WAIT_S = 0.5
"""Seconds that nodes get to answer: a busy one takes some milliseconds."""

MAX_SHARED = 1000
"""Channels of one question that several share; further ones begin another."""

_KIND = "headcount"

_log = logging.getLogger(__name__)


class _Shared(NamedTuple):
    """A question of several who ask: the channels, and the answer for all of them."""

    names: set[str]
    answer: Future[Population]


class Census:
    """
    Counts subscribers on all nodes.

    Args:
        circle: Asks the other nodes.
        counter: Counts the subscribers of this one.
        clock: Loop time in seconds.
        wait_s: Seconds that other nodes get to answer.
    """

    def __init__(
        self,
        circle: Circle,
        counter: Callable[[Question], Counted],
        clock: Callable[[], float],
        wait_s: float = WAIT_S,
    ) -> None:
        self._circle = circle
        self._counter = counter
        self._clock = clock
        self._began = clock()
        self._wait_s = wait_s
        self._waiting: dict[str, _Shared] = {}  # by tenant, not sent yet
        self._under_way: dict[str, Task[None]] = {}
        self._background = Background()
        circle.answer(_KIND, self._answer)

    async def close(self) -> None:
        """Ask nothing more."""
        await self._background.close()

    async def take(self, question: Question, *, alone: bool = False) -> Population:
        """
        Ask every node, and return what those answered that did so in time.

        Questions about channels by name that come while another of their tenant is on its way
        leave together in the next one, so publishers who want to know cost no more than one
        question at a time; the answer may then name further channels.

        Args:
            question: What is asked.
            alone: Ask this node only.

        Raises:
            Unavailable: too many questions wait for answers already.
        """
        if alone:
            return Population((self._count(question),))
        if not self._circle.others:
            return Population((self._count(question),), self._circle.silent)
        self._circle.check(len(self._waiting))
        if question.prefix is not None:
            return await self._ask(question)
        shared = self._waiting.get(question.tenant)
        if shared is None or len(shared.names) >= MAX_SHARED:
            shared = self._begin(question.tenant)
        shared.names.update(question.names)
        return await shield(shared.answer)

    def _begin(self, tenant: str) -> _Shared:
        """Return a question that others may join until it is sent."""
        shared = self._waiting[tenant] = _Shared(set(), get_running_loop().create_future())
        before = self._under_way.get(tenant)
        self._under_way[tenant] = self._background.start(self._send_off(tenant, shared, before))
        return shared

    async def _send_off(self, tenant: str, shared: _Shared, before: Task[None] | None) -> None:
        """Ask a shared question once the one before is answered."""
        try:
            if before is not None:
                await wait([before])
            if self._waiting.get(tenant) is shared:
                del self._waiting[tenant]
            population = await self._ask(Question(tenant, tuple(shared.names)))
            if not shared.answer.done():
                shared.answer.set_result(population)
        finally:
            shared.answer.cancel()
            if self._under_way.get(tenant) is current_task():
                del self._under_way[tenant]

    async def _ask(self, question: Question) -> Population:
        own = self._count(question)
        answers = await self._circle.ask(_KIND, question._asdict(), self._wait_s)
        return Population((own, *_read(answers.told)), answers.silent)

    async def _answer(self, about: Said) -> Said:
        return self._count(decode_question(about))._asdict()

    def _count(self, question: Question) -> Headcount:
        uptime_s = int(self._clock() - self._began)
        return Headcount(*self._circle.who, uptime_s, *self._counter(question))


def _read(told: Iterable[Said]) -> Iterator[Headcount]:
    for each in told:
        try:
            yield decode_headcount(each)
        except ValueError:  # of another version
            _log.warning("another node answers what cannot be understood")
