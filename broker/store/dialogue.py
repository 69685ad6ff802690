"""The wire of a connection for commands: our own protocol, since every publish passes here."""

from __future__ import annotations

from typing import Final, cast
import asyncio

from hiredis import ProtocolError, Reader, ReplyError
from redis.exceptions import (
    AskError,
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    InvalidResponse,
    MasterDownError,
    MovedError,
    NoPermissionError,
    NoScriptError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError

from broker.store.wire import Reply

_ERRORS: Final[dict[str, type[RedisError]]] = {
    "ASK": AskError,
    "CLUSTERDOWN": ClusterDownError,
    "LOADING": BusyLoadingError,
    "MASTERDOWN": MasterDownError,
    "MOVED": MovedError,
    "NOAUTH": AuthenticationError,
    "NOPERM": NoPermissionError,
    "NOSCRIPT": NoScriptError,
    "READONLY": ReadOnlyError,
    "TRYAGAIN": TryAgainError,
    "WRONGPASS": AuthenticationError,
}
"""Errors that somebody tells apart, by the word that the server's answer begins with."""
_READ_ONLY: Final = "-READONLY"
_FULL: Final = "max number of clients reached"
_BARE: Final = (AskError, MovedError)
"""Errors that are read from what follows that word."""


class DialogueProtocol(asyncio.Protocol):
    """One connection on which requests are answered one after the other."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._reader = Reader()
        self._transport: asyncio.WriteTransport | None = None
        self._replies: list[Reply] = []
        self._wanted = 0
        self._answered: asyncio.Future[list[Reply]] | None = None

    @property
    def is_open(self) -> bool:
        """Whether requests can be sent."""
        return self._transport is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._fail(RedisConnectionError("the connection was lost"), exc)

    def data_received(self, data: bytes) -> None:
        reader = self._reader
        reader.feed(data)
        answered = self._answered
        try:
            while (reply := reader.gets()) is not False:
                if answered is None:  # an answer to nothing: what follows would be misread
                    self.abort()
                    return
                self._replies.append(reply)
        except ProtocolError as error:
            self._fail(InvalidResponse("what the server sent is not the Redis protocol"), error)
            self.abort()
            return
        if answered is not None and len(self._replies) >= self._wanted:
            self._answered = None
            if not answered.done():
                answered.set_result(self._replies)

    async def ask(self, data: bytes, answers: int) -> list[Reply]:
        """
        Send commands and return their answers; an error is one of them, see `raise_for`.

        Whoever stops waiting loses the connection: its answers would be taken for others'.

        Args:
            data: The commands.
            answers: How many they are.

        Raises:
            RedisError: the connection broke.
        """
        if self._transport is None:
            raise RedisConnectionError("the connection was lost")
        self._replies, self._wanted = [], answers
        answered: asyncio.Future[list[Reply]] = self._loop.create_future()
        self._answered = answered
        self._transport.write(data)
        try:
            return await answered
        except BaseException:
            self.abort()
            raise

    def abort(self) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def _fail(self, error: RedisError, cause: BaseException | None) -> None:
        answered, self._answered = self._answered, None
        if answered is not None and not answered.done():
            error.__cause__ = cause
            answered.set_exception(error)


def raise_for(reply: Reply) -> None:
    """
    Raise what an answer says, if it is an error.

    Raises:
        RedisError: the one that its first word stands for; `ResponseError` for any other.
    """
    if isinstance(reply, ReplyError):
        raise read_error(str(reply))


def is_read_only(error: BaseException) -> bool:
    """Tell whether a server is a replica; of scripts, Redis 6.2 says so in the text."""
    return isinstance(error, ReadOnlyError) or _READ_ONLY in str(error)


def read_error(text: str) -> RedisError:
    """Return the error that an answer stands for."""
    word, _, rest = text.partition(" ")
    if rest == _FULL:
        return RedisConnectionError(rest)
    kind = _ERRORS.get(word, ResponseError)
    return kind(rest if kind in _BARE else text)
