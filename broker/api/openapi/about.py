"""The endpoints about endpoints: `/openapi.json`, `/asyncapi.json`, and `/docs` for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, lru_cache
from http import HTTPStatus
from importlib.resources import files

from aiohttp import hdrs, web
import orjson

from broker.api.access import Guard
from broker.api.call import Call, read_query
from broker.api.openapi.documents import asyncapi, openapi
from broker.api.problems import answer
from broker.api.router import Endpoint
from broker.catalog import Catalog
from broker.core.channels import shown
from broker.core.errors import UnknownPath
from broker.core.mounts import BUILT_IN, Mount
from broker.core.publisher_mounts import PublisherMount, StatisticsMount

POLICY = (
    "default-src 'none'; "
    "script-src 'self'; "
    "style-src 'self' 'unsafe-inline'; "  # the viewer's components carry their styles
    "connect-src 'self'; "
    "img-src 'self' data:; "
    "base-uri 'none'; "
    "form-action 'none'; "
    "frame-ancestors 'none'"
)
"""What the viewer may load: what comes with it, and the document; nothing from other hosts."""

ASSETS = {
    "rapidoc.js": "text/javascript",
    "viewer.css": "text/css",
    "LICENSE.txt": "text/plain",
}
"""Files of the viewer, with their types."""

_DOCUMENTS = 4
"""Documents that are kept: with a key and without, by the rules of now and of before."""

_HTML = "text/html"
_PAGE = "viewer.html"


def about(
    endpoints: Sequence[Endpoint], catalog: Callable[[], Catalog], guard: Guard
) -> Sequence[Endpoint]:
    """
    Return the endpoints that describe others, and themselves.

    Args:
        endpoints: The others.
        catalog: Gives the mounts of this moment.
        guard: Knows who has a key.
    """
    made = About(endpoints, catalog, guard)
    own = (
        Endpoint("/openapi.json", {hdrs.METH_GET: made.openapi}, keyless=True),
        Endpoint("/asyncapi.json", {hdrs.METH_GET: made.asyncapi}, keyless=True),
        Endpoint("/docs", {hdrs.METH_GET: made.viewer}, keyless=True),
        Endpoint("/docs/{asset}", {hdrs.METH_GET: made.asset}, keyless=True),
    )
    made.endpoints = (*endpoints, *own)
    return own


class About:
    """
    Describes endpoints. No key is asked for: nothing of an installation is told without one.

    Args:
        catalog: Gives the mounts of this moment.
        guard: Knows who has a key, and so may know of mounts of the operator's own.

    Attributes:
        endpoints: All that are described.
    """

    def __init__(
        self, endpoints: Sequence[Endpoint], catalog: Callable[[], Catalog], guard: Guard
    ) -> None:
        self.endpoints = endpoints
        self._catalog = catalog
        self._guard = guard
        self._openapi = lru_cache(_DOCUMENTS)(self._described)

    def _described(self, mounts: Sequence[Mount]) -> bytes:
        return orjson.dumps(openapi(self.endpoints, mounts))

    def _mounts(self, headers: Mapping[str, str]) -> Sequence[Mount]:
        """Return the mounts that whoever sends a request may know of."""
        trusted = self._guard.trusts(headers)
        return tuple(
            mount
            for mount in self._catalog().mounts
            if isinstance(mount, PublisherMount | StatisticsMount)
            and (trusted or mount.place is BUILT_IN)
        )

    @cached_property
    def _asyncapi(self) -> bytes:
        return orjson.dumps(asyncapi())

    async def openapi(self, call: Call) -> web.Response:
        """Return the description of the internal listener."""
        read_query(call.request, ())
        return answer(self._openapi(self._mounts(call.request.headers)))

    async def asyncapi(self, call: Call) -> web.Response:
        """Return the description of the public listener."""
        read_query(call.request, ())
        return answer(self._asyncapi)

    async def viewer(self, call: Call) -> web.Response:
        """Return a page that shows the description."""
        read_query(call.request, ())
        return _file(_PAGE, _HTML)

    async def asset(self, call: Call) -> web.Response:
        """
        Return a file of that page.

        Raises:
            UnknownPath: There is no such file.
        """
        read_query(call.request, ())
        content_type = ASSETS.get(call.rest)
        if content_type is None:
            raise UnknownPath(f"the viewer has no file {shown(call.rest)}", field="path")
        return _file(call.rest, content_type)


def _file(name: str, content_type: str) -> web.Response:
    body = (files("broker.api.openapi") / "assets" / name).read_bytes()
    headers = {"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer"}
    return answer(body, HTTPStatus.OK, content_type, headers)
