"""A subscription over server-sent events."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
import asyncio

from aiohttp import ClientResponse, ClientTimeout, hdrs
import aiohttp

from broker.client.errors import Blocked, ClientError, Lost, describe
from broker.client.event_reader import EventReader
from broker.client.link import Ask
from broker.client.message import Event, Farewell, Moved, read_events
from broker.client.options import ClientOptions
from broker.client.site import Site, refusal

EVENT_TYPE = "text/event-stream"


class EventSourceLink:
    """
    An event stream.

    Args:
        site: The broker.
        ask: What is asked for.
        options: Limits and waits.

    Source: WHATWG HTML, section 9.2; `design.md` section 6.
    """

    def __init__(self, site: Site, ask: Ask, options: ClientOptions) -> None:
        self._site = site
        self._ask = ask
        self._options = options
        self._events = EventReader(options.max_message_bytes)
        self._response: ClientResponse | None = None
        self._came = False
        self._end: ClientError | None = None

    async def open(self) -> None:
        """Ask for the stream and read the head of the answer."""
        ask, options = self._ask, self._options
        try:
            async with asyncio.timeout(options.connect_timeout_s):
                response = self._response = await self._site.session.get(
                    self._site.url("eventsource", ask.channels, ask.parameters()),
                    headers={**ask.headers, hdrs.ACCEPT: EVENT_TYPE},
                    timeout=ClientTimeout(total=None, sock_read=options.silence_s),
                    allow_redirects=False,
                )
                if response.status != HTTPStatus.OK:
                    raise await refusal(response, blocked=True)
        except (OSError, aiohttp.ClientError) as error:
            raise Lost(f"{self._site.base}: {describe(error)}") from error
        if response.content_type != EVENT_TYPE:
            raise Blocked(f"answered with {response.content_type}")

    async def receive(self) -> Sequence[Event]:
        """
        Wait for bytes; return the events that they complete, perhaps none.

        A stream on which nothing ever comes is held back by something in between.
        """
        if self._end is not None:
            raise self._end
        if self._response is None:
            raise Lost("the link is not open")
        try:
            data = await self._response.content.readany()
        except TimeoutError as error:
            if self._came:
                raise Lost("the stream fell silent") from error
            raise Blocked("nothing came on the stream") from error
        except (OSError, aiohttp.ClientError) as error:
            raise Lost(f"the stream was cut: {describe(error)}") from error
        if not data:
            raise Lost("the stream ended")
        self._came = True
        return [self._told(event) for event in read_events(self._events.feed(data))]

    async def close(self) -> None:
        """Hang up."""
        if self._response is not None:
            self._response.close()

    def _told(self, event: Event) -> Event:
        if not isinstance(event, Farewell):
            return event
        retry_ms = self._events.retry_ms
        asked_s = None if retry_ms is None else retry_ms / 1000
        self._end = event._replace(retry_after_s=asked_s).error()
        return event if event.cursor is None else Moved(event.cursor)
