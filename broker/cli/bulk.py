"""Publishing a file of messages: in parts, each stored as a whole and under a key of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPConnection
from typing import BinaryIO, NamedTuple
import re
import time

from broker.cli.internal import Internal, Reply, Unreachable
from broker.cli.verbs import Refused

CHUNK_LINES = 200
"""Lines of a file in one request: each may name 50 channels, and a request take 10,000 messages."""

CHUNK_BYTES = 2**20
"""Bytes of a file in one request, one line excepted."""

MAX_LINE_BYTES = 64 * 2**20
"""Bytes of one line, or of one message, that are read at most."""

TRIES = 5
"""How often a part is sent before giving up."""

PAUSE_S = 1.0
"""Seconds between two tries."""

_LINE = re.compile(r"line (\d+): ")


class Chunk(NamedTuple):
    """
    Part of a file.

    Attributes:
        number: Place among the parts, from 0.
        first: Number of its first line, from 1.
        lines: Its lines.
    """

    number: int
    first: int
    lines: list[bytes]


class Bulk:
    """
    Sends files.

    The same key cuts the same file in the same places, so sending it again stores nothing twice.

    Args:
        internal: Where to.
        key: What the idempotency keys of the parts begin with.
        headers: Further headers of each request.
        progress: Called with the number of messages stored so far.

    Attributes:
        stored: Messages that are stored.
        repeated: How many of them were stored by an earlier run.
    """

    def __init__(
        self,
        internal: Internal,
        key: str,
        headers: dict[str, str],
        progress: Callable[[int], None],
    ) -> None:
        self._internal = internal
        self._key = key
        self._headers = {"Content-Type": "application/x-ndjson", **headers}
        self._progress = progress
        self.stored = 0
        self.repeated = 0

    def send(self, source: BinaryIO) -> Reply | None:
        """
        Send every line.

        Returns:
            The refusal that ended it, with the line of the file at fault; None when all is stored.

        Raises:
            Unreachable: The broker did not answer, several times.
            Refused: A line is too long to be read.
        """
        with closing(self._internal.connect()) as connection:
            for chunk in _chunks(source):
                reply = self._send(connection, chunk)
                if reply.refusal:
                    return reply._replace(refusal=_in_file(reply.refusal, chunk.first))
                self._count(reply)
        return None

    def _send(self, connection: HTTPConnection, chunk: Chunk) -> Reply:
        headers = {**self._headers, "Idempotency-Key": f"{self._key}-{chunk.number}"}
        body = b"".join(chunk.lines)
        for _ in range(TRIES - 1):
            try:
                return self._internal.post(connection, "/publish", body, headers)
            except Unreachable:
                time.sleep(PAUSE_S)
        return self._internal.post(connection, "/publish", body, headers)

    def _count(self, reply: Reply) -> None:
        count = len(reply.messages)
        self.stored += count
        self.repeated += count if reply.repeated else 0
        self._progress(self.stored)


def _chunks(source: BinaryIO) -> Iterator[Chunk]:
    """Cut a file into parts, always in the same places; parts without a message are left out."""
    lines: list[bytes] = []
    number = size = 0
    first = 1
    for line in _lines(source):
        if lines and (len(lines) >= CHUNK_LINES or size + len(line) > CHUNK_BYTES):
            yield from _filled(Chunk(number, first, lines))
            number, first, size, lines = number + 1, first + len(lines), 0, []
        lines.append(line)
        size += len(line)
    yield from _filled(Chunk(number, first, lines))


def _filled(chunk: Chunk) -> Iterator[Chunk]:
    if any(line.strip() for line in chunk.lines):
        yield chunk


def _lines(source: BinaryIO) -> Iterator[bytes]:
    while line := source.readline(MAX_LINE_BYTES):
        if len(line) == MAX_LINE_BYTES:
            raise Refused(f"a line is longer than {MAX_LINE_BYTES} bytes")
        yield line


def _in_file(refusal: str, first: int) -> str:
    """Return a refusal with the number of the line in the file instead of that in its part."""
    return _LINE.sub(lambda found: f"line {int(found[1]) + first - 1}: ", refusal, count=1)
