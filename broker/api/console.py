"""The console: a page, its scripts and styles; everything else it gets from the other endpoints."""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import hdrs, web

from broker.api.call import Call, read_query
from broker.api.problems import answer
from broker.assets import Asset, load_assets
from broker.core.channels import shown
from broker.core.errors import UnknownPath

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What the page may load: what comes with it; nothing inline, nothing from other hosts."""

_PAGE = "index.html"


class Console:
    """
    Hands out the console; it holds no secret, so that it needs no key.

    The page asks for a key, keeps it for its tab, and sends it as a header: no other page of the
    browser can send it along.
    """

    def __init__(self) -> None:
        self._assets = load_assets("console")

    async def page(self, call: Call) -> web.Response:
        """Return the page."""
        read_query(call.request, ())
        return _handed(call, self._assets[_PAGE])

    async def file(self, call: Call) -> web.Response:
        """Return a file that the page loads."""
        read_query(call.request, ())
        asset = self._assets.get(call.rest)
        if asset is None:
            raise UnknownPath(f"the console has no file {shown(call.rest)}", field="path")
        return _handed(call, asset)


def _handed(call: Call, asset: Asset) -> web.Response:
    headers = {
        hdrs.CACHE_CONTROL: "no-cache",
        hdrs.ETAG: asset.etag,
        "Content-Security-Policy": POLICY,
        "Cross-Origin-Opener-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
    }
    if asset.is_known(call.request.headers.get(hdrs.IF_NONE_MATCH, "")):
        return answer(b"", HTTPStatus.NOT_MODIFIED, asset.content_type, headers)
    return answer(asset.body, content_type=asset.content_type, headers=headers)
