"""Mounts that share a path."""

from __future__ import annotations

import pytest

from broker.catalog import Catalog, CatalogError
from broker.core.mounts import REST, wish_for

RULES = "channels: [{name: a, subscribe: public}]\nmounts:\n"


def rules(*modes: str) -> str:
    """Return rules with a mount of one path for each mode."""
    return RULES + "".join(f"  - {{path: /sub, mode: {mode}}}\n" for mode in modes)


@pytest.mark.parametrize("last", ["longpoll", "shortpoll", "stream"])
def test_one_path_serves_one_of_each_kind(last: str) -> None:
    """A WebSocket, an event stream, and a poll or a stream may share a path."""
    mounts = Catalog.parse(rules("websocket", "eventsource", last)).mounts
    assert ["websocket", "eventsource", REST] == [wish_for(mount.mode) for mount in mounts]


@pytest.mark.parametrize(
    "modes", [("websocket", "websocket"), ("longpoll", "stream"), ("shortpoll", "longpoll")]
)
def test_no_path_serves_two_of_a_kind(modes: tuple[str, ...]) -> None:
    """What no request can tell apart is a mistake, with the place of the first."""
    with pytest.raises(CatalogError, match="the path /sub is already given at"):
        Catalog.parse(rules(*modes))


def test_publishers_share_no_path() -> None:
    """Publishers and statistics are told apart by their path alone."""
    with pytest.raises(CatalogError, match="the path /sub is already given at"):
        Catalog.parse(rules("publisher", "nchan_publisher"))
