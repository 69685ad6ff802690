"""
aiohttp's server, without its application.

aiohttp parses and answers; routing is ours, because that of aiohttp's application costs more than
all of ours. What is no HTTP at all is refused like everything else, by the one method of aiohttp's
that is overridden: `RequestHandler.handle_error`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
import asyncio

from aiohttp import StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage
from aiohttp.http_exceptions import LineTooLong
from yarl import URL

from broker.core.errors import BadRequest, BrokerError, InternalError

Handle = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
"""Answers a request, whatever it is."""

_NOTHING = URL("/")

Refuse = Callable[[web.BaseRequest, BrokerError], web.StreamResponse]
"""Makes the answer to something that could not be read."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """
    Bounds of requests.

    Attributes:
        keep_alive_s: Seconds that a connection may be silent, or slow with the head of a request.
        linger_s: Seconds for which the rest of a refused body is read and dropped, so that the
            answer arrives.
        line_bytes: Request line at most.
        header_bytes: Each header at most.
        body_bytes: Body at most.
    """

    keep_alive_s: float = 75.0
    linger_s: float = 2.0
    line_bytes: int = 8190
    header_bytes: int = 8190
    body_bytes: int = 0


def make_server(handle: Handle, refuse: Refuse, options: ServerOptions) -> web.Server:
    """Make a server; on a running loop. `web.ServerRunner` serves it."""
    return _Server(
        handle,
        refuse,
        request_factory=partial(_request, asyncio.get_running_loop(), options.body_bytes),
        access_log=None,
        auto_decompress=False,
        keepalive_timeout=options.keep_alive_s,
        lingering_time=options.linger_s,
        max_line_size=options.line_bytes,
        max_field_size=options.header_bytes,
    )


class _Server(web.Server):
    """aiohttp's server, with connections of ours."""

    def __init__(self, handle: Handle, refuse: Refuse, **options: object) -> None:
        super().__init__(handle, **options)  # type: ignore[arg-type]  # passed through
        self._refuse = refuse

    def __call__(self) -> web.RequestHandler:
        return _Connection(self, self._refuse, loop=self._loop, **self._kwargs)


class _Connection(web.RequestHandler):
    """aiohttp's connection, with answers of ours where it would answer by itself."""

    __slots__ = ("_refuse",)

    def __init__(self, server: _Server, refuse: Refuse, **options: object) -> None:
        super().__init__(server, **options)  # type: ignore[arg-type]  # passed through
        self._refuse = refuse

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - quotes the request, tokens included
    ) -> web.StreamResponse:
        """Answer what could not be read."""
        if request.writer.output_size > 0:
            raise ConnectionError("part of an answer was sent already")
        response = self._refuse(request, _reason(status, exc))
        response.force_close()
        return response


def _request(
    loop: asyncio.AbstractEventLoop,
    max_bytes: int,
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: web.RequestHandler,
    writer: AbstractStreamWriter,
    task: asyncio.Task[None],
) -> web.BaseRequest:
    if not message.path:  # a CONNECT that names nothing gets through aiohttp's parser
        message = message._replace(path="*", url=_NOTHING)
    return web.BaseRequest(
        message, payload, protocol, writer, task, loop, client_max_size=max_bytes
    )


def _reason(status: int, exc: BaseException | None) -> BrokerError:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return InternalError("the broker failed; its log tells more")
    if isinstance(exc, LineTooLong):
        return BadRequest("the request line or a header is too long")
    return BadRequest("this cannot be read as HTTP/1.1")
