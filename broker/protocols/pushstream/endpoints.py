"""The public endpoints of this dialect: paths, methods, refusals."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from difflib import get_close_matches
from functools import partial
import logging

from aiohttp import hdrs, web

from broker.core.errors import (
    BadRequest,
    BrokerError,
    Draining,
    InternalError,
    MethodNotAllowed,
    UnknownPath,
)
from broker.protocols.pushstream.answers import (
    ALWAYS,
    PROBLEM_TYPE,
    cross_origin,
    preflight,
    refusal_body,
    refusal_headers,
)
from broker.protocols.pushstream.events import EventStreams
from broker.protocols.pushstream.known import Cut
from broker.protocols.pushstream.polling import Polling
from broker.protocols.pushstream.services import Services
from broker.protocols.pushstream.websockets import WebSockets
from broker.transports.server import ServerOptions, make_server

_log = logging.getLogger(__name__)

Handler = Callable[[web.BaseRequest, str, Cut | None], Awaitable[web.StreamResponse]]
"""Answers a request: with its path behind the mode, and its bytes where it came whole and alone."""

_WEBSOCKET = "websocket"
_METHODS = ("GET", "HEAD", "OPTIONS")
_WEBSOCKET_METHODS = ("GET", "OPTIONS")


class Endpoints:
    """
    Answers every request on the public listener.

    Args:
        services: What the handlers work with.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        polling = Polling(services)
        events = EventStreams(services)
        self._handlers: dict[str, Handler] = {
            _WEBSOCKET: WebSockets(services).open,
            "longpoll": partial(polling.answer, hold=True),
            "shortpoll": partial(polling.answer, hold=False),
            "eventsource": events.open,
            "sse": events.open,
        }

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request, whatever it is."""
        # Whatever becomes of it: the bytes of this request must not be taken for the next one's.
        parts = self._services.recall.claim(request.transport)
        try:
            return await self._answer(request, parts)
        except BrokerError as error:
            return self.refuse(request, error)
        except Exception:  # noqa: BLE001 - a client gets an answer even to our mistakes
            _log.exception("a request failed")
            return self.refuse(request, InternalError("the broker failed; try again later"))

    async def _answer(self, request: web.BaseRequest, parts: Cut | None) -> web.StreamResponse:
        if self._services.closed():
            raise Draining("this node is about to stop")
        mode, path = _split(request)
        handler = self._handlers.get(mode)
        if handler is None:
            nearest = get_close_matches(mode, self._handlers, n=1)
            raise UnknownPath(
                "subscribe at /websocket/, /longpoll/, /shortpoll/ or /eventsource/",
                field="path",
                nearest=f"/{nearest[0]}/" if nearest else None,
            )
        if request.method == hdrs.METH_OPTIONS:
            return web.Response(headers=preflight(self._services.readable_by(request)))
        if request.method not in _methods(mode):
            raise MethodNotAllowed(f"{request.method} is not answered here", field="method")
        if request.body_exists:
            raise BadRequest("a subscription has no body", field="Content-Length")
        return await handler(request, path, parts)

    def refuse(self, request: web.BaseRequest, error: BrokerError) -> web.Response:
        """Return the answer that says no, also to what could not be read."""
        self._services.recall.claim(request.transport)
        self._services.refused(error)
        retry_after_s = self._services.retry_after_s() if error.retry else None
        headers = {
            hdrs.CONTENT_TYPE: PROBLEM_TYPE,
            **ALWAYS,
            **cross_origin(self._services.readable_by(request)),
            **refusal_headers(error, retry_after_s),
            **getattr(error, "headers", {}),
        }
        if isinstance(error, MethodNotAllowed):
            headers[hdrs.ALLOW] = ", ".join(_methods(_split(request)[0]))
        response = web.Response(status=error.status, body=refusal_body(error), headers=headers)
        if isinstance(error, Draining):
            response.force_close()  # the next request is for another node
        return response


def _split(request: web.BaseRequest) -> tuple[str, str]:
    """Return the first segment of a request's path, and the rest, still percent-encoded."""
    mode, _, path = request.raw_path.partition("?")[0].removeprefix("/").partition("/")
    return mode, path


def _methods(mode: str) -> tuple[str, ...]:
    return _WEBSOCKET_METHODS if mode == _WEBSOCKET else _METHODS


def make_public(services: Services, options: ServerOptions) -> web.Server:
    """Make the server of the public listener; on a running loop."""
    endpoints = Endpoints(services)
    return make_server(endpoints.handle, endpoints.refuse, options)
