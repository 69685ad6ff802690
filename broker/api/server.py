"""
The server of the internal listener.

aiohttp parses and answers. It is used without its application, whose routing costs more than all
of ours, so nothing but `Boundary` answers; what is no HTTP at all is answered here, by the one
method of aiohttp's that is overridden: `RequestHandler.handle_error`.
"""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
import asyncio

from aiohttp import StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage
from aiohttp.http_exceptions import LineTooLong

from broker.api.boundary import Boundary
from broker.api.problems import problem
from broker.core.errors import BadRequest, BrokerError, InternalError
from broker.settings import Settings

KEEP_ALIVE_S = 75.0
"""Seconds that a connection may be silent, or slow with the head of a request."""

LINGER_S = 2.0
"""Seconds for which the rest of a refused body is read and dropped, so that the answer arrives."""

_LINE_BYTES = 8190


class _Connection(web.RequestHandler):
    """aiohttp's connection, with problem documents where it would answer by itself."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - quotes the request, keys included
    ) -> web.StreamResponse:
        """Answer what could not be read."""
        if request.writer.output_size > 0:
            raise ConnectionError("part of an answer was sent already")
        response = problem(_reason(status, exc))
        response.force_close()
        return response


class _Server(web.Server):
    """aiohttp's server, with connections of ours."""

    def __call__(self) -> web.RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)


def make_server(boundary: Boundary, settings: Settings) -> web.Server:
    """
    Make the server; on a running loop. `web.ServerRunner` serves it.

    Args:
        boundary: Answers every request.
        settings: Limits.
    """
    names_bytes = settings.max_publish_channels * (settings.max_channel_bytes + 1)
    return _Server(
        boundary.handle,
        request_factory=partial(_request, asyncio.get_running_loop(), settings.max_body_bytes),
        access_log=None,
        auto_decompress=False,
        keepalive_timeout=KEEP_ALIVE_S,
        lingering_time=LINGER_S,
        max_line_size=_LINE_BYTES + names_bytes,
    )


def _request(
    loop: asyncio.AbstractEventLoop,
    max_bytes: int,
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: web.RequestHandler,
    writer: AbstractStreamWriter,
    task: asyncio.Task[None],
) -> web.BaseRequest:
    return web.BaseRequest(
        message, payload, protocol, writer, task, loop, client_max_size=max_bytes
    )


def _reason(status: int, exc: BaseException | None) -> BrokerError:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return InternalError("the broker failed; its log tells more")
    if isinstance(exc, LineTooLong):
        return BadRequest("the request line or a header is too long")
    return BadRequest("this cannot be read as HTTP/1.1")
