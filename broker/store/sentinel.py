"""A master that sentinels watch, and replace when it fails."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, NamedTuple
import asyncio

from broker.store.address import Address
from broker.store.link import Request
from broker.store.moving import Informant, Moving
from broker.store.seeds import SentinelSeeds
from broker.store.topology import ServerAway
from broker.store.wire import Reply, pack

_EPOCH: Final = b"config-epoch"


class _Answer(NamedTuple):
    """What a sentinel says of the master; the greater the epoch, the newer."""

    epoch: int
    host: str
    port: int


class Sentinels(Moving):
    """
    Follows the master that the sentinels of a service agree on.

    All of them are asked at the same time. More than half agree on a failover, so of what more than
    half say the newest counts: a sentinel that is cut off with an old master misleads nobody.
    Where fewer answer, they are believed unless something newer is known.

    Args:
        seeds: What the URL says.
        timeout_s: Deadline of calls to the store.

    Source: Redis, "Guidelines for Redis clients with support for Redis Sentinel".
    """

    def __init__(self, seeds: SentinelSeeds, timeout_s: float) -> None:
        super().__init__(seeds.name, seeds.server, timeout_s)
        self._sentinels = [Informant(each, self.answer_s) for each in seeds.sentinels]
        self._service = seeds.service
        self._master: Address | None = None
        self._epoch = 0
        service = seeds.service
        self._request = Request(
            pack(("SENTINEL", "MASTER", service))
            + pack(("SENTINEL", "GET-MASTER-ADDR-BY-NAME", service)),
            answers=2,
        )

    def find(self, key: str) -> Address:
        del key  # the master has all of them
        if self._master is None:
            raise ServerAway(f"no sentinel says who the master of {self._service} is")
        return self._master

    @property
    def addresses(self) -> Collection[Address]:
        return () if self._master is None else (self._master,)

    async def ask(self) -> bool:
        answers = await self._answers()
        epoch, host, port = max(answers)
        if epoch < self._epoch and not self._is_majority(answers):
            return False
        self._epoch = epoch
        before, self._master = self._master, self.at(host, port)
        self.keep(self.addresses)
        return self._master is not before

    async def close(self) -> None:
        await super().close()
        for sentinel in self._sentinels:
            await sentinel.close()

    async def _answers(self) -> list[_Answer]:
        """Ask all; return the answers of more than half of them, or what there is in time."""
        asking = [asyncio.create_task(each.ask(self._request)) for each in self._sentinels]
        answers: list[_Answer] = []
        failure = ServerAway("there is no sentinel")
        try:
            for answer in asyncio.as_completed(asking):
                try:
                    answers.append(_read(await answer))
                except ServerAway as error:
                    failure = error
                if self._is_majority(answers):
                    break
        finally:
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
        if not answers:
            raise failure
        return answers

    def _is_majority(self, answers: Collection[_Answer]) -> bool:
        return len(answers) > len(self._sentinels) // 2


def _read(answers: list[Reply]) -> _Answer:
    facts, place = answers
    if not place:
        raise ServerAway("a sentinel knows no master")
    epoch = dict(zip(facts[::2], facts[1::2], strict=True)).get(_EPOCH, b"0")
    return _Answer(int(epoch), place[0].decode(), int(place[1]))
