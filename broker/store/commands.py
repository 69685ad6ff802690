"""Commands to a server of the store, each within one deadline."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import uniform
from typing import Final
import asyncio

from redis.exceptions import AuthenticationError, NoScriptError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError

from broker.core.errors import StoreUnavailable
from broker.store.address import Address, RedisConnection
from broker.store.scripts import Script
from broker.store.wire import Reply, Word, pack

_RETRY_S: Final = (0.02, 0.1)
"""Bounds of the pause before a server that cannot be reached is tried again."""
_REASON_CHARS: Final = 200


class Commands:
    """
    A small pool of connections to one server.

    A server that cannot be reached, that is still loading, or that cuts the connection before it
    answers is asked again until the deadline: a restart in between only delays a call. So every
    command must be one that does no harm when it is sent twice.

    Args:
        address: The server.
        timeout_s: Seconds in which every call ends.
        max_connections: Connections at most; further calls wait, within their deadline.
    """

    def __init__(self, address: Address, timeout_s: float, max_connections: int) -> None:
        self._address = address
        self._timeout_s = timeout_s
        self._slots = asyncio.Semaphore(max_connections)
        self._idle: list[RedisConnection] = []
        self._closed = False

    async def run(self, script: Script, keys: Sequence[str], arguments: Sequence[Word]) -> Reply:
        """
        Run a script.

        Args:
            script: Which.
            keys: Every key that it touches.
            arguments: Its arguments.

        Raises:
            StoreUnavailable: no answer came in time, or an error.
        """
        tail = (len(keys), *keys, *arguments)
        return await self._call(
            ("EVALSHA", script.digest, *tail), in_full=("EVAL", script.text, *tail)
        )

    async def send(self, *words: Word) -> Reply:
        """
        Send any command; like `run`.

        Raises:
            StoreUnavailable: no answer came in time, or an error.
        """
        return await self._call(words, in_full=words)

    async def close(self) -> None:
        """Close every connection that is not in use, and each other one after its call."""
        self._closed = True
        while self._idle:
            await self._idle.pop().disconnect(nowait=True)

    async def _call(self, words: tuple[Word, ...], in_full: tuple[Word, ...]) -> Reply:
        command = pack(words)
        reason: Exception | None = None
        try:
            async with asyncio.timeout(self._timeout_s):
                while not self._closed:
                    try:
                        return await self._attempt(command)
                    except NoScriptError:
                        command = pack(in_full)
                        continue
                    except AuthenticationError:
                        raise
                    except (RedisConnectionError, OSError) as error:
                        reason = error
                    await asyncio.sleep(uniform(*_RETRY_S))  # noqa: S311 - only spreads load
        except TimeoutError:
            raise self._unavailable(f"no answer within {self._timeout_s:g} s", reason) from None
        except (RedisError, OSError) as error:
            raise self._unavailable("the call failed", error) from None
        raise self._unavailable("it is closed", None)

    async def _attempt(self, command: bytes) -> Reply:
        async with self._connection() as connection:
            if connection.is_connected and await connection.can_read():
                await connection.disconnect(nowait=True)
            await connection.connect()  # type: ignore[no-untyped-call]
            await connection.send_packed_command(command, check_health=False)
            return await connection.read_response()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[RedisConnection]:
        async with self._slots:
            connection = self._idle.pop() if self._idle else self._address.connection()
            try:
                yield connection
            finally:
                if self._closed:
                    await connection.disconnect(nowait=True)
                else:
                    self._idle.append(connection)

    def _unavailable(self, what: str, error: BaseException | None) -> StoreUnavailable:
        reason = f" ({type(error).__name__}: {error})"[:_REASON_CHARS] if error else ""
        return StoreUnavailable(f"the store at {self._address.name}: {what}{reason}")
