"""One connection for commands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from redis.exceptions import ReadOnlyError, ResponseError

from broker.store.address import Address
from broker.store.facts import Facts
from broker.store.wire import Reply, Word, pack

_INFO: Final = pack(("INFO",))
_ASKING: Final = pack(("ASKING",))
_EMPTY: Final = b"$0\r\n\r\n"

Check = Callable[[Facts], None]
"""Makes sure that a server can be used; raises `StoreUnavailable` or `ServerAway`."""


class Request(NamedTuple):
    """
    Commands as they are sent.

    Attributes:
        head: The bytes.
        is_signed: Whether the server's life follows, as the last word of the last command.
        answers: How many commands they are.
        then: A command that is sent once all of these were answered without an error.
    """

    head: bytes
    is_signed: bool = False
    answers: int = 1
    then: bytes = b""

    @classmethod
    def signed(cls, words: tuple[Word, ...], then: bytes = b"") -> Request:
        """Return a command to which the server's life is to be added, and what is sent after it."""
        return cls(pack((*words, ""))[: -len(_EMPTY)], True, then=then)

    def asking(self) -> Request:
        """Return the same for a server that the keys are moving to; one more answer comes first."""
        return self._replace(head=_ASKING + self.head, answers=self.answers + 1)


class Link:
    """
    A connection for commands, made when it is first needed and again whenever it was lost.

    Args:
        address: The server.
        check: Makes sure that the server can be used, whenever a connection was made; None to ask
            it without.
    """

    def __init__(self, address: Address, check: Check | None) -> None:
        self._connection = address.connection()
        self._check = check
        self._life = b""

    async def ask(self, request: Request) -> list[Reply]:
        """
        Send a request and return the answers.

        Raises:
            RedisError: the connection broke, or one of the answers is an error.
            OSError: the connection broke.
            ServerAway: the server is a replica.
            StoreUnavailable: the server cannot be used.
        """
        connection = self._connection
        if connection.is_connected and await connection.can_read():
            await self.close()
        if not connection.is_connected:
            await self._connect()
        head, is_signed, answers, then = request
        words = (head, self._life) if is_signed else (head,)
        await connection.send_packed_command(words, check_health=False)
        replies = [await self._read()] if answers == 1 else await self._read_all(answers)
        if then:
            await connection.send_packed_command(then, check_health=False)
            replies.append(await self._read())
        return replies

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.disconnect(nowait=True)

    async def _connect(self) -> None:
        await self._connection.connect()  # type: ignore[no-untyped-call]
        if self._check is None:
            return
        try:
            await self._connection.send_packed_command(_INFO, check_health=False)
            facts = Facts.read(await self._connection.read_response())
            self._check(facts)
        except BaseException:
            await self.close()
            raise
        self._life = b"$%d\r\n%b\r\n" % (len(facts.life), facts.life)

    async def _read_all(self, answers: int) -> list[Reply]:
        """Read every answer, errors too, so that none is left for the next request."""
        replies: list[Reply] = []
        errors: list[ResponseError] = []
        for _ in range(answers):
            try:
                replies.append(await self._read())
            except ResponseError as error:
                errors.append(error)
        if errors:
            raise errors[0]
        return replies

    async def _read(self) -> Reply:
        try:
            return await self._connection.read_response()
        except ReadOnlyError:
            # Behind this address another server may be the master now.
            await self.close()
            raise
