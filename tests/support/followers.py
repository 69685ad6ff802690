"""Clients that follow a channel over one transport each, and come back with their cursor."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from ssl import SSLContext
from types import TracebackType
from typing import Any, ClassVar, Self
import asyncio
import json

import aiohttp

RETRY_S = 0.05
"""Seconds between the end of a connection and the next one."""

Envelope = dict[str, Any]


class Follower:
    """
    Follows a channel until it is closed; an async context manager.

    Args:
        url: Base URL, without a slash at the end.
        channel: The channel.
        token: The token.
        trust: What it trusts, for TLS.

    Attributes:
        messages: What it received, in order.
        attempts: How often it has connected or asked, or tried to.
        failures: How many of these ended with an error.
        path: First segment of the path, by transport.
    """

    path: ClassVar[str]

    def __init__(self, url: str, channel: str, token: str, trust: SSLContext | None = None) -> None:
        self.messages: list[Any] = []
        self.attempts = 0
        self.failures = 0
        self._url = f"{url}/{self.path}/{channel}"
        self._query = {"auth_token": token}
        self._cursor: dict[str, str] = {}
        self._trust = trust or True

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession()
        self._task = asyncio.create_task(self._follow())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        await self._http.close()

    async def read(self) -> None:
        """Connect or ask once, and take what comes until it ends."""
        raise NotImplementedError

    def take(self, envelope: Envelope) -> None:
        """Take a message, or a sign of life, and its cursor for the next time."""
        self._cursor = {"tag": envelope["tag"], "time": envelope["time"]}
        if envelope["id"] > 0:
            self.messages.append(envelope["message"])

    @property
    def request(self) -> dict[str, Any]:
        """What each request has."""
        return {"params": {**self._query, **self._cursor}, "ssl": self._trust}

    async def _follow(self) -> None:
        while True:
            self.attempts += 1
            try:
                await self.read()
            except (OSError, aiohttp.ClientError, TimeoutError):
                self.failures += 1
            await asyncio.sleep(RETRY_S)


class WebSocketFollower(Follower):
    """Follows over a WebSocket."""

    path = "websocket"

    async def read(self) -> None:
        async with self._http.ws_connect(self._url, **self.request) as socket:
            async for frame in socket:
                self.take(frame.json())


class StreamFollower(Follower):
    """Follows over an endless answer, an envelope a line."""

    path = "stream"

    async def read(self) -> None:
        async for line in self._lines():
            if line.strip():
                self.take(json.loads(line))

    async def _lines(self) -> AsyncIterator[bytes]:
        timeout = aiohttp.ClientTimeout(total=None)
        async with self._http.get(self._url, timeout=timeout, **self.request) as answer:
            answer.raise_for_status()
            async for line in answer.content:
                yield line


class EventsFollower(StreamFollower):
    """Follows over server-sent events."""

    path = "eventsource"

    async def read(self) -> None:
        kind = b""
        async for line in self._lines():
            if line.startswith(b"event: "):
                kind = line
            elif line.startswith(b"data: ") and not kind:
                self.take(json.loads(line.removeprefix(b"data: ")))
            elif not line.strip():
                kind = b""


class PollFollower(Follower):
    """Follows by long polls, its cursor in the headers."""

    path = "longpoll"

    async def read(self) -> None:
        place = {
            "If-None-Match": self._cursor.get("tag", ""),
            "If-Modified-Since": self._cursor.get("time", ""),
        }
        headers = {name: value for name, value in place.items() if value}
        fixed = {"params": self._query, "ssl": self._trust, "headers": headers}
        async with self._http.get(self._url, **fixed) as answer:  # type: ignore[arg-type]
            if answer.status not in {200, 304}:
                answer.raise_for_status()
            text = await answer.text()
            for line in text.splitlines():
                self.messages.append(json.loads(line)["message"])
            tag = answer.headers["ETag"].removeprefix("W/")
            self._cursor = {"tag": tag, "time": answer.headers["Last-Modified"]}


class ShortPollFollower(PollFollower):
    """Follows by short polls."""

    path = "shortpoll"


FOLLOWERS: tuple[Callable[..., Follower], ...] = (
    WebSocketFollower,
    StreamFollower,
    EventsFollower,
    PollFollower,
    ShortPollFollower,
)
"""One for each transport."""
