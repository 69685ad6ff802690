"""A subscription over long polls."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
import asyncio

from aiohttp import ClientResponse, ClientTimeout
import aiohttp

from broker.client.errors import Lost, Unreadable, describe
from broker.client.link import Ask
from broker.client.message import Event, Gap, Message, Moved, read_events
from broker.client.options import ClientOptions
from broker.client.site import Site, header_cursor, refusal
from broker.core.cursor import START, Cursor
from broker.core.errors import BadCursor

GAP_HEADER = "X-Broker-Gap"

EMPTY_PAUSE_S = 1.0
"""Shortest time between two polls that bring nothing: an answer that should have been held."""

_ANSWERS = frozenset({HTTPStatus.OK, HTTPStatus.NOT_MODIFIED})


class LongPollLink:
    """
    Long polls, one after the other, each with the cursor of the answer before it (D44, D47).

    Args:
        site: The broker.
        ask: What is asked for.
        options: Limits and waits.
    """

    def __init__(self, site: Site, ask: Ask, options: ClientOptions) -> None:
        self._site = site
        self._ask = ask
        self._options = options
        self._not_before = 0.0
        self._polling: asyncio.Task[tuple[list[Event], Cursor | None]] | None = None

    async def open(self) -> None:
        """Do nothing: the first poll connects."""

    async def receive(self) -> Sequence[Event]:
        """Poll once."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._not_before - loop.time()))
        began = loop.time()
        events, cursor = await self._poll()
        self._not_before = 0.0 if events else began + EMPTY_PAUSE_S
        if cursor is not None:
            self._ask = self._ask._replace(cursor=cursor)
            events.append(Moved(cursor))
        return events

    async def close(self) -> None:
        """Give up the poll under way."""
        if self._polling is not None:
            self._polling.cancel()
            await asyncio.wait([self._polling])

    async def _poll(self) -> tuple[list[Event], Cursor | None]:
        options = self._options
        self._polling = asyncio.create_task(
            poll(self._site, "longpoll", self._ask, options.silence_s, options)
        )
        try:
            await asyncio.wait([self._polling])
        except asyncio.CancelledError:
            await self.close()
            raise
        if self._polling.cancelled():
            raise Lost("the poll was given up")
        return self._polling.result()


async def poll(
    site: Site, mode: str, ask: Ask, timeout_s: float, options: ClientOptions
) -> tuple[list[Event], Cursor | None]:
    """
    Ask once.

    Args:
        site: The broker.
        mode: `longpoll` or `shortpoll`.
        ask: What is asked for.
        timeout_s: Seconds that the answer may take.
        options: Limits.

    Returns:
        What came, and the cursor to poll with next.

    Raises:
        Refused: the broker says no.
        Lost: it cannot be reached now.
        Blocked: polls do not get through.
        Unreadable: the answer is nothing that a broker says.
    """
    timeout = ClientTimeout(total=timeout_s, sock_connect=options.connect_timeout_s)
    try:
        async with site.session.get(
            site.url(mode, ask.channels, ask.parameters()),
            headers=ask.headers,
            timeout=timeout,
            allow_redirects=False,
        ) as response:
            if response.status not in _ANSWERS:
                raise await refusal(response, blocked=mode == "longpoll")
            lines, whole = await _read_lines(response, options.max_answer_bytes)
            events = [*_gaps(response, ask.cursor), *read_events(lines)]
            told = header_cursor(response.headers) if whole else None
            # Something in between may take `ETag` away: then the messages say where they end.
            return events, _last_cursor(events) if told is None else told
    except (OSError, aiohttp.ClientError) as error:
        raise Lost(f"{site.base}: {describe(error)}") from error


async def _read_lines(response: ClientResponse, limit: int) -> tuple[list[bytes], bool]:
    """
    Read the messages of an answer, a line each, in the order of their cursors.

    Returns:
        The lines, and whether they are all: of an answer that is cut short the whole lines count,
        so that a line that never carries an answer to its end still brings messages.
    """
    pieces, size, whole = [], 0, True
    try:
        async for piece in response.content.iter_any():
            size += len(piece)
            if size > limit:
                raise Unreadable(f"an answer is longer than {limit} bytes")
            pieces.append(piece)
    except (OSError, aiohttp.ClientError):
        whole = False
        if not any(b"\n" in piece for piece in pieces):
            raise
    *lines, _ = b"".join(pieces).split(b"\n")
    return [line for line in lines if line], whole


def _last_cursor(events: Sequence[Event]) -> Cursor | None:
    return next((event.cursor for event in reversed(events) if isinstance(event, Message)), None)


def _gaps(response: ClientResponse, after: Cursor | None) -> list[Gap]:
    text = response.headers.get(GAP_HEADER)
    try:
        return [] if text is None else [Gap("", after or START, Cursor.parse(text))]
    except BadCursor as error:
        raise Unreadable("the gap in the headers cannot be read") from error
