"""Mounting: from the mounts of `channels.yaml` to who answers under them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from aiohttp import hdrs, web

from broker.core.mounts import BUILT_IN, REST, SubscriberMount, find_mount, wish_for
from broker.protocols.pushstream.known import Cut
from broker.protocols.pushstream.modes.polling import Polling
from broker.protocols.pushstream.modes.streams import EventStreams, PlainStreams
from broker.protocols.pushstream.modes.websockets import WebSockets
from broker.protocols.pushstream.services import Services

Handler = Callable[[web.BaseRequest, str, Cut | None], Awaitable[web.StreamResponse]]
"""Answers a request: with its path behind the mount, its bytes where it came whole and alone."""

MODE_HEADER = "X-Nginx-PushStream-Mode"
"""Asks a stream or short poll to be another kind of poll (push-stream reference, section 2)."""

_EVENTS = "text/event-stream"
_POLLS = {"polling": False, "long-polling": True}


class Mounted(NamedTuple):
    """
    A mount and who answers under it.

    Attributes:
        mount: The mount.
        handler: Answers its requests.
    """

    mount: SubscriberMount
    handler: Handler


class Mounting:
    """
    The mounts of the public listener.

    Args:
        services: What the handlers work with.
        mounts: The mounts.
    """

    def __init__(self, services: Services, mounts: Sequence[SubscriberMount]) -> None:
        self._services = services
        self._handlers: dict[SubscriberMount, Handler] = {}
        self._mounts: Sequence[SubscriberMount] = ()
        self._sharing: dict[str, dict[str, SubscriberMount]] = {}
        self.replace(mounts)

    @property
    def mounts(self) -> Sequence[SubscriberMount]:
        """Those that are served."""
        return self._mounts

    def replace(self, mounts: Sequence[SubscriberMount]) -> None:
        """Serve other mounts from now on; whoever is connected already goes on as it began."""
        before = self._handlers
        self._mounts = [replace(mount, place=BUILT_IN, description="") for mount in mounts]
        self._sharing = {}
        for mount in self._mounts:
            self._sharing.setdefault(mount.path, {})[wish_for(mount.mode)] = mount
        self._handlers = {
            mount: before.get(mount) or self._handler(mount) for mount in self._mounts
        }

    def find(self, path: str, headers: Mapping[str, str]) -> tuple[Mounted, str] | None:
        """
        Return who answers a request, and the rest of its path; None where nothing is mounted.

        Where mounts share a path, the request's wish decides, else the first of them.

        Args:
            path: Path of the request, still percent-encoded.
            headers: Its headers.
        """
        found = find_mount(self._mounts, path)
        if found is None:
            return None
        mount, rest = found
        sharing = self._sharing[mount.path]
        if len(sharing) > 1:
            mount = sharing.get(_wish(headers), mount)
        return Mounted(mount, self._handlers[mount]), rest

    def _handler(self, mount: SubscriberMount) -> Handler:
        usual = self._usual(mount)
        if not mount.mode_header:
            return usual
        polls = {
            name: Polling(self._services, mount, hold=hold).answer for name, hold in _POLLS.items()
        }

        async def switch(
            request: web.BaseRequest, path: str, parts: Cut | None
        ) -> web.StreamResponse:
            wanted = request.headers.get(MODE_HEADER, "").lower()
            return await polls.get(wanted, usual)(request, path, parts)

        return switch

    def _usual(self, mount: SubscriberMount) -> Handler:
        if mount.mode == "websocket":
            return WebSockets(self._services, mount).open
        if mount.mode == "eventsource":
            return EventStreams(self._services, mount).open
        if mount.mode == "stream":
            return PlainStreams(self._services, mount).open
        return Polling(self._services, mount, hold=mount.mode == "longpoll").answer


def _wish(headers: Mapping[str, str]) -> str:
    """Return what a request wants, as `wish_for` names it (nchan: one URL for all transports)."""
    if headers.get(hdrs.UPGRADE, "").lower() == "websocket":
        return "websocket"
    return "eventsource" if _EVENTS in headers.get(hdrs.ACCEPT, "") else REST
