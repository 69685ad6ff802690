"""The public endpoints of this dialect: paths, methods, refusals."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
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
from broker.core.mounts import SubscriberMount
from broker.logs import request_id
from broker.protocols.pushstream.answers import (
    ALWAYS,
    PROBLEM_TYPE,
    cross_origin,
    preflight,
    refusal_body,
    refusal_headers,
)
from broker.protocols.pushstream.known import Cut
from broker.protocols.pushstream.mounting import Handler, Mounting
from broker.protocols.pushstream.script import FILE as SCRIPT
from broker.protocols.pushstream.script import Script
from broker.protocols.pushstream.services import Services
from broker.transports.identity import REQUEST_ID, identity
from broker.transports.server import ServerOptions, make_server

_log = logging.getLogger(__name__)

MAX_TOLD = 8
"""Paths that a refusal names."""

_WEBSOCKET = "websocket"
_METHODS = ("GET", "HEAD", "OPTIONS")
_WEBSOCKET_METHODS = ("GET", "OPTIONS")


class Endpoints:
    """
    Answers every request on the public listener.

    Args:
        services: What the handlers work with.
        mounts: What subscribers find under which path.

    Attributes:
        mounting: The same, with who answers.
    """

    def __init__(self, services: Services, mounts: Sequence[SubscriberMount]) -> None:
        self._services = services
        self.mounting = Mounting(services, mounts)
        self._script = Script(services)

    def replace(self, mounts: Sequence[SubscriberMount]) -> None:
        """Serve other mounts from now on."""
        self.mounting.replace(mounts)
        self._services.recall.forget()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request, whatever it is."""
        # Whatever becomes of it: the bytes of this request must not be taken for the next one's.
        parts = self._services.recall.claim(request.transport)
        known = identity(request.headers)
        request_id.set(known)
        try:
            return await self._answer(request, parts)
        except BrokerError as error:
            return self._refusal(request, error, known)
        except Exception:  # noqa: BLE001 - a client gets an answer even to our mistakes
            _log.exception("a request failed")
            failure = InternalError("the broker failed; try again later")
            return self._refusal(request, failure, known)

    async def _answer(self, request: web.BaseRequest, parts: Cut | None) -> web.StreamResponse:
        if self._services.closed():
            raise Draining("this node is about to stop")
        handler, path = self._find(request)
        if request.method == hdrs.METH_OPTIONS:
            return web.Response(headers=preflight(self._services.readable_by(request)))
        if request.method not in self._methods(request):
            raise MethodNotAllowed(f"{request.method} is not answered here", field="method")
        if request.body_exists:
            raise BadRequest("a subscription has no body", field="Content-Length")
        return await handler(request, path, parts)

    def _find(self, request: web.BaseRequest) -> tuple[Handler, str]:
        """
        Return who answers a request, and its path behind the mount.

        Raises:
            UnknownPath: nothing is mounted there.
        """
        path = _path(request)
        found = self.mounting.find(path, request.headers)
        if found is not None:
            mounted, rest = found
            return mounted.handler, rest
        head, _, rest = path.removeprefix("/").partition("/")
        if head == SCRIPT:
            return self._script.show, rest
        paths = [f"{mount.path}/" for mount in self.mounting.mounts]
        nearest = get_close_matches(f"/{head}/", paths, n=1)
        raise UnknownPath(
            f"nothing is served under this path; subscribe at {', '.join(paths[:MAX_TOLD])}; "
            "publishers and the console have a listener of their own",
            field="path",
            nearest=nearest[0] if nearest else None,
        )

    def _methods(self, request: web.BaseRequest) -> tuple[str, ...]:
        found = self.mounting.find(_path(request), request.headers)
        is_websocket = found is not None and found[0].mount.mode == _WEBSOCKET
        return _WEBSOCKET_METHODS if is_websocket else _METHODS

    def refuse(self, request: web.BaseRequest, error: BrokerError) -> web.Response:
        """Return the answer that says no to what could not be read."""
        return self._refusal(request, error, identity(request.headers))

    def _refusal(self, request: web.BaseRequest, error: BrokerError, known: str) -> web.Response:
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
            headers[hdrs.ALLOW] = ", ".join(self._methods(request))
        if REQUEST_ID in request.headers or isinstance(error, InternalError):
            headers[REQUEST_ID] = known
        response = web.Response(status=error.status, body=refusal_body(error), headers=headers)
        if isinstance(error, Draining):
            response.force_close()  # the next request is for another node
        return response


def _path(request: web.BaseRequest) -> str:
    """Return a request's path, still percent-encoded, with a single slash in front (as nginx)."""
    path = request.raw_path.partition("?")[0]
    if path.startswith("//"):
        return f"/{path.lstrip('/')}"
    # A proxy's request names the whole URL (RFC 9112, section 3.2.2).
    return path if path.startswith("/") else request.rel_url.raw_path


def make_public(endpoints: Endpoints, options: ServerOptions) -> web.Server:
    """Make the server of the public listener; on a running loop."""
    return make_server(endpoints.handle, endpoints.refuse, options)
