"""The client for JavaScript, where pages find it: beside the endpoints that it talks to."""

from __future__ import annotations

from aiohttp import hdrs, web

from broker.assets import load_asset
from broker.core.errors import UnknownPath
from broker.protocols.pushstream.answers import ALWAYS, cross_origin
from broker.protocols.pushstream.known import Cut
from broker.protocols.pushstream.services import Services

FILE = "client.js"


class Script:
    """
    Hands out the client.

    Browsers ask each time whether it is still the same: it has to fit the broker.

    Args:
        services: Knows which pages may read it; modules are read by the rules of `fetch`.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._asset = load_asset(FILE)

    async def show(
        self,
        request: web.BaseRequest,
        path: str,
        parts: Cut | None,  # noqa: ARG002 - for requests that are answered again and again
    ) -> web.StreamResponse:
        """
        Return it, or 304 to who has it.

        Raises:
            UnknownPath: the path goes on.
        """
        if path:
            raise UnknownPath(f"the client is at /{FILE}", field="path", nearest=f"/{FILE}")
        asset = self._asset
        headers = {
            **ALWAYS,
            **cross_origin(self._services.readable_by(request)),
            hdrs.CACHE_CONTROL: "no-cache",
            hdrs.ETAG: asset.etag,
        }
        del headers[hdrs.EXPIRES]
        if asset.is_known(request.headers.get(hdrs.IF_NONE_MATCH, "")):
            return web.Response(status=304, headers=headers)
        return web.Response(
            body=asset.body, headers={**headers, hdrs.CONTENT_TYPE: asset.content_type}
        )
