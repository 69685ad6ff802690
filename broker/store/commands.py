"""Commands to the servers of the store, each within one deadline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from random import uniform
from typing import Final
import asyncio
import logging

from redis.exceptions import (
    AskError,
    AuthenticationError,
    ClusterDownError,
    MasterDownError,
    MovedError,
    NoScriptError,
    ReadOnlyError,
    RedisError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from broker.core.errors import StoreUnavailable
from broker.store.address import Address
from broker.store.dialogue import is_read_only
from broker.store.facts import Facts
from broker.store.link import Request
from broker.store.options import StoreOptions
from broker.store.pool import Pool
from broker.store.scripts import Script
from broker.store.topology import ServerAway, Topology
from broker.store.wire import Reply, Word, pack

_log = logging.getLogger(__name__)

_RETRY_S: Final = (0.02, 0.1)
"""Bounds of the pause before a call is tried again."""
_REASON_CHARS: Final = 200
_AWAY: Final = (
    OSError,
    RedisConnectionError,
    RedisTimeoutError,
    ReadOnlyError,
    MovedError,
    ClusterDownError,
    TryAgainError,
    MasterDownError,
)
"""What passes by itself: a restart, a failover, keys on their way to another server."""
_PASSING: Final = ("-READONLY", "NOREPLICAS", "BUSY ")
"""The same where a script runs into it (Redis 6.2 gives it no code of its own), or where another
user's script keeps the server busy."""
_REPLICAS_SHARE: Final = 0.8
"""Part of the deadline that replicas have to take a write."""


class Commands:
    """
    Calls of the store, each to the server that has its key.

    A server that cannot be reached, that is still loading, that is no master any more or that cuts
    the connection before it answers is looked for and asked again until the deadline: a restart or
    failover in between only delays a call. So every command must be one that does no harm when it
    is sent twice.

    Args:
        topology: Knows the servers.
        options: The deadline, and how many connections each server gets.
    """

    def __init__(self, topology: Topology, options: StoreOptions) -> None:
        self._topology = topology
        self._timeout_s = options.timeout_s
        self._max_connections = options.max_connections
        self._pools: dict[Address, Pool] = {}
        self._cutting: set[asyncio.Task[None]] = set()
        self._closed = False
        topology.follow(self._changed)

    async def run(
        self, script: Script, keys: Sequence[str], arguments: Sequence[Word], replicas: int = 0
    ) -> Reply:
        """
        Run a script.

        Args:
            script: Which.
            keys: Every key that it touches, all on one server.
            arguments: Its arguments.
            replicas: Replicas that must have what it wrote before this returns.

        Raises:
            StoreUnavailable: no answer came in time, or an error, or too few replicas confirmed.
        """
        source = script.sharded if self._topology.is_sharded else script.whole
        words = (len(keys), *keys, *arguments)
        wait_ms = int(self._timeout_s * _REPLICAS_SHARE * 1000)
        then = pack(("WAIT", replicas, wait_ms)) if replicas else b""
        request = Request.signed(("EVALSHA", source.digest, *words), then)
        in_full = partial(Request.signed, ("EVAL", source.text, *words), then)
        replies = await self._call(partial(self._topology.find, keys[0]), request, in_full)
        if replicas and replies[1] < replicas:
            raise self._unavailable(f"only {replies[1]} of {replicas} replicas took it in time")
        return replies[0]

    async def send(self, *words: Word, key: str) -> Reply:
        """
        Send any command to the server that has a key; like `run`.

        Raises:
            StoreUnavailable: no answer came in time, or an error.
        """
        request = Request(pack(words))
        return (await self._call(partial(self._topology.find, key), request))[0]

    async def greet(self) -> dict[str, Facts]:
        """
        Connect to every server, and return what each says of itself, by its name.

        Raises:
            StoreUnavailable: none can be used.
        """
        finds: list[Callable[[], Address]] = [partial(self._topology.find, "")]
        if self._topology.is_sharded:
            finds = [partial(_same, address) for address in self._topology.addresses]
        ends = await asyncio.gather(*map(self._greet, finds), return_exceptions=True)
        failures = [end for end in ends if isinstance(end, BaseException)]
        for failure in failures:
            if len(failures) == len(ends) or not isinstance(failure, StoreUnavailable):
                raise failure
            _log.warning("%s", failure)
        return dict(end for end in ends if not isinstance(end, BaseException))

    async def close(self) -> None:
        """Close every connection that is not in use, and each other one after its call."""
        self._closed = True
        self._topology.unfollow(self._changed)
        for pool in self._pools.values():
            await pool.close()
        await asyncio.gather(*self._cutting, return_exceptions=True)

    async def _greet(self, find: Callable[[], Address]) -> tuple[str, Facts]:
        (answer,) = await self._call(find, Request(pack(("INFO",))))
        return find().name, Facts.read(answer)

    async def _call(
        self,
        find: Callable[[], Address],
        request: Request,
        in_full: Callable[[], Request] | None = None,
    ) -> list[Reply]:
        reason: Exception | None = None
        try:
            async with asyncio.timeout(self._timeout_s):
                while not self._closed:
                    try:
                        return await self._attempt(find, request)
                    except NoScriptError:
                        if in_full is None:
                            raise
                        request = in_full()
                        continue
                    except ServerAway as error:
                        reason = error
                    await self._topology.look()
                    await asyncio.sleep(uniform(*_RETRY_S))  # noqa: S311 - only spreads load
        except TimeoutError:
            raise self._unavailable(f"no answer within {self._timeout_s:g} s", reason) from None
        except (RedisError, OSError) as error:
            raise self._unavailable("the call failed", error) from None
        raise self._unavailable("it is closed")

    async def _attempt(self, find: Callable[[], Address], request: Request) -> list[Reply]:
        address = find()
        try:
            try:
                return await self._pool(address).ask(request)
            except AskError as other:
                if isinstance(other, MovedError):
                    raise
                there = self._topology.at(other.host or address.host, other.port)
                return (await self._pool(there).ask(request.asking()))[1:]
        except (RedisError, OSError) as error:
            if is_read_only(error):
                self._topology.demoted(address)
            if _is_passing(error):
                raise ServerAway(_named(error)) from error
            raise

    def _pool(self, address: Address) -> Pool:
        pool = self._pools.get(address)
        if pool is None:
            check = partial(self._check, address)
            pool = self._pools[address] = Pool(address, check, self._max_connections)
        return pool

    def _check(self, address: Address, facts: Facts) -> None:
        """Make sure that a server can be used; see `Facts.check`."""
        if not facts.is_master:
            self._topology.demoted(address)
        facts.check(address.name, self._topology.is_sharded)

    def _changed(self) -> None:
        for address in self._pools.keys() - set(self._topology.addresses):
            task = asyncio.get_running_loop().create_task(self._pools.pop(address).cut())
            self._cutting.add(task)
            task.add_done_callback(self._cutting.discard)

    def _unavailable(self, what: str, error: BaseException | None = None) -> StoreUnavailable:
        reason = f" ({_named(error)})"[:_REASON_CHARS] if error else ""
        return StoreUnavailable(f"the store at {self._topology.name}: {what}{reason}")


def _same(address: Address) -> Address:
    return address


def _is_passing(error: RedisError | OSError) -> bool:
    if isinstance(error, AuthenticationError):  # a connection error to redis-py
        return False
    return isinstance(error, _AWAY) or any(word in str(error) for word in _PASSING)


def _named(error: BaseException) -> str:
    return str(error) if isinstance(error, ServerAway) else f"{type(error).__name__}: {error}"
