"""The internal endpoints, and what puts them together."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import hdrs, web

from broker.api.access import Guard
from broker.api.boundary import Boundary
from broker.api.channels import Channels
from broker.api.health import Health
from broker.api.problems import problem
from broker.api.publish import Publish
from broker.api.router import Endpoint, Router
from broker.api.services import Services
from broker.transports.server import ServerOptions, make_server

_LINE_BYTES = 8190
"""Request line beside the channels that it names."""


def make_api(services: Services) -> web.Server:
    """
    Make the server of the internal listener; on a running loop. `web.ServerRunner` serves it.

    Args:
        services: What the endpoints work with.
    """
    settings = services.settings
    guard = Guard(services.keys, settings.internal)
    names_bytes = settings.max_publish_channels * (settings.max_channel_bytes + 1)
    return make_server(
        Boundary(Router(endpoints(services)), guard).handle,
        lambda _, error: problem(error),
        ServerOptions(line_bytes=_LINE_BYTES + names_bytes, body_bytes=settings.max_body_bytes),
    )


def endpoints(services: Services) -> Sequence[Endpoint]:
    """
    Return every internal endpoint.

    Source: `design.md` section 7.
    """
    publish, channels, health = Publish(services), Channels(services), Health(services)
    return (
        Endpoint("/publish", {hdrs.METH_POST: publish.many}),
        Endpoint("/publish/{channels}", {hdrs.METH_POST: publish.one}),
        Endpoint("/channels", {hdrs.METH_GET: channels.list}),
        Endpoint(
            "/channels/{channel}",
            {hdrs.METH_GET: channels.show, hdrs.METH_DELETE: channels.delete},
        ),
        Endpoint("/channels/{channel}/messages", {hdrs.METH_GET: channels.messages}),
        Endpoint("/stats", {hdrs.METH_GET: health.stats}),
        Endpoint("/healthz", {hdrs.METH_GET: health.alive}, keyless=True),
        Endpoint("/readyz", {hdrs.METH_GET: health.ready}, keyless=True),
    )
