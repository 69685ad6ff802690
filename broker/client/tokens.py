"""The token of a client: given, or had from a function again and again."""

from __future__ import annotations

from asyncio import Lock, timeout
from collections.abc import Awaitable, Callable
import inspect

import aiohttp

from broker.client.errors import Lost, Unauthorized

TokenSource = str | Callable[[], str | Awaitable[str]] | None
"""A token, a function that returns a valid one (async or not), or None for public channels."""


class Tokens:
    """
    Gives the present token, and a new one where the broker refuses it.

    Args:
        source: Where tokens come from.
        timeout_s: Seconds that an async source may take.
    """

    def __init__(self, source: TokenSource, timeout_s: float) -> None:
        self._source = source
        self._timeout_s = timeout_s
        self._token = source if isinstance(source, str) else ""
        self._lock = Lock()

    async def current(self) -> str:
        """
        Return the token; empty where none is used.

        Raises:
            Lost: the source could not be reached; later it may.
        """
        if not self._token and callable(self._source):
            await self._renew("")
        return self._token

    async def renew(self, refused: str, error: Unauthorized) -> None:
        """
        Get another token than the refused one.

        Raises:
            Unauthorized: there is none: the error as given.
            Lost: the source could not be reached; later it may.
        """
        if callable(self._source):
            await self._renew(refused)
        if self._token == refused:
            raise error

    async def _renew(self, refused: str) -> None:
        async with self._lock:
            if self._token != refused or not callable(self._source):
                return  # another subscription has done it meanwhile
            try:
                async with timeout(self._timeout_s):
                    token = self._source()
                    self._token = await token if inspect.isawaitable(token) else token
            except (OSError, aiohttp.ClientError) as error:  # TimeoutError is an OSError
                raise Lost(f"no token could be had: {type(error).__name__}") from error
