"""Sessions: who is attached, to whichever process, and ending one of them."""

from __future__ import annotations

from aiohttp import web
import orjson

from broker.api.call import Call, read_limit, read_query
from broker.api.problems import answer
from broker.api.services import Services
from broker.census import Wanted

DEFAULT_ROWS = 100
"""Sessions of one answer, where the request does not say."""

MAX_ROWS = 1000
"""Sessions of one answer."""


class Sessions:
    """
    The endpoints about sessions of all workers, and of all other nodes of the store.

    Args:
        services: What they work with.
    """

    def __init__(self, services: Services) -> None:
        self._roster = services.roster

    async def list(self, call: Call) -> web.Response:
        """Return sessions of the tenant, in no order; channel, subject and node choose."""
        query = read_query(call.request, ("channel", "sub", "node", "limit"))
        limit = read_limit(query.get("limit"), DEFAULT_ROWS, MAX_ROWS)
        wanted = Wanted(call.tenant, query.get("channel", ""), query.get("sub", ""), limit)
        listing = await self._roster.list(wanted, query.get("node", ""))
        told = {
            "sessions": listing.rows,
            "complete": listing.complete and not listing.silent,
            "silent": [each._asdict() for each in listing.silent],
            "node": self._roster.who.node,
        }
        return answer(orjson.dumps(told))

    async def end(self, call: Call) -> web.Response:
        """End a session; its client keeps its place, and is asked to come back in a second."""
        read_query(call.request, ())
        await self._roster.end(call.tenant, call.rest)
        return answer(orjson.dumps({"ended": call.rest}))
