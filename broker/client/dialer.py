"""How the connections of subscriptions are made."""

from __future__ import annotations

from broker.client.errors import Lost
from broker.client.eventsource import EventSourceLink
from broker.client.link import Ask, Link
from broker.client.longpoll import LongPollLink, poll
from broker.client.options import ClientOptions, Transport
from broker.client.site import Site
from broker.client.websocket import WebSocketLink
from broker.core.cursor import Cursor


class HttpDialer:
    """
    Makes links to one broker.

    Args:
        site: The broker.
        options: Limits and waits.
    """

    def __init__(self, site: Site, options: ClientOptions) -> None:
        self._site = site
        self._options = options

    async def place(self, ask: Ask) -> Cursor:
        """
        Find out where a newcomer stands, by a short poll.

        Only then can it come back without loss when its first connection ends before a message.
        """
        options = self._options
        _, cursor = await poll(self._site, "shortpoll", ask, options.connect_timeout_s, options)
        if cursor is None:
            raise Lost("the answer to a poll carries no cursor")
        return cursor

    def link(self, transport: Transport, ask: Ask) -> Link:
        """Return a link that is not open yet."""
        match transport:
            case "websocket":
                return WebSocketLink(self._site, ask, self._options)
            case "eventsource":
                return EventSourceLink(self._site, ask, self._options)
            case "longpoll":
                return LongPollLink(self._site, ask, self._options)
