"""The endpoints about endpoints: `/openapi.json`, `/asyncapi.json`, and `/docs` for people."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from http import HTTPStatus
from importlib.resources import files

from aiohttp import hdrs, web
import orjson

from broker.api.call import Call, read_query
from broker.api.openapi.documents import asyncapi, openapi
from broker.api.problems import answer
from broker.api.router import Endpoint
from broker.core.channels import shown
from broker.core.errors import UnknownPath

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

_HTML = "text/html"
_PAGE = "viewer.html"


def about(endpoints: Sequence[Endpoint]) -> Sequence[Endpoint]:
    """
    Return the endpoints that describe others, and themselves.

    Args:
        endpoints: The others.
    """
    made = About(endpoints)
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
    Describes endpoints. No key is asked for: nothing of an installation is told.

    Attributes:
        endpoints: All that are described.
    """

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        self.endpoints = endpoints

    @cached_property
    def _openapi(self) -> bytes:
        return orjson.dumps(openapi(self.endpoints))

    @cached_property
    def _asyncapi(self) -> bytes:
        return orjson.dumps(asyncapi())

    async def openapi(self, call: Call) -> web.Response:
        """Return the description of the internal listener."""
        read_query(call.request, ())
        return answer(self._openapi)

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
