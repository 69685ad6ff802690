"""What becomes of the directives of nchan, and of the push module that it followed."""

from __future__ import annotations

from broker.migration.configuration import Directive
from broker.migration.draft import MountDraft, NoCounterpart
from broker.migration.endpoints import Endpoint
from broker.migration.sources import Source, find_source

TRANSPORTS = {
    "websocket": "websocket",
    "ws": "websocket",
    "websockets": "websocket",
    "eventsource": "eventsource",
    "sse": "eventsource",
    "es": "eventsource",
    "longpoll": "longpoll",
    "long-poll": "longpoll",
    "longpolling": "longpoll",
    "intervalpoll": "shortpoll",
    "interval-poll": "shortpoll",
    "poll": "shortpoll",
    "chunked": "stream",
    "http-chunked": "stream",
    "http-raw-stream": "stream",
}
"""Modes of mounts by nchan's names of its transports."""

DEFAULT_TRANSPORTS = ("websocket", "eventsource", "longpoll")
"""What a subscriber location serves unasked, but for two that few clients ask for."""

PUBLISHERS = frozenset({"nchan_publisher"})
"""Modes of mounts that publish in the dialect of nchan."""

_SUBSCRIBES = ("nchan_subscriber", "nchan_subscriber_location", "push_subscriber")
_PUBLISHES = ("nchan_publisher", "nchan_publisher_location", "push_publisher")
_BOTH = ("nchan_pubsub", "nchan_pubsub_location")
_UNSERVED = {"multipart-mixed", "http-multipart-mixed"}
_IDS = ("nchan_channel_id", "nchan_pubsub_channel_id", "push_channel_id")
_SUBSCRIBER_IDS = ("nchan_subscriber_channel_id", "nchan_sub_channel_id", *_IDS)
_PUBLISHER_IDS = ("nchan_publisher_channel_id", "nchan_pub_channel_id", *_IDS)
_GROUP_MARK = "."


def draft_mounts(endpoint: Endpoint, role: Directive) -> tuple[list[MountDraft], str]:
    """
    Return what stands for a location of nchan.

    Args:
        endpoint: The location.
        role: What makes it answer.

    Returns:
        The mounts, and how they differ from the location; empty where they do not.

    Raises:
        NoCounterpart: No mount can stand for it.
    """
    mounts: list[MountDraft] = []
    remarks: list[str] = []
    place = endpoint.block.place
    if role.name in (*_SUBSCRIBES, *_BOTH):
        source = _source(endpoint, _SUBSCRIBER_IDS)
        modes, remark = _modes(role)
        for mode in modes:
            mount = MountDraft(source.path, mode, place, role, dict(source.keys))
            mount.keys |= {"template": "~text~", "backlog": True}
            if mode not in {"eventsource", "stream"}:
                mount.keys["nchan"] = True
            mount.keys["cursor"] = {"event_id": "last_event_id"}
            mounts.append(mount)
        remarks += [source.remark, remark]
    if role.name in (*_PUBLISHES, *_BOTH):
        source = _source(endpoint, _PUBLISHER_IDS)
        mount = MountDraft(source.path, "nchan_publisher", place, role, dict(source.keys))
        mount.keys |= {"delete": True, "body": "text"}
        mounts.append(mount)
    if not mounts:
        raise NoCounterpart(_NO_ROLE.get(role.name, "it has no counterpart"))
    return mounts, "; ".join(dict.fromkeys(filter(None, remarks)))


_NO_ROLE = {
    "nchan_group_location": "the limits of groups are settings and channel rules",
    "nchan_stub_status": "the internal listener has /stats and /metrics",
    "nchan_subscriber_info": "the internal listener tells who is there, as numbers",
}


def _source(endpoint: Endpoint, names: tuple[str, ...]) -> Source:
    found = endpoint.find(*names)
    group = endpoint.value("nchan_channel_group", "push_channel_group")
    if "$" in group:
        raise NoCounterpart("its group is a variable; a mount puts one text before its channels")
    return find_source(
        endpoint.block, found.words if found else (), f"{group}{_GROUP_MARK}" if group else ""
    )


def _modes(role: Directive) -> tuple[list[str], str]:
    words = [word.lower() for word in role.words if word.lower() not in {"http", "on"}]
    if role.name == "push_subscriber":
        words = ["poll" if "interval-poll" in words else "longpoll"]
    unserved = sorted(_UNSERVED.intersection(words))
    unknown = [word for word in words if word not in TRANSPORTS and word not in _UNSERVED]
    if unknown:
        raise NoCounterpart(f"{unknown[0]} is no way to subscribe")
    modes = list(dict.fromkeys(TRANSPORTS[word] for word in words if word in TRANSPORTS))
    if unserved and not modes:
        raise NoCounterpart(f"{unserved[0]} is not served")
    if {"longpoll", "shortpoll"} <= set(modes):
        modes.remove("shortpoll")
    if {"longpoll", "stream"} <= set(modes):
        modes.remove("stream")
        unserved.append("a stream beside a long poll")
    remark = f"{unserved[0]} is not served" if unserved else ""
    return modes or list(DEFAULT_TRANSPORTS), remark
