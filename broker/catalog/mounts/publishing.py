"""The keys of mounts for publishers and statistics."""

from __future__ import annotations

from typing import Any, cast

from broker.catalog.document import Node
from broker.catalog.mounts.kind import MountKind, Site
from broker.catalog.mounts.values import MountValues
from broker.core.mounts import Mount
from broker.core.publisher_mounts import (
    INTERNAL_HEADS,
    PUBLISHER_MODES,
    STANDARD_PUBLISHERS,
    STATISTICS_MODE,
    Bodies,
    PublisherMount,
    StatisticsMount,
)

MAX_MESSAGES = 1_000_000
"""Messages kept of a channel, as the entries of `channels` have it."""

MAX_MESSAGE_TTL_S = 30 * 86_400
"""Age of a kept message, as the entries of `channels` have it."""

_MAX_TEXT = 1024
_BODIES = ("auto", "json", "text")
_SCOPES = ("all", "node")
_FLAGS = ("delete", "store", "info", "backtrack")
_PUBLISHER_KEYS = (*_FLAGS, "prefix", "allow", "messages", "message_ttl", "body")
_KEYS = {
    **dict.fromkeys(PUBLISHER_MODES, _PUBLISHER_KEYS),
    STATISTICS_MODE: ("scope",),
}


def _read(values: MountValues, site: Site, table: dict[str, Node]) -> Mount:
    """Read a mount of the internal listener."""
    if site.path.split("/")[1:2] and site.path.split("/")[1] in INTERNAL_HEADS:
        values.report(site.place, f"the broker's own API is at {site.path}; choose another path")
    if site.mode == STATISTICS_MODE:
        return _statistics(values, site, table)
    return _publisher(values, site, table)


def _statistics(values: MountValues, site: Site, table: dict[str, Node]) -> StatisticsMount:
    scope = values.choice(table["scope"], "scope", _SCOPES) if "scope" in table else None
    return StatisticsMount(*site, alone=scope == "node")


def _publisher(values: MountValues, site: Site, table: dict[str, Node]) -> PublisherMount:
    fields: dict[str, Any] = {key: values.flag(table[key], key) for key in _FLAGS if key in table}
    if "prefix" in table:
        fields["prefix"] = values.words(table["prefix"], "prefix", _MAX_TEXT)
    if "allow" in table:
        fields["allow"] = values.patterns(table["allow"], "allow")
    if "messages" in table:
        fields["messages"] = values.number(table["messages"], "messages", 0, MAX_MESSAGES)
    if "message_ttl" in table:
        fields["message_ttl_s"] = values.duration(
            table["message_ttl"], "message_ttl", MAX_MESSAGE_TTL_S
        )
    if "body" in table:
        fields["body"] = cast("Bodies", values.choice(table["body"], "body", _BODIES) or "auto")
    return PublisherMount(*site, **fields)


PUBLISHING = MountKind("internal", _KEYS, _read, STANDARD_PUBLISHERS)
"""Mounts for publishers and statistics."""
