"""The client: subscribes and publishes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ssl import SSLContext
from types import TracebackType
from typing import Self
import asyncio
import random
import weakref

from aiohttp import hdrs

from broker.client.address import read_address
from broker.client.backoff import Backoff
from broker.client.dialer import HttpDialer
from broker.client.options import ClientOptions
from broker.client.publishing import Items, Publishing
from broker.client.site import Site
from broker.client.subscription import OnGap, Subscription
from broker.client.tokens import Tokens, TokenSource
from broker.core.cursor import Cursor
from broker.core.message import Stamp

_DEFAULTS = ClientOptions()


class Client:
    """
    A broker, as subscribers and publishers use it.

    It is closed at the end; as an async context manager it closes itself.

    Args:
        url: Where subscribers connect: `http(s)://…`, `ws(s)://…` or `unix:PATH`.
        token: Token of the subscriber, or a function that returns a valid one, async or not; it
            is asked again when the broker refuses the one it gave.
        internal: Where publishers connect.
        api_key: Key of the publisher, where the broker asks for one.
        tenant: Tenant to publish for; empty for the key's own, or `main`.
        tls: How certificates are checked; None for the system's way.
        options: Limits and waits.

    Raises:
        ValueError: an address cannot be used.

    Example:
        async with Client("http://127.0.0.1:8080", token=token) as client:
            async with client.subscribe("conversation.100.7") as messages:
                async for message in messages:
                    print(message.id, message.message, message.cursor)
    """

    def __init__(
        self,
        url: str = "",
        *,
        token: TokenSource = None,
        internal: str = "",
        api_key: str = "",
        tenant: str = "",
        tls: SSLContext | None = None,
        options: ClientOptions = _DEFAULTS,
    ) -> None:
        self._options = options
        self._public = Site(read_address(url), tls) if url else None
        self._internal = Site(read_address(internal), tls) if internal else None
        self._tokens = Tokens(token, options.connect_timeout_s)
        named = {"X-Tenant": tenant, hdrs.AUTHORIZATION: f"Bearer {api_key}" if api_key else ""}
        self._headers = {name: value for name, value in named.items() if value}
        self._open: weakref.WeakSet[Subscription] = weakref.WeakSet()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def subscribe(
        self,
        *channels: str,
        cursor: Cursor | str | None = None,
        on_gap: OnGap | None = None,
    ) -> Subscription:
        """
        Subscribe; nothing is sent before the first message is waited for, or `async with`.

        Args:
            channels: The channels; those that the token may not read are left out.
            cursor: Place to go on from, as the cursor of a message or its text; None for only
                what comes from now on.
            on_gap: Is told of messages that are no longer kept; without it, gaps are logged.

        Raises:
            ValueError: there is no URL to subscribe at, or no channel, or one has no name.
            BadCursor: the cursor cannot be read.
        """
        if self._public is None:
            raise ValueError("a client without a url cannot subscribe")
        if not channels or not all(channels) or any("/" in channel for channel in channels):
            raise ValueError("a subscription names its channels, none of them with a slash")
        subscription = Subscription(
            channels,
            cursor=Cursor.parse(cursor) if isinstance(cursor, str) else cursor,
            on_gap=on_gap,
            dialer=HttpDialer(self._public, self._options),
            tokens=self._tokens,
            backoff=Backoff(self._options, random.uniform),
            transports=self._options.transports,
        )
        self._open.add(subscription)
        return subscription

    async def publish(
        self,
        channels: str | Sequence[str],
        message: object,
        *,
        event_id: str = "",
        event_type: str = "",
        idempotency_key: str = "",
    ) -> tuple[Stamp, ...]:
        """
        Store a message in a channel, or in several in one step.

        It is tried again until there is an answer, and stored once all the same.

        Args:
            channels: The channel or channels.
            message: Anything that JSON can hold.
            event_id: The publisher's own id of the event.
            event_type: The publisher's name for the kind of event.
            idempotency_key: Key under which it is stored once; made up unless given.

        Returns:
            Channel, id and cursor of each stored copy.

        Raises:
            Refused: the broker says no.
            Unreachable: it did not answer in time; the error has the key.
            TypeError: JSON cannot hold the message.
            ValueError: there is no address to publish at, or no channel.
        """
        names = (channels,) if isinstance(channels, str) else tuple(channels)
        if not names or not all(names):
            raise ValueError("a message goes to at least one channel")
        return await self._publishing().one(
            names,
            message,
            event_id=event_id,
            event_type=event_type,
            idempotency_key=idempotency_key,
        )

    async def publish_batch(
        self,
        items: Items,
        *,
        idempotency_key: str = "",
        on_stored: Callable[[Sequence[Stamp]], None] = lambda _: None,
    ) -> int:
        """
        Store many messages, in order, in requests of bounded size.

        Each request is stored as a whole or not at all. The same items with the same key are cut
        and keyed in the same way: a batch that broke off is completed by sending it again.

        Args:
            items: `Item`s, or tuples `(channels, message, event_id, event_type)` of which the
                last two may be left out; an iterable, async or not, of any length.
            idempotency_key: What the keys of the requests begin with; made up unless given.
            on_stored: Is given the stamps of each request that was stored.

        Returns:
            Messages stored, one for each item and channel.

        Raises:
            Refused: the broker says no to a request; those before it are stored.
            Unreachable: it did not answer in time.
            TypeError: JSON cannot hold a message.
            ValueError: there is no address to publish at.
        """
        return await self._publishing().many(items, on_stored, idempotency_key)

    async def close(self) -> None:
        """End every subscription and close every connection."""
        await asyncio.gather(*(subscription.close() for subscription in list(self._open)))
        for site in (self._public, self._internal):
            if site is not None:
                await site.close()

    def _publishing(self) -> Publishing:
        if self._internal is None:
            raise ValueError("a client without an internal address cannot publish")
        return Publishing(self._internal, self._options, self._headers, random.uniform)
