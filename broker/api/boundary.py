"""The boundary: every request comes in here, and every error leaves as a problem document."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
import logging

from aiohttp import web

from broker import logs, tracing
from broker.api.access import Guard
from broker.api.call import Call
from broker.api.mounts import Mounts
from broker.api.problems import problem
from broker.api.router import Router
from broker.auth.api_keys import Principal
from broker.core.errors import BodyTimeout, BodyTooLarge, BrokerError, InternalError
from broker.core.tenants import MAIN_TENANT
from broker.transports.identity import REQUEST_ID, identity

_log = logging.getLogger(__name__)

ANYBODY = Principal("", MAIN_TENANT)
"""Who calls an endpoint that asks for no key."""

_ENDLESS = (BodyTooLarge, BodyTimeout)
"""Refusals of bodies that may go on for ever; the rest of any other is read and dropped."""


class Boundary:
    """
    Lets requests in, finds what answers them, and turns errors into answers.

    Args:
        router: Finds what answers a request.
        mounts: Finds it first where `channels.yaml` mounts something.
        guard: Decides who may come in.
        refused: Counts refusals.
    """

    def __init__(
        self,
        router: Router,
        mounts: Mounts,
        guard: Guard,
        refused: Callable[[BrokerError], None],
    ) -> None:
        self._router = router
        self._mounts = mounts
        self._guard = guard
        self._count = refused

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request, whatever it is, under its id."""
        known = identity(request.headers)
        logs.request_id.set(known)
        tracing.parent.set(request.headers.get("traceparent", ""))
        began = monotonic()
        response = await self._handle(request, known)
        if not response.prepared:
            response.headers[REQUEST_ID] = known
        if _log.isEnabledFor(logging.DEBUG):
            took_ms = 1000 * (monotonic() - began)
            _log.debug("%s: %d in %.1f ms", request.method, response.status, took_ms)
        return response

    async def _handle(self, request: web.BaseRequest, known: str) -> web.StreamResponse:
        try:
            return await self._answer(request)
        except BrokerError as error:
            self._count(error)
            return _refused(request, error)
        except ConnectionError:  # the client has gone
            raise
        except Exception:  # noqa: BLE001 - a client gets an answer even to our mistakes
            return self._failed(request.method, known)

    def _failed(self, method: str, known: str) -> web.Response:
        _log.exception("a request failed: method %s, request id %s", method, known)
        error = InternalError("the broker failed; its log tells more")
        self._count(error)
        return problem(error, known)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self._guard.check_site(request.headers)
        path = _path(request)
        endpoint, rest = self._mounts.find(path) or self._router.find(path)
        name, tenant = ANYBODY if endpoint.keyless else self._guard.identify(request.headers)
        handler = self._router.handler(endpoint, request.method)
        return await handler(Call(request, tenant, rest, name))


def _path(request: web.BaseRequest) -> str:
    path = request.raw_path.partition("?")[0]
    # A proxy's request names the whole URL (RFC 9112, section 3.2.2).
    return path if path.startswith("/") else request.rel_url.raw_path


def _refused(request: web.BaseRequest, error: BrokerError) -> web.Response:
    response = problem(error)
    if isinstance(error, _ENDLESS) and not request.content.is_eof():
        response.force_close()
    return response
