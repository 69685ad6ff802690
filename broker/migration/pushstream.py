"""What becomes of the directives of nginx's push-stream module."""

from __future__ import annotations

from broker.migration.configuration import Directive
from broker.migration.draft import MountDraft, NoCounterpart
from broker.migration.endpoints import Endpoint
from broker.migration.rows import SUBSCRIBERS
from broker.migration.sources import find_source

MODES = {
    "": "stream",
    "streaming": "stream",
    "polling": "shortpoll",
    "long-polling": "longpoll",
    "eventsource": "eventsource",
    "websocket": "websocket",
}
"""Modes of mounts by the words of `push_stream_subscriber`."""

MAX_HOLD_S = 3600
"""Seconds that a mount may hold a long poll."""

MAX_TTL_S = 7 * 86_400
"""Seconds that a mount may give to a connection."""

MAX_AGE_S = 30 * 86_400
"""Seconds for which messages may be kept."""

MAX_MESSAGES = 1_000_000
"""Messages that may be kept of a channel."""

_HOLDS = ("push_stream_longpolling_connection_ttl", "push_stream_subscriber_connection_ttl")
_ENDLESS = "a poll is held for `BROKER_LONGPOLL_TIMEOUT_S`, not for ever"
_BODIES = SUBSCRIBERS - {"websocket", "eventsource"}
_MODE_HEADER = frozenset({"stream", "eventsource", "shortpoll"})
_CONTENT_TYPES = ("text/plain", "application/json", "text/html")


def draft_mounts(endpoint: Endpoint, role: Directive) -> tuple[list[MountDraft], str]:
    """
    Return what stands for a location of the module, with all that the module does unasked.

    Args:
        endpoint: The location.
        role: What makes it answer.

    Returns:
        The mounts, and how they differ from the location; empty where they do not.

    Raises:
        NoCounterpart: No mount can stand for it.
    """
    path = endpoint.find("push_stream_channels_path")
    source = find_source(endpoint.block, path.words if path else ())
    place = endpoint.block.place
    if role.name == "push_stream_channels_statistics":
        return [
            MountDraft(source.path, "statistics", place, role, dict(source.keys))
        ], source.remark
    if role.name == "push_stream_publisher":
        mount = MountDraft(source.path, "publisher", place, role, dict(source.keys))
        mount.keys |= {"delete": role.value == "admin", "backtrack": True}
        mount.keys["store"] = endpoint.is_on("push_stream_store_messages")
        unkept = "" if mount.keys["store"] else "nothing is kept; without `store: false` it is"
        return [mount], _remarks(source.remark, unkept)
    mode = MODES.get(role.value)
    if mode is None:
        raise NoCounterpart(f"{role.value} is no way to subscribe")
    mount = MountDraft(source.path, mode, place, role, dict(source.keys))
    mount.keys |= {"template": "~text~", "backtrack": True}
    if mode in _BODIES:
        mount.keys |= {"separator": "", "content_type": _content_type(endpoint)}
        if endpoint.is_on("gzip"):
            mount.keys["compress"] = True
    if mode in {"longpoll", "shortpoll"}:
        mount.keys["jsonp"] = True
    if mode in _MODE_HEADER:
        mount.keys["mode_header"] = True
    endless = mode == "longpoll" and endpoint.find(*_HOLDS) is None
    return [mount], _remarks(source.remark, _ENDLESS if endless else "")


def _remarks(*remarks: str) -> str:
    return "; ".join(filter(None, remarks))


def _content_type(endpoint: Endpoint) -> str:
    found = endpoint.value("default_type").partition(";")[0].strip()
    return found if found in _CONTENT_TYPES else _CONTENT_TYPES[0]
