"""One connection for commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple
import asyncio

from hiredis import ReplyError

from broker.store.address import Address
from broker.store.dialogue import DialogueProtocol, is_read_only, raise_for, read_error
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
        self._address = address
        self._check = check
        self._dialogue: DialogueProtocol | None = None
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
        dialogue = self._dialogue
        if dialogue is None or not dialogue.is_open:
            dialogue = self._dialogue = await self._connect()
        head, is_signed, answers, then = request
        replies = await dialogue.ask(head + self._life if is_signed else head, answers)
        self._check_all(replies)
        if then:
            more = await dialogue.ask(then, 1)
            self._check_all(more)
            replies += more
        return replies

    async def close(self) -> None:
        """Close the connection."""
        if self._dialogue is not None:
            self._dialogue.abort()

    async def _connect(self) -> DialogueProtocol:
        address = self._address
        dialogue = await address.connect(asyncio.get_running_loop(), DialogueProtocol())
        try:
            for words in _greeting(address):
                raise_for((await dialogue.ask(pack(words), 1))[0])
            if self._check is not None:
                (answer,) = await dialogue.ask(_INFO, 1)
                raise_for(answer)
                facts = Facts.read(answer)
                self._check(facts)
                self._life = b"$%d\r\n%b\r\n" % (len(facts.life), facts.life)
        except BaseException:
            dialogue.abort()
            raise
        return dialogue

    def _check_all(self, replies: list[Reply]) -> None:
        """Raise the first error among the answers."""
        for reply in replies:
            if isinstance(reply, ReplyError):
                error = read_error(str(reply))
                if self._dialogue is not None and is_read_only(error):
                    # Behind this address another server may be the master now.
                    self._dialogue.abort()
                raise error


def _greeting(address: Address) -> Iterator[tuple[Word, ...]]:
    """Return the commands that come first on a connection."""
    if address.credentials:
        yield ("AUTH", *address.credentials)
    if address.database:
        yield ("SELECT", address.database)
