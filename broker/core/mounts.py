"""Mounts: what is served under which path, as `channels.yaml` has it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from broker.core.rules import Pattern, Place, Rule
from broker.core.templates import Template

BUILT_IN = Place("built in", 1, 1)
"""Where the standard mounts stand."""

SUBSCRIBER_MODES = ("websocket", "longpoll", "shortpoll", "eventsource", "stream")
"""The ways in which a subscriber is served."""

CONTENT_TYPES = ("text/plain", "application/json", "text/html")
"""What polls and streams may call what they send."""


@dataclass(frozen=True, slots=True)
class Mount:
    """
    What is served under one path.

    Attributes:
        path: The path, without a slash at its end; whole segments of a request's path match it.
        mode: What is served.
        place: Where it stands.
        description: For people.
        argument: Query argument that lists the channels; empty where the path does.
        fixed: The channels, where neither does.
    """

    path: str
    mode: str
    place: Place = BUILT_IN
    description: str = ""
    argument: str = ""
    fixed: tuple[str, ...] = ()

    @property
    def is_exact(self) -> bool:
        """Whether nothing may follow the path."""
        return bool(self.argument or self.fixed)


class Texts(NamedTuple):
    """
    Texts of what the broker itself says.

    Attributes:
        ping: Of a sign of life.
        timeout: Of what answers a hold that is over.
    """

    ping: str = " "
    timeout: str = "Timed out"


class Wildcard(NamedTuple):
    """
    A class of channels of which a request may name only some.

    Attributes:
        prefix: What their names begin with.
        most: How many of them one request may name.

    Source: push-stream reference, section 11.
    """

    prefix: str
    most: int


class CursorArguments(NamedTuple):
    """
    Names of the query arguments that carry the cursor, in lower case.

    Attributes:
        time: Its time.
        tag: Its tag.
        event_id: The whole of it, as the last event's id; empty where only the header has it.
    """

    time: str = "time"
    tag: str = "tag"
    event_id: str = ""


@dataclass(frozen=True, slots=True)
class SubscriberMount(Mount):
    """
    Subscribers under one path, and how they are served.

    Attributes:
        prefix: Put before every name of a channel.
        allow: Patterns that a channel must match, one of them; any channel where there is none.
        subscribe: Rules that the token must satisfy, one of them; none asked where there is none.
        max_channels: Channels in one request at most; None for the setting.
        max_channel_bytes: Bytes of one name at most; None for the setting.
        backtrack: Whether `.bN` behind a name asks for its last N messages.
        backlog: Whether who brings no cursor begins with the oldest message that is kept.
        wildcard: The class of channels of which a request may name only some.
        stored_only: Whether every channel must hold a message.
        cursor: Where the query carries the cursor.
        template: What is written for a message; the envelope where there is none.
        header: What comes first.
        footer: What comes last.
        separator: What follows every message of a poll or stream.
        content_type: Of polls and streams.
        texts: What the broker itself says.
        hold_s: Seconds that a long poll is held; None for the setting.
        timeout_body: Whether a hold that is over is answered with a message.
        jsonp: Whether `callback` is obeyed.
        compress: Whether answers are compressed for who asks.
        mode_header: Whether `X-Nginx-PushStream-Mode` is obeyed.
        ttl_s: Seconds after which a connection ends; None for never.
        publish: Whether text frames of a WebSocket are published.
        nchan: Whether the dialect of nchan's clients is spoken: its WebSocket subprotocol, and
            several messages of a poll as parts.

    Source: push-stream reference, section 3.
    """

    prefix: str = ""
    allow: tuple[Pattern, ...] = ()
    subscribe: tuple[Rule, ...] = ()
    max_channels: int | None = None
    max_channel_bytes: int | None = None
    backtrack: bool = False
    backlog: bool = False
    wildcard: Wildcard | None = None
    stored_only: bool = False
    cursor: CursorArguments = field(default_factory=CursorArguments)
    template: Template | None = None
    header: str = ""
    footer: str = ""
    separator: str = "\n"
    content_type: str = "text/plain"
    texts: Texts = field(default_factory=Texts)
    hold_s: int | None = None
    timeout_body: bool = False
    jsonp: bool = False
    compress: bool = False
    mode_header: bool = False
    ttl_s: int | None = None
    publish: bool = False
    nchan: bool = False

    def allows(self, channel: str) -> bool:
        """Tell whether a channel is served here at all."""
        return not self.allow or any(pattern.match(channel) is not None for pattern in self.allow)


STANDARD_SUBSCRIBERS: tuple[SubscriberMount, ...] = (
    SubscriberMount("/websocket", "websocket"),
    SubscriberMount("/longpoll", "longpoll"),
    SubscriberMount("/shortpoll", "shortpoll"),
    SubscriberMount("/eventsource", "eventsource"),
    SubscriberMount("/sse", "eventsource"),
    SubscriberMount("/stream", "stream"),
)
"""What subscribers find where nothing else is said (D5 to D7; `design.md` section 6)."""

REST = "poll or stream"
"""What a request wants that asks for neither a WebSocket nor an event stream."""


def wish_for(mode: str) -> str:
    """
    Return which requests a mode serves where mounts for subscribers share a path.

    Returns:
        `websocket`, `eventsource` or `REST`; one path has at most one mount for each.
    """
    return mode if mode in {"websocket", "eventsource"} else REST


AnyMount = TypeVar("AnyMount", bound=Mount)


def mounts_of(mounts: Iterable[Mount], kind: type[AnyMount]) -> tuple[AnyMount, ...]:
    """Return the mounts of one kind."""
    return tuple(mount for mount in mounts if isinstance(mount, kind))


def find_mount(mounts: Sequence[AnyMount], path: str) -> tuple[AnyMount, str] | None:
    """
    Return the mount that serves a path, and what follows in the path; the longest one counts.

    Args:
        mounts: Those of one listener.
        path: A request's path, still percent-encoded.
    """
    best: AnyMount | None = None
    for mount in mounts:
        if not path.startswith(mount.path) or path[len(mount.path) :][:1] not in {"", "/"}:
            continue
        if mount.is_exact and path[len(mount.path) :] not in {"", "/"}:
            continue
        if best is None or len(mount.path) > len(best.path):
            best = mount
    return None if best is None else (best, path[len(best.path) :].removeprefix("/"))
