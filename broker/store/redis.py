"""The shared store: Redis from 6.2 on, or Valkey."""

from __future__ import annotations

from asyncio import timeout
from collections.abc import Sequence
from heapq import nsmallest
from itertools import count
from secrets import token_hex
from time import monotonic
from typing import Final
import logging
import re

from broker.core.cursor import Cursor
from broker.core.errors import StoreUnavailable
from broker.core.revocations import Revocation
from broker.core.ring import History
from broker.store.base import (
    ChannelInfo,
    Listener,
    Lookup,
    Outcome,
    Publication,
    Sink,
    Store,
)
from broker.store.checks import too_many_revocations
from broker.store.codec import decode_cursor, decode_histories, decode_info
from broker.store.commands import Commands
from broker.store.keys import Keys, RevocationKeys
from broker.store.listener import RedisListener
from broker.store.options import StoreOptions
from broker.store.places import topology_of
from broker.store.plan import Plan
from broker.store.revoked import encode_revocation
from broker.store.scripts import DELETE, INFO, LIFE, PUBLISH, READ, REVOKE

_log = logging.getLogger(__name__)

_READ_BYTES: Final = 4 * 2**20
"""Bytes of messages in one answer, one message excepted: some ten milliseconds of the server."""
_SCAN_KEYS: Final = 1000
"""Keys that the server looks at in one step of a listing."""
_INFO_CHANNELS: Final = 500
"""Channels in one call for their state, so that none keeps the server busy for long."""
_GLOB: Final = re.compile(r"([\\*?\[\]])")


class RedisStore(Store):
    """
    A store that any number of nodes share: one server, a master with replicas, or a cluster.

    Args:
        url: See `topology_of`.
        options: Deadline, expiries and bounds.

    Raises:
        ValueError: `url` cannot be used.
    """

    def __init__(self, url: str, options: StoreOptions | None = None) -> None:
        self._options = options or StoreOptions()
        self._topology = topology_of(url, self._options.timeout_s)
        self._node = token_hex(8)
        self._calls = count(1)
        self._commands = Commands(self._topology, self._options)

    async def open(self) -> None:
        await self._topology.open()
        for name, facts in (await self._commands.greet()).items():
            if facts.evicts:
                _log.warning(
                    "The store at %s evicts keys when its memory is full (maxmemory-policy %s): "
                    "histories will be lost, each with a gap. Set noeviction.",
                    name,
                    facts.evicts,
                )
            if facts.replicas < self._options.replicas:
                _log.warning(
                    "The store at %s has %d replicas; nothing is accepted until %d take part.",
                    name,
                    facts.replicas,
                    self._options.replicas,
                )

    async def close(self) -> None:
        await self._commands.close()
        await self._topology.close()

    async def listener(self, sink: Sink) -> Listener:
        listener = RedisListener(self._topology, self._commands, sink, self._options)
        try:
            await listener.open()
        except BaseException:
            await listener.close()
            raise
        return listener

    async def publish(
        self, tenant: str, publications: Sequence[Publication], floor: Cursor
    ) -> list[Outcome]:
        plan = Plan(self._keys(tenant), publications, f"{self._node}:{next(self._calls)}")
        arguments = plan.arguments(floor, self._options)
        replicas = self._options.replicas
        return plan.outcomes(await self._commands.run(PUBLISH, plan.keys(), arguments, replicas))

    async def read(
        self, tenant: str, lookups: Sequence[Lookup], limit: int, floor: Cursor
    ) -> list[History]:
        keys = self._keys(tenant)
        answer = await self._commands.run(
            READ,
            keys.of_channels(lookup.channel for lookup in lookups),
            (
                *floor,
                self._options.channel_ttl_s,
                limit,
                _READ_BYTES,
                *(str(lookup.after) for lookup in lookups),
            ),
        )
        return decode_histories(lookups, limit, answer)

    async def channels(self, tenant: str, prefix: str, limit: int) -> list[ChannelInfo]:
        """
        Return the state of channels whose name starts with `prefix`, by name.

        Looks at every key of the tenant's server in small steps, so it is for consoles, not for
        traffic. A server with so many keys that this takes half the deadline is not listed whole:
        what was found by then is returned.
        """
        try:
            async with timeout(self._options.timeout_s):
                names = await self._find(tenant, prefix, limit)
                return await self._infos(tenant, names)
        except TimeoutError:
            raise StoreUnavailable(
                f"the store at {self._topology.name} did not list its channels in time"
            ) from None

    async def info(self, tenant: str, channel: str) -> ChannelInfo | None:
        infos = await self._infos(tenant, [channel])
        return infos[0] if infos else None

    async def delete(self, tenant: str, channel: str) -> Cursor | None:
        keys = self._keys(tenant)
        _, *own = keys.of_channels([channel])
        last = await self._commands.run(
            DELETE, own, (keys.announcements + channel,), self._options.replicas
        )
        return last and decode_cursor(last)

    async def revoke(self, revocation: Revocation) -> None:
        if not await self._keep(revocation.tenant, [revocation], only_missing=False):
            raise too_many_revocations(self._options.max_revocations)

    async def restore(self, revocations: Sequence[Revocation]) -> int:
        tenants: dict[str, list[Revocation]] = {}
        for each in revocations:
            tenants.setdefault(each.tenant, []).append(each)
        kept = 0
        for tenant, some in tenants.items():
            kept += await self._keep(tenant, some, only_missing=True)
        return kept

    async def life(self) -> str:
        key = RevocationKeys(self._topology.database).life
        life: bytes = await self._commands.run(LIFE, (key,), ())
        return life.decode()

    async def _keep(
        self, tenant: str, revocations: Sequence[Revocation], *, only_missing: bool
    ) -> int:
        """Keep revocations of one tenant; return how many."""
        keys = RevocationKeys(self._topology.database)
        pairs = ((encode_revocation(each), each.until) for each in revocations)
        kept: int = await self._commands.run(
            REVOKE,
            (keys.tenants, keys.of(tenant)),
            (
                *(tenant, self._options.max_revocations, keys.announcements, int(only_missing)),
                *(word for pair in pairs for word in pair),
            ),
            self._options.replicas,
        )
        return kept

    async def _find(self, tenant: str, prefix: str, limit: int) -> list[str]:
        """Return the first names of channels that start with `prefix`."""
        records = self._keys(tenant).records
        pattern = _GLOB.sub(r"\\\1", records + prefix) + "*"
        names: set[str] = set()
        place: bytes | None = None
        until = monotonic() + self._options.timeout_s / 2
        while place != b"0":
            words = ("SCAN", place or b"0", "MATCH", pattern, "COUNT", _SCAN_KEYS)
            place, found = await self._commands.send(*words, key=records)
            names.update(key.decode()[len(records) :] for key in found)
            if len(names) > 2 * limit:
                names = set(nsmallest(limit, names))
            if monotonic() > until:
                _log.warning("Listing the channels of tenant %s was cut short.", tenant)
                break
        return nsmallest(limit, names)

    async def _infos(self, tenant: str, names: Sequence[str]) -> list[ChannelInfo]:
        infos: list[ChannelInfo | None] = []
        for start in range(0, len(names), _INFO_CHANNELS):
            some = names[start : start + _INFO_CHANNELS]
            answers = await self._commands.run(INFO, self._keys(tenant).of_channels(some), ())
            infos += map(decode_info, some, answers)
        return [info for info in infos if info is not None]

    def _keys(self, tenant: str) -> Keys:
        return Keys(tenant, self._topology.database)
