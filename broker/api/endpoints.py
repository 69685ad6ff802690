"""The internal endpoints, and what puts them together."""

from __future__ import annotations

from asyncio import BaseProtocol, get_running_loop
from collections.abc import Sequence
from typing import NamedTuple

from aiohttp import hdrs, web

from broker.api.access import Guard
from broker.api.boundary import Boundary
from broker.api.channels import Channels
from broker.api.console import Console
from broker.api.express import Express, ExpressLimits
from broker.api.follow import Follow
from broker.api.health import Health
from broker.api.intake import Intake
from broker.api.metrics import MetricsPage
from broker.api.mounts import Mounts
from broker.api.nodes import Nodes
from broker.api.openapi import about
from broker.api.problems import problem
from broker.api.publish import Publish
from broker.api.rates import Rates
from broker.api.revoke import Revoke
from broker.api.router import Endpoint, Router
from broker.api.services import Services
from broker.api.sessions import Sessions
from broker.api.stored import StoredAnswers
from broker.api.tokens import Tokens
from broker.core.errors import BrokerError
from broker.transports.server import ServerOptions, make_server

_LINE_BYTES = 8190
"""Request line beside the channels that it names."""


class Api(NamedTuple):
    """
    The internal listener's application.

    Attributes:
        server: Answers every request.
        express: Takes publishes that it knows.
    """

    server: web.Server
    express: Express

    def front(self) -> BaseProtocol:
        """Return the first protocol of a connection."""
        return self.express.connection(is_new=True)


def make_api(services: Services) -> Api:
    """
    Make the application of the internal listener; on a running loop.

    Args:
        services: What the endpoints work with.
    """
    settings = services.settings
    guard = Guard(services.keys, settings.internal)
    names_bytes = settings.max_publish_channels * (settings.max_channel_bytes + 1)
    intake = Intake(services, Rates(settings.max_publish_rate, get_running_loop().time))
    publish = Publish(settings, intake)

    def refuse(_: web.BaseRequest, error: BrokerError) -> web.Response:
        services.refused(error)
        return problem(error)

    server = make_server(
        Boundary(
            Router(endpoints(services, publish, guard)),
            Mounts(services, intake),
            guard,
            services.refused,
        ).handle,
        refuse,
        ServerOptions(
            head_s=settings.request_timeout_s,
            line_bytes=_LINE_BYTES + names_bytes,
            body_bytes=settings.max_body_bytes,
            traffic=services.traffic,
        ),
    )
    express = publish.express = Express(
        publish.submit,
        StoredAnswers(),
        server,
        services.wheel,
        ExpressLimits(
            request_s=settings.request_timeout_s,
            wait_s=settings.publish_wait_s,
            body_bytes=settings.max_message_bytes,
        ),
        services.traffic,
        services.refused,
    )
    return Api(server, express)


def endpoints(services: Services, publish: Publish, guard: Guard) -> Sequence[Endpoint]:
    """
    Return every internal endpoint.

    Args:
        services: What the endpoints work with.
        publish: Takes messages.
        guard: Knows who has a key.

    Source: `design.md` section 7.
    """
    channels, health, revoke = Channels(services), Health(services), Revoke(services)
    sessions, tokens, console = Sessions(services), Tokens(services), Console()
    known = (
        Endpoint("/publish", {hdrs.METH_POST: publish.many}),
        Endpoint("/publish/{channels}", {hdrs.METH_POST: publish.one}),
        Endpoint("/channels", {hdrs.METH_GET: channels.list}),
        Endpoint(
            "/channels/{channel}",
            {hdrs.METH_GET: channels.show, hdrs.METH_DELETE: channels.delete},
        ),
        Endpoint("/channels/{channel}/messages", {hdrs.METH_GET: channels.messages}),
        Endpoint("/channels/{channel}/follow", {hdrs.METH_GET: Follow(services).open}),
        Endpoint("/revoke", {hdrs.METH_POST: revoke.revoke}),
        Endpoint("/revocations", {hdrs.METH_GET: revoke.list}),
        Endpoint("/sessions", {hdrs.METH_GET: sessions.list}),
        Endpoint("/sessions/{session}", {hdrs.METH_DELETE: sessions.end}),
        Endpoint("/nodes", {hdrs.METH_GET: Nodes(services).list}),
        Endpoint("/explain", {hdrs.METH_POST: tokens.explain}),
        Endpoint("/tokens", {hdrs.METH_POST: tokens.make}),
        Endpoint("/metrics", {hdrs.METH_GET: MetricsPage(services).show}),
        Endpoint("/stats", {hdrs.METH_GET: health.stats}),
        Endpoint("/healthz", {hdrs.METH_GET: health.alive}, keyless=True),
        Endpoint("/readyz", {hdrs.METH_GET: health.ready}, keyless=True),
        Endpoint("/", {hdrs.METH_GET: console.page}, keyless=True),
        Endpoint("/console/{file}", {hdrs.METH_GET: console.file}, keyless=True),
    )
    return (*known, *about(known, services.catalog, guard))
