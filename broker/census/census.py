"""The census itself: questions to all nodes, and the answers of this one."""

from __future__ import annotations

from asyncio import Future, Task, current_task, get_running_loop, shield, timeout, wait
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple
import logging
import os
import secrets

import orjson

from broker.background import Background
from broker.census.counting import Counted
from broker.core.cursor import START
from broker.core.errors import StoreUnavailable, Unavailable
from broker.core.headcount import (
    Headcount,
    Population,
    Question,
    decode_headcount,
    decode_question,
)
from broker.core.message import Draft, Message
from broker.core.ring import Retention
from broker.store.base import Listener, Publication, Store

NODES = "@nodes"
"""The tenant of what nodes tell one another; nobody's name begins with `@`."""

WAIT_S = 0.5
"""Seconds that nodes get to answer: a busy one takes some milliseconds."""

MAX_NODES = 1024
"""Nodes that are known; answers of a larger set would take longer to add up than to wait for."""

MAX_ASKED = 256
"""Questions that may wait for answers at once; beyond, whoever asks gets 503."""

MAX_SHARED = 1000
"""Channels of one question that several share; further ones begin another."""

_CALLS = "calls"
_ANSWER_CHANNELS = 16
"""Answers are spread over a few channels, so that not every node hears all of them."""
_UNKEPT = Retention(0, 0)
_NAME_BYTES = 8

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Asked:
    """A question on its way: whose answers are missing, those that came, and the end."""

    missing: set[str]
    answers: list[Headcount]
    done: Future[None]


class _Shared(NamedTuple):
    """A question of several who ask: the channels, and the answer for all of them."""

    names: set[str]
    answer: Future[Population]


class Census:
    """
    Asks all nodes of a store, and answers for its own.

    Nodes say hello when they begin, and farewell when they end; a node that does not answer in
    time is taken for gone until it is heard of again. So nothing is sent while nobody asks, and a
    node alone asks nobody.

    Args:
        store: Carries what nodes tell one another; nothing of it is kept there.
        counter: Counts the subscribers of this node.
        clock: Loop time in seconds.
        wait_s: Seconds that other nodes get to answer.

    Attributes:
        name: Name of this node.
    """

    def __init__(
        self,
        store: Store,
        counter: Callable[[Question], Counted],
        clock: Callable[[], float],
        wait_s: float = WAIT_S,
    ) -> None:
        self.name = secrets.token_hex(_NAME_BYTES)
        self._store = store
        self._counter = counter
        self._clock = clock
        self._began = clock()
        self._wait_s = wait_s
        self._mailbox = f"answers.{secrets.randbelow(_ANSWER_CHANNELS)}"
        self._others: set[str] = set()
        self._asked: dict[int, _Asked] = {}
        self._waiting: dict[str, _Shared] = {}  # by tenant, not sent yet
        self._under_way: dict[str, Task[None]] = {}
        self._numbers = count(1)
        self._background = Background()

    @property
    def others(self) -> Collection[str]:
        """Names of the other nodes that are known."""
        return self._others

    async def open(self, listener: Listener) -> None:
        """
        Begin to listen, and tell the others that this node is there.

        Raises:
            StoreUnavailable: the store did not answer in time.
        """
        await listener.listen(NODES, [_CALLS, self._mailbox])
        await self._send(_CALLS, say="hello", to=self._mailbox)

    def greet(self) -> None:
        """Say hello again: what the others said meanwhile was not heard."""
        self._background.start(self._send(_CALLS, say="hello", to=self._mailbox))

    async def close(self) -> None:
        """Tell the others that this node goes; ask and answer nothing more."""
        await self._background.close()
        if self._others:
            try:
                await self._send(_CALLS, say="farewell")
            except StoreUnavailable as error:
                _log.info("the other nodes do not know that this one goes: %s", error)

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
        if alone or not self._others:
            return Population((self._count(question),))
        if len(self._asked) + len(self._waiting) >= MAX_ASKED:
            raise Unavailable("too many questions wait for the other nodes", limit=MAX_ASKED)
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
        number = next(self._numbers)
        own = self._count(question)
        if not self._others:  # they went while this waited
            return Population((own,))
        asked = _Asked(set(self._others), [own], get_running_loop().create_future())
        self._asked[number] = asked
        try:
            async with timeout(self._wait_s):
                told = question._asdict()
                await self._send(_CALLS, say="ask", number=number, to=self._mailbox, about=told)
                await asked.done
        except TimeoutError:
            self._others -= asked.missing
        except StoreUnavailable as error:
            _log.warning("the other nodes could not be asked: %s", error)
        finally:
            del self._asked[number]
        return Population(tuple(asked.answers), len(asked.missing))

    # --- what other nodes say ----------------------------------------------------------------

    def hear(self, messages: Iterable[Message]) -> None:
        """Take what nodes told one another."""
        for message in messages:
            try:
                said = orjson.loads(message.body)
                if said["node"] != self.name:
                    self._hear(said)
            except (KeyError, TypeError, ValueError):  # of another version
                _log.warning("another node says what cannot be understood")

    def _hear(self, said: Mapping[str, object]) -> None:
        node, say = str(said["node"]), said["say"]
        if say == "farewell":
            self._lose(node)
            return
        if len(self._others) < MAX_NODES:
            self._others.add(node)
        if say == "hello":
            self._background.start(self._send(str(said["to"]), say="here"))
        elif say == "ask":
            self._answer(said)
        elif say == "answer" and said["for"] == self.name:
            self._take(node, said)

    def _answer(self, said: Mapping[str, object]) -> None:
        about = said["about"]
        if not isinstance(about, dict):
            raise TypeError("a question is an object")
        headcount = self._count(decode_question(about))._asdict()
        answer = {"number": said["number"], "for": said["node"], "count": headcount}
        self._background.start(self._send(str(said["to"]), say="answer", **answer))

    def _take(self, node: str, said: Mapping[str, object]) -> None:
        number, members = said["number"], said["count"]
        asked = self._asked.get(number) if isinstance(number, int) else None
        if asked is None or not isinstance(members, dict) or node not in asked.missing:
            return
        asked.answers.append(decode_headcount(members))
        asked.missing.discard(node)
        self._settle(asked)

    def _lose(self, node: str) -> None:
        self._others.discard(node)
        for asked in self._asked.values():
            asked.missing.discard(node)
            self._settle(asked)

    def _settle(self, asked: _Asked) -> None:
        if not asked.missing and not asked.done.done():
            asked.done.set_result(None)

    def _count(self, question: Question) -> Headcount:
        uptime_s = int(self._clock() - self._began)
        return Headcount(self.name, os.getpid(), uptime_s, *self._counter(question))

    async def _send(self, channel: str, **said: object) -> None:
        body = orjson.dumps({"node": self.name, **said})
        publication = Publication([Draft(channel, body)], [_UNKEPT])
        await self._store.publish(NODES, [publication], START)
