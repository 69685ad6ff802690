"""The two listeners of a node, put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from broker.api import Services as ApiServices
from broker.api import make_api
from broker.api.problems import problem, serialise
from broker.auth import Verifier
from broker.core.errors import BrokerError
from broker.core.mounts import SubscriberMount
from broker.metrics import Meters
from broker.metrics.refusals import Refusals
from broker.protocols.pushstream.admission import Admission
from broker.protocols.pushstream.answers import turned_away
from broker.protocols.pushstream.endpoints import Endpoints, make_public
from broker.protocols.pushstream.recall import Recall
from broker.protocols.pushstream.request import RequestLimits
from broker.protocols.pushstream.services import ANY_ORIGIN, Limits, Services
from broker.readings import read_express, read_recall
from broker.settings import SETTINGS, Settings
from broker.subscribe import Subscriber
from broker.transports.front import Front, FrontLimits
from broker.transports.gate import Gate, GateLimits
from broker.transports.listener import HttpListener, ListenOptions
from broker.transports.poll import PollLimits
from broker.transports.proxies import Proxies
from broker.transports.server import ServerOptions
from broker.transports.stream import StreamLimits
from broker.transports.traffic import Addresses, Carried, Traffic
from broker.transports.websocket import TextHook, WebSocketLimits
from broker.wheel import Wheel

_HEADER_BYTES = 1024
"""Of a header beside the token that it may carry."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """
    What both listeners share.

    Attributes:
        settings: All of them.
        meters: Where they count.
        wheel: Times connections.
        closed: Whether this node serves nobody any more.
        retry_after_s: Gives the wait, in seconds, that a client is asked for.
        wall_clock: Seconds since the epoch.
    """

    settings: Settings
    meters: Meters
    wheel: Wheel
    closed: Callable[[], bool]
    retry_after_s: Callable[[], float]
    wall_clock: Callable[[], float]


def internal_listener(around: Surroundings, services: ApiServices) -> HttpListener:
    """
    Make the listener of publishers and operators.

    Args:
        around: What it shares with the other one.
        services: What its endpoints work with.
    """
    settings, connecting = around.settings, around.meters.connecting
    refusals = Refusals(around.meters, "internal")
    traffic = Traffic("internal")
    traffic.timed_out = around.meters.limiting.reached.of("request_timeout_s").add
    api = make_api(replace(services, refused=refusals.count, traffic=traffic))

    def refusal(error: BrokerError) -> bytes:
        refusals.count(error)
        response = problem(error)
        response.force_close()
        return serialise(response)

    limits = GateLimits(settings.max_internal_connections, "max_internal_connections")
    gate = Gate(limits, [traffic], refusal, around.wheel)
    connecting.accepted.of("internal").follow(lambda: gate.accepted)
    connecting.connections.follow(lambda: {"internal": traffic.open})
    read_express(connecting, api.express)
    return HttpListener(
        api.server,
        settings.internal,
        _options(settings, "internal"),
        lambda: gate.door(api.front),
        traffic.hang_up,
    )


def public_listener(
    around: Surroundings,
    subscriber: Subscriber,
    admission: Admission,
    verifier: Verifier,
    mounts: Sequence[SubscriberMount],
    speaker: Callable[[TextHook], TextHook],
) -> tuple[HttpListener, Endpoints]:
    """
    Make the listener of subscribers.

    Args:
        around: What it shares with the other one.
        subscriber: Prepares feeds and attaches sessions.
        admission: Decides who may read what.
        verifier: Checks tokens.
        mounts: What subscribers find under which path.
        speaker: Makes what hears clients that may publish; see `Services`.

    Returns:
        The listener, and its endpoints, whose mounts may be replaced.
    """
    settings, connecting = around.settings, around.meters.connecting
    refusals = Refusals(around.meters, "public")
    proxies = Proxies(settings.trusted_proxies, settings.forwarded_header)
    addresses = Addresses(proxies.owner) if settings.max_address_connections else None
    traffic = Carried.of(connecting.closes, addresses)
    traffic.http.timed_out = around.meters.limiting.reached.of("request_timeout_s").add
    recall = Recall(admission, settings.known_requests, around.closed)
    services = Services(
        subscriber=subscriber,
        admission=admission,
        recall=recall,
        wheel=around.wheel,
        limits=_limits(settings),
        aiohttp=lambda: listener.aiohttp(),  # noqa: PLW0108 - bound only below
        wall_clock=around.wall_clock,
        closed=around.closed,
        retry_after_s=around.retry_after_s,
        traffic=traffic,
        refused=refusals.count,
        origins=frozenset(settings.allowed_origins),
        token_cookie=settings.token_cookie,
        refuse_by_close=settings.refuse_websocket == "close",
        client=proxies.client if addresses is not None else lambda _: "",
        speaker=speaker,
    )

    def refusal(error: BrokerError) -> bytes:
        refusals.count(error)
        origin = ANY_ORIGIN if ANY_ORIGIN in services.origins else None
        return turned_away(error, origin, around.retry_after_s())

    limits = GateLimits(
        settings.max_connections, "max_connections", settings.max_address_connections
    )
    gate = Gate(limits, traffic, refusal, around.wheel, addresses)
    connecting.accepted.of("public").follow(lambda: gate.accepted)
    connecting.connections.follow(traffic.open)
    connecting.waiting.follow(lambda: subscriber.room.waiting)
    read_recall(connecting, recall, verifier)
    front = FrontLimits(request_s=settings.request_timeout_s)
    endpoints = Endpoints(services, mounts)
    listener = HttpListener(
        make_public(endpoints, _server_options(settings, traffic.http)),
        settings.public,
        _options(settings, "public"),
        lambda: Front(recall, listener.aiohttp, around.wheel, front, gate, traffic.http),
        traffic.hang_up,
    )
    return listener, endpoints


def _limits(settings: Settings) -> Limits:
    return Limits(
        request=RequestLimits(settings.max_channels, settings.max_channel_bytes),
        websocket=WebSocketLimits(
            ping_s=settings.websocket_ping_s,
            max_frame_bytes=settings.max_frame_bytes,
            max_message_bytes=settings.max_frame_bytes,
            deflate_bytes=settings.deflate_bytes,
        ),
        stream=StreamLimits(),
        poll=PollLimits(hold_s=settings.longpoll_timeout_s),
        answer_bytes=settings.max_poll_bytes,
        ping_interval_s=settings.ping_interval_s,
    )


def _server_options(settings: Settings, traffic: Traffic) -> ServerOptions:
    names_bytes = settings.max_channels * (settings.max_channel_bytes + 1)
    return ServerOptions(
        head_s=settings.request_timeout_s,
        keep_alive_s=settings.request_timeout_s,
        line_bytes=settings.max_token_bytes + names_bytes,
        header_bytes=settings.max_token_bytes + _HEADER_BYTES,
        setting="max_token_bytes",
        traffic=traffic,
    )


def _options(settings: Settings, name: str) -> ListenOptions:
    return ListenOptions(
        backlog=settings.accept_backlog,
        send_buffer_bytes=settings.send_buffer_bytes,
        peer_timeout_s=settings.peer_timeout_s,
        shared=settings.workers > 1,
        setting=SETTINGS[name].names,
    )
