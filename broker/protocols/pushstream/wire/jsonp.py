"""Answers as scripts (JSONP): what all clients share, and the name that each one gave."""

from __future__ import annotations

from asyncio import BaseProtocol, BaseTransport
from collections.abc import Callable

from broker.protocols.pushstream.wire.poll_answers import CALLBACK, PollAnswers
from broker.transports.connection import NO_FD
from broker.transports.front import Desk
from broker.transports.poll import Answers, PollConnection, PollLimits
from broker.transports.stream import chunk
from broker.transports.traffic import Traffic
from broker.wheel import Wheel


class ScriptConnection(PollConnection):
    """
    A poll's connection that puts the name of the client's function into its answer.

    Clients make names of the time, so no two ask for the same bytes; everything but the name is
    made once all the same.

    Args:
        callback: The name; see `is_callback`.
        wheel: Ends holds and idle connections.
        limits: Bounds.
        answers: Answers of the dialect.
        desk: Knows requests.
        aiohttp: Makes a protocol of aiohttp, for requests that the desk does not know.
        traffic: Counts polls' connections.
    """

    __slots__ = ("_callback", "_names_are_chunks")

    def __init__(
        self,
        callback: str,
        wheel: Wheel,
        limits: PollLimits,
        answers: PollAnswers,
        desk: Desk,
        aiohttp: Callable[[], BaseProtocol],
        traffic: Traffic | None = None,
    ) -> None:
        super().__init__(wheel, limits, answers, desk, aiohttp, traffic)
        self._callback = callback
        self._names_are_chunks = answers.is_chunked

    def serve_next(self, answers: Answers) -> None:
        """Stay, for a request that asks for no script."""
        super().serve_next(answers)
        self._callback = ""

    def connection_made(self, transport: BaseTransport) -> None:
        """Take a transport on; what is written goes through `write`, never past it."""
        super().connection_made(transport)
        self.fd = NO_FD

    def write(self, data: bytes) -> bool:
        """Send an answer, with the name in it."""
        if self._callback:
            data = put_callback(data, self._callback, chunked=self._names_are_chunks)
        return super().write(data)


def put_callback(answer: bytes, name: str, *, chunked: bool) -> bytes:
    """
    Put the name of the function into an answer; one that calls nothing stays as it is.

    Args:
        answer: What `PollAnswers` made.
        name: A name that `is_callback`.
        chunked: Whether the name is a chunk of the body.
    """
    raw = name.encode("ascii")
    return answer.replace(CALLBACK, chunk(raw) if chunked else raw, 1)
