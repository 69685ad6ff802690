"""The lifetime of a connection, where a mount has one."""

from __future__ import annotations

from asyncio import get_running_loop
from collections.abc import Callable

from broker.core.session import Session
from broker.wheel import Wheel

VISIT_S = 60.0
"""Longest time that the wheel remembers a session that is over."""


def limit_lifetime(
    wheel: Wheel,
    session: Session,
    ttl_s: float | None,
    last_words: Callable[[], object] = lambda: None,
) -> None:
    """
    Have a session ended after so long, whatever it is sent meanwhile.

    Args:
        wheel: Times it.
        session: Whose.
        ttl_s: Seconds; None for no limit.
        last_words: Called right before its end.

    Source: push-stream reference, 3.3 (`push_stream_subscriber_connection_ttl`).
    """
    if ttl_s is not None:
        now = get_running_loop().time()
        wheel.add(_Lifetime(session, now + ttl_s, last_words), now + min(ttl_s, VISIT_S))


class _Lifetime:
    """Ends a session when its time has come."""

    __slots__ = ("_ends_at", "_last_words", "_session")

    def __init__(self, session: Session, ends_at: float, last_words: Callable[[], object]) -> None:
        self._session = session
        self._ends_at = ends_at
        self._last_words = last_words

    def due(self, now: float) -> float | None:
        """End the session, or look again later; comes no more once it is over."""
        if self._session.feed is None:
            return None
        if now < self._ends_at:
            return min(self._ends_at, now + VISIT_S)
        self._last_words()
        self._session.end(None)
        return None
