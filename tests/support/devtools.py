"""A connection to a browser's DevTools: commands and their answers, events and who hears them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from types import TracebackType
from typing import Any, Self
import asyncio
import json

from websockets.asyncio.client import ClientConnection, connect

from tests.support.waiting import PATIENCE

COMMAND_DEADLINE_S = 30.0
"""Seconds that the browser may take over one command."""

Hear = Callable[[dict[str, Any]], None]
"""Takes the parameters of an event."""


class DevToolsError(Exception):
    """The browser refused a command; the text is its reason."""


class DevTools:
    """
    A connection to the browser as a whole, over which every page is spoken to.

    Args:
        url: WebSocket that the browser listens on for it.

    Source: the Chrome DevTools Protocol, with flattened sessions.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._numbers = count(1)
        self._open: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._hearers: dict[tuple[str, str], Hear] = {}
        self._socket: ClientConnection | None = None
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._socket = await connect(self._url, max_size=None, ping_interval=None, proxy=None)
        self._reading = asyncio.create_task(self._read(self._socket))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._socket is not None:
            await self._socket.close()
        if self._reading is not None:
            await self._reading

    async def call(
        self, method: str, parameters: Mapping[str, Any] | None = None, *, session: str = ""
    ) -> dict[str, Any]:
        """
        Have the browser do something and return its answer.

        Args:
            method: What, as `Page.navigate`.
            parameters: With what.
            session: Which page is meant; none for the browser itself.

        Raises:
            DevToolsError: it refused.
            TimeoutError: it gave no answer in time.
        """
        assert self._socket is not None, "not connected"
        number = next(self._numbers)
        command = {"id": number, "method": method, "params": dict(parameters or {})}
        if session:
            command["sessionId"] = session
        answer = self._open[number] = asyncio.get_running_loop().create_future()
        try:
            await self._socket.send(json.dumps(command))
            told = await asyncio.wait_for(answer, COMMAND_DEADLINE_S * PATIENCE)
        finally:
            del self._open[number]
        if "error" in told:
            raise DevToolsError(f"{method}: {told['error'].get('message', told['error'])}")
        result: dict[str, Any] = told["result"]
        return result

    def on(self, session: str, event: str, hear: Hear) -> None:
        """Have one event of a page told to one hearer."""
        self._hearers[session, event] = hear

    async def _read(self, socket: ClientConnection) -> None:
        async for text in socket:
            told = json.loads(text)
            if (answer := self._open.get(told.get("id", 0))) is not None:
                if not answer.done():
                    answer.set_result(told)
            elif hear := self._hearers.get((told.get("sessionId", ""), told.get("method", ""))):
                hear(told["params"])
