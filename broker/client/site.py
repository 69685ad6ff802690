"""One listener of a broker over HTTP: its session, its URLs, and what its refusals mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from ssl import SSLContext
from urllib.parse import quote, urlencode

from aiohttp import hdrs
from yarl import URL
import aiohttp
import orjson

from broker import __version__
from broker.client.address import Address
from broker.client.errors import (
    Blocked,
    ClientError,
    Closed,
    Lost,
    Refused,
    Unauthorized,
    Unreadable,
)
from broker.core.cursor import Cursor
from broker.core.errors import BadCursor

PROBLEM_TYPE = "application/problem+json"
EXPLAIN_HEADER = "X-Nginx-PushStream-Explain"
MAX_PROBLEM_BYTES = 65_536
"""Bytes of a refusal that are read; the broker's own take a few hundred."""

_LATER = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})


class Site:
    """
    A listener and the connections to it.

    Args:
        address: Where it is.
        tls: How its certificate is checked; None for the system's way.
    """

    def __init__(self, address: Address, tls: SSLContext | None = None) -> None:
        self._address = address
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    @property
    def base(self) -> str:
        """Where it is, for a person."""
        return self._address.socket or self._address.base

    @property
    def session(self) -> aiohttp.ClientSession:
        """
        The session; made on first use, because it belongs to the running loop.

        Raises:
            Closed: the client was closed; nobody would close another session.
        """
        if self._closed:
            raise Closed("the client is closed")
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=self._connector(),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={hdrs.USER_AGENT: f"broker-client/{__version__}"},
            )
        return self._session

    def url(
        self, mode: str, channels: Iterable[str] = (), parameters: Mapping[str, str] | None = None
    ) -> URL:
        """
        Return a URL.

        Args:
            mode: First segment of the path.
            channels: The further segments.
            parameters: The query.
        """
        path = "/".join((mode, *(quote(channel, safe="") for channel in channels)))
        query = f"?{urlencode(parameters)}" if parameters else ""
        return URL(f"{self._address.base}/{path}{query}", encoded=True)

    async def close(self) -> None:
        """Close every connection; none is made any more."""
        self._closed = True
        if self._session is not None:
            await self._session.close()

    def _connector(self) -> aiohttp.BaseConnector:
        # No limit: each subscription holds one connection, and publishers wait for their answers.
        if self._address.socket:
            return aiohttp.UnixConnector(self._address.socket, limit=0)
        if self._tls is not None:
            return aiohttp.TCPConnector(limit=0, ssl=self._tls)
        return aiohttp.TCPConnector(limit=0)


def verdict(
    status: int, headers: Mapping[str, str], body: bytes = b"", *, blocked: bool = False
) -> ClientError:
    """
    Return what an answer means that is not the one that was hoped for.

    Args:
        status: Its status.
        headers: Its headers.
        body: Its body, as far as it is there.
        blocked: Whether an answer that is none of a broker's says that the transport does not get
            through; otherwise it is a refusal.
    """
    problem = read_problem(headers, body)
    detail = str(problem.get("detail") or headers.get(EXPLAIN_HEADER) or _phrase(status))
    if status in _LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Lost(f"{detail} ({status})", retry_after_s(headers))
    if blocked and headers.get(hdrs.CONTENT_TYPE, "").partition(";")[0] != PROBLEM_TYPE:
        return Blocked(f"answered with {status}")
    if status == HTTPStatus.UNAUTHORIZED:
        return Unauthorized(status, detail, problem)
    return Refused(status, detail, problem)


def read_problem(headers: Mapping[str, str], body: bytes) -> dict[str, object]:
    """Return the members of a problem document; none where it is something else."""
    if not body or not headers.get(hdrs.CONTENT_TYPE, "").startswith(PROBLEM_TYPE):
        return {}
    try:
        members = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return members if isinstance(members, dict) else {}


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that an answer asks to wait; None where it says none."""
    text = headers.get(hdrs.RETRY_AFTER, "")
    return float(text) if text.isascii() and text.isdigit() else None


def header_cursor(headers: Mapping[str, str]) -> Cursor | None:
    """
    Return the cursor in the headers of a poll's answer (D44); None where there is none.

    A time alone, from which something in between took the tag, is none: it would skip the rest of
    its second.

    Raises:
        Unreadable: it cannot be read.
    """
    if hdrs.ETAG not in headers:
        return None
    try:
        return Cursor.of(headers.get(hdrs.LAST_MODIFIED), headers.get(hdrs.ETAG))
    except BadCursor as error:
        raise Unreadable("the cursor in the headers cannot be read") from error


async def read_body(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """
    Read a body.

    Raises:
        Unreadable: it is longer than the limit.
    """
    pieces, size = [], 0
    async for piece in response.content.iter_any():
        size += len(piece)
        if size > limit:
            raise Unreadable(f"an answer is longer than {limit} bytes")
        pieces.append(piece)
    return b"".join(pieces)


async def refusal(response: aiohttp.ClientResponse, *, blocked: bool = False) -> ClientError:
    """Return what an answer means; reads its body."""
    body = await read_body(response, MAX_PROBLEM_BYTES)
    return verdict(response.status, response.headers, body, blocked=blocked)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "an unknown status"
