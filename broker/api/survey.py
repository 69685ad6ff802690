"""The survey: what there is of channels, in the store and on all nodes together."""

from __future__ import annotations

from asyncio import gather
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from broker.census import Census
from broker.core.cursor import START, Cursor
from broker.core.headcount import Headcount, Population, Question
from broker.store.base import ChannelInfo, Store

MAX_LISTED = 10_000
"""Channels of one answer, and of one summary: their names and numbers are about a megabyte."""


class ChannelFacts(NamedTuple):
    """
    What is known of one channel.

    Attributes:
        channel: Its name.
        published: Messages that it ever had.
        stored: Messages that it holds.
        subscribers: Those who listen to it.
        head: Cursor of its last message; the beginning where it had none.
    """

    channel: str
    published: int
    stored: int
    subscribers: int
    head: Cursor

    @property
    def exists(self) -> bool:
        """Whether it holds anything, or anybody listens to it."""
        return bool(self.stored or self.subscribers)


class Survey(NamedTuple):
    """
    What was found.

    Attributes:
        channels: What is known of each channel.
        population: What the nodes counted.
        complete: Whether nothing is missing: every node answered, every channel is there.
    """

    channels: Sequence[ChannelFacts]
    population: Population
    complete: bool


class Summary(NamedTuple):
    """
    How much there is altogether.

    Attributes:
        channels: Channels that exist.
        published: Messages that all known channels ever had.
        stored: Messages that they hold.
        nodes: What each node counted, the asked one first.
        complete: Whether nothing is missing.
    """

    channels: int
    published: int
    stored: int
    nodes: Sequence[Headcount]
    complete: bool

    @property
    def subscribers(self) -> int:
        """Subscribers of all nodes."""
        return sum(node.subscribers for node in self.nodes)


class Surveyor:
    """
    Puts together what the store and the nodes know.

    Args:
        store: Knows messages.
        census: Knows subscribers.
    """

    def __init__(self, store: Store, census: Census) -> None:
        self._store = store
        self._census = census

    async def named(self, tenant: str, names: Sequence[str], *, alone: bool = False) -> Survey:
        """
        Return what is known of some channels, in their order, whether they exist or not.

        Args:
            tenant: Whose channels.
            names: Their names.
            alone: Whether only this node's subscribers count.
        """
        infos = await gather(*(self._store.info(tenant, name) for name in names))
        question = Question(tenant, tuple(names))
        population = await self._census.take(question, alone=alone)
        facts = _facts(names, _by_name(infos), population.channels())
        return Survey(list(facts), population, population.complete)

    async def below(self, tenant: str, prefix: str, *, alone: bool = False) -> Survey:
        """Return what is known of the channels that begin with a prefix and exist, by name."""
        facts, population, complete = await self._all(tenant, prefix, alone=alone)
        found = [each for each in facts if each.exists]
        return Survey(found[:MAX_LISTED], population, complete and len(found) <= MAX_LISTED)

    async def summary(self, tenant: str, *, alone: bool = False) -> Summary:
        """Return how much there is of a tenant; see `named`."""
        facts, population, complete = await self._all(tenant, "", alone=alone)
        return Summary(
            channels=sum(each.exists for each in facts),
            published=sum(each.published for each in facts),
            stored=sum(each.stored for each in facts),
            nodes=population.counts,
            complete=complete,
        )

    async def _all(
        self, tenant: str, prefix: str, *, alone: bool
    ) -> tuple[list[ChannelFacts], Population, bool]:
        infos = await self._store.channels(tenant, prefix, MAX_LISTED + 1)
        population = await self._census.take(Question(tenant, prefix=prefix), alone=alone)
        known, subscribers = _by_name(infos[:MAX_LISTED]), population.channels()
        facts = _facts(sorted(known.keys() | subscribers.keys()), known, subscribers)
        return list(facts), population, population.complete and len(infos) <= MAX_LISTED


def _by_name(infos: Iterable[ChannelInfo | None]) -> Mapping[str, ChannelInfo]:
    return {info.channel: info for info in infos if info is not None}


def _facts(
    names: Iterable[str], known: Mapping[str, ChannelInfo], subscribers: Mapping[str, int]
) -> Iterable[ChannelFacts]:
    for name in names:
        info = known.get(name) or ChannelInfo(name, 0, START, 0, None)
        yield ChannelFacts(name, info.last_id, info.stored, subscribers.get(name, 0), info.head)
