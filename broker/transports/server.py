"""
aiohttp's server, without its application.

aiohttp parses and answers; routing is ours, because that of aiohttp's application costs more than
all of ours. What is no HTTP at all is refused like everything else, by the one method of aiohttp's
that is overridden: `RequestHandler.handle_error`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
import asyncio

from aiohttp import StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage
from aiohttp.http_exceptions import LineTooLong
from yarl import URL

from broker.core.errors import BadRequest, BrokerError, InternalError
from broker.transports.traffic import Traffic

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
        head_s: Seconds in which the head of the first request must be there.
        keep_alive_s: Seconds that a connection may be silent, or slow with the head of a request,
            after another one.
        linger_s: Seconds for which the rest of a refused body is read and dropped, so that the
            answer arrives.
        line_bytes: Request line at most.
        header_bytes: Each header at most.
        setting: What sets these two, where one setting does.
        body_bytes: Body at most.
        traffic: Counts connections while they are aiohttp's.
    """

    head_s: float = 10.0
    keep_alive_s: float = 75.0
    linger_s: float = 2.0
    line_bytes: int = 8190
    header_bytes: int = 8190
    setting: str | None = None
    body_bytes: int = 0
    traffic: Traffic = field(default_factory=Traffic)


def make_server(handle: Handle, refuse: Refuse, options: ServerOptions) -> web.Server:
    """Make a server; on a running loop. `web.ServerRunner` serves it."""
    return _Server(
        handle,
        refuse,
        options,
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

    def __init__(
        self, handle: Handle, refuse: Refuse, own: ServerOptions, **options: object
    ) -> None:
        super().__init__(handle, **options)  # type: ignore[arg-type]  # passed through
        self._refuse = refuse
        self._own = own

    def __call__(self) -> web.RequestHandler:
        return _Connection(self, self._refuse, self._own, loop=self._loop, **self._kwargs)


class _Connection(web.RequestHandler):
    """
    aiohttp's connection, with answers of ours where it would answer by itself.

    Attributes:
        sends_no_more: Whether the client has closed its side.
    """

    __slots__ = ("_body", "_counted", "_own", "_refuse", "sends_no_more")

    def __init__(
        self, server: _Server, refuse: Refuse, own: ServerOptions, **options: object
    ) -> None:
        super().__init__(server, **options)  # type: ignore[arg-type]  # passed through
        self._refuse = refuse
        self._own = own
        self._counted: asyncio.BaseTransport | None = None
        self._body: StreamReader | None = None
        self.sends_no_more = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; the first head has its own deadline."""
        self._counted = transport
        self._own.traffic.enter(transport)
        self._keepalive_timeout = self._own.head_s
        super().connection_made(transport)
        self._keepalive_timeout = self._own.keep_alive_s

    def data_received(self, data: bytes) -> None:
        """Take bytes, and note where the body of the last request will be."""
        super().data_received(data)
        if self._messages:
            self._body = self._messages[-1][1]

    def eof_received(self) -> bool:  # type: ignore[override]  # as the loop has it
        """
        Keep the connection of a client that says nothing more for the answer to its request.

        Of a request that is not whole, or of several, none is waited for.
        """
        if self._body is None or not self._body.is_eof() or self._under_way() != 1:
            return False
        self.sends_no_more = True
        self.close()  # behind the answer
        return True

    def _under_way(self) -> int:
        """Return how many requests have no answer yet."""
        queued, waiter = len(self._messages), self._waiter
        if waiter is not None:
            return queued
        return queued if queued == self._request_count else queued + 1

    def connection_lost(self, exc: BaseException | None) -> None:
        """Let go, of a connection that is gone or somebody else's now."""
        if self._counted is not None:
            self._own.traffic.leave(self._counted)
            self._counted = None
        super().connection_lost(exc)

    def force_close(self) -> None:
        """Close; what aiohttp does as well when the first head has not come in time."""
        is_late = self._loop.time() >= self._next_keepalive_close_time
        if self._counted is not None and not self._request_count and is_late:
            self._own.traffic.timed_out()
        super().force_close()

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
        response = self._refuse(request, _reason(status, exc, self._own.setting))
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


def _reason(status: int, exc: BaseException | None, setting: str | None) -> BrokerError:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return InternalError("the broker failed; its log tells more")
    if isinstance(exc, LineTooLong):
        return BadRequest("the request line or a header is too long", setting=setting)
    return BadRequest("this cannot be read as HTTP/1.1")
