"""A link: one connection of a subscription, whatever its transport."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from aiohttp import hdrs

from broker.client.message import Event
from broker.client.options import Transport
from broker.core.cursor import Cursor


class Ask(NamedTuple):
    """
    What a subscription asks for.

    Attributes:
        channels: The channels.
        token: The token, or empty.
        cursor: Place to go on from; None for a newcomer.
    """

    channels: tuple[str, ...]
    token: str
    cursor: Cursor | None = None

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the request: the token is not in the URL, where logs would keep it."""
        return {hdrs.AUTHORIZATION: f"Bearer {self.token}"} if self.token else {}

    def parameters(self, **more: str) -> dict[str, str]:
        """Return the query: the cursor (D16, D45), and what else is given."""
        if self.cursor is None:
            return more
        return {"time": self.cursor.http_date, "tag": str(self.cursor.tag), **more}


class Link(Protocol):
    """
    One connection of a subscription.

    Every method may be cancelled; `close` may be called at any time, and again.
    """

    async def open(self) -> None:
        """
        Connect.

        Raises:
            Refused: the broker says no.
            Lost: it cannot be reached now.
            Blocked: this transport does not get through.
        """

    async def receive(self) -> Sequence[Event]:
        """
        Wait for what comes next, in order; bounded by one frame, event or answer.

        Raises:
            Refused: the broker says no, by now.
            Lost: the connection has ended.
            Blocked: this transport does not get through after all.
            Unreadable: what came is nothing that a broker says.
        """

    async def close(self) -> None:
        """Let go of the connection."""


class Dialer(Protocol):
    """Makes links."""

    async def place(self, ask: Ask) -> Cursor:
        """
        Find out where a newcomer stands, so that nothing is missed from now on.

        Raises:
            Refused: the broker says no.
            Lost: it cannot be reached now.
        """

    def link(self, transport: Transport, ask: Ask) -> Link:
        """Return a link that is not open yet."""
