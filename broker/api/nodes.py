"""Nodes: every process that serves from the same store."""

from __future__ import annotations

from aiohttp import web
import orjson

from broker import __version__
from broker.api.call import Call, read_query
from broker.api.problems import answer
from broker.api.services import Services
from broker.core.headcount import Question


class Nodes:
    """
    The endpoint about nodes.

    Args:
        services: What it works with.
    """

    def __init__(self, services: Services) -> None:
        self._services = services

    async def list(self, call: Call) -> web.Response:
        """Return the nodes that answered in time, the asked one first, and something about it."""
        read_query(call.request, ())
        population = await self._services.census.take(Question(call.tenant))
        rows = [
            {
                "node": count.node,
                "host": count.host,
                "pid": count.pid,
                "uptime_s": count.uptime_s,
                "subscribers": count.subscribers,
            }
            for count in population.counts
        ]
        silent = [each._asdict() for each in population.silent]
        told = {"nodes": rows, "silent": silent, "here": self._here(call)}
        return answer(orjson.dumps(told))

    def _here(self, call: Call) -> dict[str, object]:
        settings = self._services.settings
        return {
            "version": __version__,
            "tenant": call.tenant,
            "key": call.publisher or None,
            "public": str(settings.public),
            "workers": settings.workers,
            "draining": self._services.draining(),
            "mints_tokens": not self._services.keys,
        }
