"""Sessions: who is attached to this process, and ending one of them."""

from __future__ import annotations

from asyncio import get_running_loop, sleep
from collections.abc import AsyncIterator

from aiohttp import web
import orjson

from broker.api.call import Call, read_limit, read_query
from broker.api.problems import answer
from broker.api.services import Services
from broker.core.channels import shown
from broker.core.errors import NotFound, Unavailable
from broker.core.session import Session, State
from broker.hub.feed import Feed

DEFAULT_ROWS = 100
"""Sessions of one answer, where the request does not say."""

MAX_ROWS = 1000
"""Sessions of one answer."""

SLICE = 1000
"""Sessions that are looked at in one turn of the loop: about a millisecond."""

RETURN_S = 1.0
"""Seconds after which a client whose connection was ended is asked to come back."""


class Sessions:
    """
    The endpoints about sessions of the process that answers; other workers have their own.

    Args:
        services: What they work with.
    """

    def __init__(self, services: Services) -> None:
        self._services = services

    async def list(self, call: Call) -> web.Response:
        """Return sessions of the tenant, in no order; `channel` and `sub` choose among them."""
        query = read_query(call.request, ("channel", "sub", "limit"))
        limit = read_limit(query.get("limit"), DEFAULT_ROWS, MAX_ROWS)
        channel, sub = query.get("channel"), query.get("sub")
        rows: list[dict[str, object]] = []
        async for session, feed in self._all(call.tenant):
            if channel is not None and channel not in feed.names:
                continue
            if sub is not None and sub != _subject(session):
                continue
            rows.append(self._row(session, feed))
            if len(rows) > limit:
                break
        told = {
            "sessions": rows[:limit],
            "complete": len(rows) <= limit,
            "node": self._services.census.name,
        }
        return answer(orjson.dumps(told))

    async def end(self, call: Call) -> web.Response:
        """End a session; its client keeps its place, and is asked to come back in a second."""
        read_query(call.request, ())
        async for session, _ in self._all(call.tenant):
            if name_of(session) == call.rest:
                session.end(Unavailable("this connection was ended; come back"), RETURN_S)
                return answer(orjson.dumps({"ended": call.rest}))
        raise NotFound(f"there is no session {shown(call.rest)} in this process")

    async def _all(self, tenant: str) -> AsyncIterator[tuple[Session, Feed]]:
        for number, session in enumerate(self._services.attendance, 1):
            feed = session.feed  # who has left meanwhile has none
            if isinstance(feed, Feed) and feed.tenant == tenant:
                yield session, feed
            if number % SLICE == 0:
                await sleep(0)

    def _row(self, session: Session, feed: Feed) -> dict[str, object]:
        cursor, head = session.cursor, self._services.hub.high_water(feed.tenant)
        is_behind = session.state is State.LAGGING
        grants = session.grants
        return {
            "session": name_of(session),
            "transport": feed.encoder.transport,
            "channels": feed.names,
            "sub": _subject(session) or None,
            "expires_at": None if grants is None else grants.expires_at,
            "age_s": round(get_running_loop().time() - session.begun, 1),
            "cursor": str(cursor),
            "lagging": is_behind,
            "behind_s": max(0, head.time - cursor.time) if is_behind else 0,
        }


def name_of(session: Session) -> str:
    """Return what a session is called while it lasts."""
    return f"{id(session):x}.{int(session.begun * 1e6):x}"


def _subject(session: Session) -> str:
    return "" if session.grants is None else session.grants.subject or ""
