"""The session: one subscriber, live or lagging, and what it needs of its connection."""

from __future__ import annotations

from typing import Protocol

from broker.core.cursor import Cursor
from broker.core.errors import BrokerError


class Outlet(Protocol):
    """
    One connection as its session sees it; transports implement it.

    Attributes:
        fd: Descriptor that whole writes may go to directly, or -1 where they must not (TLS).
    """

    fd: int

    def write(self, data: bytes) -> bool:
        """
        Send bytes, in order.

        Returns:
            True when all of them left at once; False when a rest is buffered. The outlet then
            calls `Session.drained` once the buffer is empty, and nothing may be written before.
        """

    def spill(self, rest: bytes) -> None:
        """Buffer what a direct write to `fd` could not send; like a `write` that gave False."""

    def end(self, error: BrokerError | None, cursor: Cursor, retry_after_s: float | None) -> None:
        """
        Say goodbye and close.

        Args:
            error: Why; None when the client asked for it.
            cursor: The session's safe cursor, for the client to come back with.
            retry_after_s: When to come back, in seconds, where that is known.
        """
