"""The switchboard: what a listener hears, to whom it concerns."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from broker.census.circle import NODES, Circle
from broker.core.cursor import Cursor
from broker.core.message import Message
from broker.store.base import Sink


class Switchboard(Sink):
    """
    Hands announcements to the hub, and what nodes tell one another to the circle.

    Args:
        hub: Who hears of channels.
        circle: Who hears of nodes.
    """

    def __init__(self, hub: Sink, circle: Circle) -> None:
        self._hub = hub
        self._circle = circle

    def received(self, tenant: str, messages: Sequence[Message]) -> None:
        if tenant == NODES:
            self._circle.hear(messages)
        else:
            self._hub.received(tenant, messages)

    def deleted(self, tenant: str, channel: str, cursor: Cursor) -> None:
        self._hub.deleted(tenant, channel, cursor)

    def ticked(self, tenant: str, cursor: Cursor) -> None:
        self._hub.ticked(tenant, cursor)

    def interrupted(self, tenants: Collection[str] | None = None) -> None:
        self._hub.interrupted(tenants)

    def resumed(self, tenants: Collection[str] | None = None) -> None:
        self._hub.resumed(tenants)
        if tenants is None or NODES in tenants:
            self._circle.greet()
