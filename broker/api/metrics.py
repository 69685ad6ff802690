"""Metrics: everything that is counted, for Prometheus."""

from __future__ import annotations

from aiohttp import hdrs, web

from broker.api.call import Call
from broker.api.problems import answer
from broker.api.services import Services
from broker.metrics.text import write


class MetricsPage:
    """
    The endpoint that Prometheus asks.

    Args:
        services: What it works with.
    """

    def __init__(self, services: Services) -> None:
        self._services = services

    async def show(self, call: Call) -> web.Response:
        """Return every metric of all workers, as plain text or as OpenMetrics."""
        accepted = call.request.headers.get(hdrs.ACCEPT, "")
        text, content_type = write(self._services.metrics(), accepted)
        return answer(text, content_type=content_type)
