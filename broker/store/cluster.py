"""The servers of a Redis Cluster, each with some of the slots."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from random import shuffle
from typing import Final, NamedTuple

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from broker.store.address import Address
from broker.store.link import Request
from broker.store.moving import Informant, Moving
from broker.store.seeds import ClusterSeeds
from broker.store.topology import ServerAway
from broker.store.wire import Reply, pack

_SLOTS: Final = Request(pack(("CLUSTER", "SLOTS")))


class _Range(NamedTuple):
    """Slots of one master."""

    first: int
    last: int
    master: Address


class Cluster(Moving):
    """
    Follows which master has which slots.

    One server is asked as long as it answers and callers find what they need where it says; else
    another one, taken at random: one that is behind the others sends nobody astray for long.

    Args:
        seeds: What the URL says.
        timeout_s: Deadline of calls to the store.

    Source: Redis, "Redis cluster specification".
    """

    is_sharded = True

    def __init__(self, seeds: ClusterSeeds, timeout_s: float) -> None:
        super().__init__(seeds.name, seeds.servers[0], timeout_s)
        self._seeds = seeds.servers
        self._ranges: list[_Range] = []
        self._masters: list[Address | None] = []
        self._informant: Informant | None = None
        self._has_trouble = False

    def find(self, key: str) -> Address:
        slot = key_slot(key.encode())
        master = self._masters[slot] if self._masters else None
        if master is None:
            raise ServerAway(f"no server has slot {slot}")
        return master

    @property
    def addresses(self) -> Collection[Address]:
        return {each.master for each in self._ranges}

    async def look(self) -> None:
        self._has_trouble = True
        await super().look()

    async def ask(self) -> bool:
        if self._has_trouble:
            self._has_trouble = False
            await self._dismiss()
        before, self._ranges = self._ranges, await self._first_answer()
        if before == self._ranges:
            return False
        masters: list[Address | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        for first, last, master in self._ranges:
            masters[first : last + 1] = [master] * (last + 1 - first)
        self._masters = masters
        self.keep(self.addresses)
        return True

    async def close(self) -> None:
        await super().close()
        await self._dismiss()

    async def _first_answer(self) -> list[_Range]:
        failure = ServerAway("it has no server")
        for address in self._candidates():
            try:
                return await self._ask(address)
            except ServerAway as error:
                failure = error
                await self._dismiss()
        raise failure

    async def _ask(self, address: Address) -> list[_Range]:
        if self._informant is None:
            self._informant = Informant(address, self.answer_s)
        (answer,) = await self._informant.ask(_SLOTS)
        if not answer:
            raise ServerAway(f"{address.name} knows of no slots")
        return sorted(
            _Range(first, last, self.at(_host(master) or address.host, master[1]))
            for first, last, master, *_ in answer
        )

    def _candidates(self) -> Sequence[Address]:
        others = [*self.addresses, *self._seeds]
        shuffle(others)
        return others if self._informant is None else [self._informant.address, *others]

    async def _dismiss(self) -> None:
        if self._informant is not None:
            informant, self._informant = self._informant, None
            await informant.close()


def _host(server: Sequence[Reply]) -> str:
    """Return where a server is; empty where that is not known."""
    host = (server[0] or b"").decode()
    return "" if host == "?" else host
