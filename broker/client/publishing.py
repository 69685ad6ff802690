"""Publishing: one message or many, tried again until stored once."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple
import asyncio
import uuid

from aiohttp import ClientTimeout
import aiohttp
import orjson

from broker.client.errors import Lost, Unreachable, Unreadable, describe
from broker.client.options import ClientOptions
from broker.client.site import Site, read_body, refusal
from broker.core.cursor import Cursor
from broker.core.errors import BadCursor
from broker.core.message import Stamp

JSON_TYPE = "application/json"
NDJSON_TYPE = "application/x-ndjson"
IDEMPOTENCY_KEY = "Idempotency-Key"

FIRST_WAIT_S = 0.1
"""Longest wait before the first retry; each further one may take twice as long."""

LONGEST_WAIT_S = 5.0
"""Longest wait before a retry, whatever the broker asks for."""


LEAST_TRY_S = 0.01
"""Shortest time for a try; none at all would mean no limit."""


class Item(NamedTuple):
    """
    A message of a batch.

    Attributes:
        channels: Channel, or several, which get it in one step.
        message: The payload, anything that JSON can hold.
        event_id: The publisher's own id of the event, or empty.
        event_type: The publisher's name for the kind of event, or empty.
    """

    channels: str | Sequence[str]
    message: Any
    event_id: str = ""
    event_type: str = ""

    def line(self) -> bytes:
        """Return the line of a batch, without a line feed."""
        key = "channel" if isinstance(self.channels, str) else "channels"
        members = {key: self.channels, "message": self.message}
        if self.event_id:
            members["event_id"] = self.event_id
        if self.event_type:
            members["event_type"] = self.event_type
        return orjson.dumps(members)

    @property
    def copies(self) -> int:
        """Messages that it makes: one for each channel."""
        return 1 if isinstance(self.channels, str) else len(self.channels)


Items = Iterable[Item | tuple[Any, ...]] | AsyncIterable[Item | tuple[Any, ...]]
"""What a batch takes: items, or tuples of their first members."""


class Publishing:
    """
    Publishes to one broker.

    Every request carries an idempotency key and is tried again where no answer came, or one that
    promises better; so it is stored once (P6).

    Args:
        site: The broker's internal listener.
        options: Limits and waits.
        headers: Key and tenant.
        uniform: Gives a random number between two.
    """

    def __init__(
        self,
        site: Site,
        options: ClientOptions,
        headers: Mapping[str, str],
        uniform: Callable[[float, float], float],
    ) -> None:
        self._site = site
        self._options = options
        self._headers = dict(headers)
        self._uniform = uniform

    async def one(
        self,
        channels: Sequence[str],
        message: object,
        *,
        event_id: str = "",
        event_type: str = "",
        idempotency_key: str = "",
    ) -> tuple[Stamp, ...]:
        """Store one message in some channels; see `Client.publish`."""
        events = {"Event-Id": event_id, "Event-Type": event_type}
        headers = {name: value for name, value in events.items() if value}
        headers["Content-Type"] = JSON_TYPE
        key = idempotency_key or uuid.uuid4().hex
        return await self._store(channels, orjson.dumps(message), headers, key)

    async def many(
        self, items: Items, stored: Callable[[Sequence[Stamp]], None], idempotency_key: str = ""
    ) -> int:
        """Store a batch in requests of bounded size; see `Client.publish_batch`."""
        prefix = idempotency_key or uuid.uuid4().hex
        headers = {"Content-Type": NDJSON_TYPE}
        count = number = 0
        async for body in chunks(items, self._options):
            try:
                stamps = await self._store((), body, headers, f"{prefix}-{number}")
            except Unreachable as error:
                error.stored = count
                raise
            number += 1
            count += len(stamps)
            stored(stamps)
        return count

    async def _store(
        self, channels: Sequence[str], body: bytes, headers: Mapping[str, str], key: str
    ) -> tuple[Stamp, ...]:
        """
        Publish until there is an answer.

        Raises:
            Refused: the broker says no.
            Unreachable: there was none in time.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._options.publish_deadline_s
        longest_s = FIRST_WAIT_S
        while True:
            left_s = max(LEAST_TRY_S, deadline - loop.time())
            timeout_s = min(self._options.publish_timeout_s, left_s)
            keyed = {**headers, IDEMPOTENCY_KEY: key}
            try:
                return await self._try(channels, body, keyed, timeout_s)
            except Lost as error:
                wait_s = self._uniform(0.0, longest_s)
                if error.retry_after_s is not None:
                    wait_s = max(wait_s, min(error.retry_after_s, LONGEST_WAIT_S))
                if loop.time() + wait_s > deadline:
                    raise Unreachable(str(error), key) from error
                await asyncio.sleep(wait_s)
                longest_s = min(2 * longest_s, LONGEST_WAIT_S)

    async def _try(
        self, channels: Sequence[str], body: bytes, headers: Mapping[str, str], timeout_s: float
    ) -> tuple[Stamp, ...]:
        try:
            async with self._site.session.post(
                self._site.url("publish", channels),
                data=body,
                headers={**self._headers, **headers},
                timeout=ClientTimeout(total=timeout_s),
                allow_redirects=False,
            ) as response:
                if response.status != HTTPStatus.OK:
                    raise await refusal(response)
                return read_stamps(await read_body(response, self._options.max_answer_bytes))
        except (OSError, aiohttp.ClientError) as error:
            raise Lost(f"{self._site.base}: {describe(error)}") from error


async def chunks(items: Items, options: ClientOptions) -> AsyncIterator[bytes]:
    """
    Cut a batch into bodies of NDJSON, always at the same places.

    Args:
        items: The batch; at most one chunk of it is held.
        options: How large a chunk may be.
    """
    lines: list[bytes] = []
    size = copies = 0
    async for item in _each(items):
        line = item.line() + b"\n"
        full = size + len(line) > options.chunk_bytes
        if lines and (full or copies + item.copies > options.chunk_messages):
            yield b"".join(lines)
            lines, size, copies = [], 0, 0
        lines.append(line)
        size += len(line)
        copies += item.copies
    if lines:
        yield b"".join(lines)


def read_stamps(body: bytes) -> tuple[Stamp, ...]:
    """
    Read the answer to a publish.

    Raises:
        Unreadable: it is none.
    """
    try:
        return tuple(_stamp(row) for row in orjson.loads(body)["messages"])
    except (orjson.JSONDecodeError, KeyError, TypeError, BadCursor) as error:
        raise Unreadable("the answer to a publish cannot be read") from error


def _stamp(row: Mapping[str, Any]) -> Stamp:
    cursor = Cursor.of(row["time"], row["tag"])
    if cursor is None:
        raise Unreadable("the time in the answer to a publish cannot be read")
    return Stamp(row["channel"], row["id"], cursor)


async def _each(items: Items) -> AsyncIterator[Item]:
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield Item(*item)
    else:
        for item in items:
            yield Item(*item)
