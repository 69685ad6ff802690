"""A subscription over a WebSocket."""

from __future__ import annotations

from collections.abc import Sequence
import asyncio

from aiohttp import (
    ClientWebSocketResponse,
    ClientWSTimeout,
    WSCloseCode,
    WSMsgType,
    WSServerHandshakeError,
)
import aiohttp

from broker.client.errors import ClientError, Lost, Unreadable, describe
from broker.client.link import Ask
from broker.client.message import Event, Farewell, Moved, read_close, read_events
from broker.client.options import ClientOptions
from broker.client.site import Site, verdict

_TEXTS = frozenset({WSMsgType.TEXT, WSMsgType.BINARY})

CLOSE_S = 2.0
"""Seconds that the goodbye of a WebSocket may take."""


class WebSocketLink:
    """
    A WebSocket; gap notices come as frames.

    Args:
        site: The broker.
        ask: What is asked for.
        options: Limits and waits.

    Source: D5, D17, D43.
    """

    def __init__(self, site: Site, ask: Ask, options: ClientOptions) -> None:
        self._site = site
        self._ask = ask
        self._options = options
        self._socket: ClientWebSocketResponse | None = None
        self._end: ClientError | None = None

    async def open(self) -> None:
        """Shake hands."""
        ask, options = self._ask, self._options
        try:
            async with asyncio.timeout(options.connect_timeout_s):
                self._socket = await self._site.session.ws_connect(
                    self._site.url("websocket", ask.channels, ask.parameters(notices="gap")),
                    headers=ask.headers,
                    heartbeat=options.heartbeat_s,
                    max_msg_size=options.max_message_bytes,
                    timeout=ClientWSTimeout(ws_close=CLOSE_S),
                )
        except WSServerHandshakeError as error:
            raise verdict(error.status, error.headers or {}, blocked=True) from error
        except (OSError, aiohttp.ClientError) as error:
            raise Lost(f"{self._site.base}: {describe(error)}") from error

    async def receive(self) -> Sequence[Event]:
        """Wait for a frame; dead peers are found by the heartbeat."""
        if self._end is not None:
            raise self._end
        if self._socket is None:
            raise Lost("the link is not open")
        kind, data, extra = await self._socket.receive()
        if kind in _TEXTS:
            return [self._told(event) for event in read_events([data])]
        if kind is WSMsgType.CLOSE:
            return [self._told(read_close(int(data or 0), str(extra or "")))]
        if self._socket.close_code == WSCloseCode.MESSAGE_TOO_BIG:
            raise Unreadable(f"a message is longer than {self._options.max_message_bytes} bytes")
        silent = isinstance(self._socket.exception(), TimeoutError)
        raise Lost("the connection fell silent" if silent else "the connection was cut")

    async def close(self) -> None:
        """Say goodbye."""
        if self._socket is not None:
            await self._socket.close()

    def _told(self, event: Event) -> Event:
        if isinstance(event, Farewell):
            self._end = event.error()
            if event.cursor is not None:
                return Moved(event.cursor)
        return event
