"""Requests of this dialect: path, parameters and headers, read into what is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, quote
import re

from broker.core.channels import check_channel, parse_channels
from broker.core.cursor import MAX_TIME, Cursor
from broker.core.errors import BadCursor
from broker.core.mounts import SubscriberMount

MAX_PARAMETERS = 64
"""Parameters in a query at most; legacy clients send six."""

MAX_BACKTRACK = 1_000_000
"""Messages that `.bN` asks for at most: as many as any channel keeps."""

ANYWHERE = SubscriberMount("", "")
"""A mount that asks for nothing special."""

_BEARER = ("bearer", "token")
_BACKTRACK = re.compile(r"(.*)\.b([0-9]+)", re.DOTALL)
_EVENT_ID = re.compile(r'([0-9]{1,12})[-:](?:W/)?"?([0-9]{1,18})"?')


class Subscription(NamedTuple):
    """
    What a client asks for.

    Attributes:
        channels: The channels, in its order, each once.
        cursor: Where it wants to go on, or None for a newcomer.
        token: Its token, or empty.
        notices: Whether it wants gap notices as frames (`notices=gap`).
        client: What stands for the client's address behind a proxy; empty where nobody asks.
        latest: Channels of which a newcomer wants the last messages, and how many.
        callback: The function that the answer is to call, where one is named.
    """

    channels: tuple[str, ...]
    cursor: Cursor | None
    token: str
    notices: bool
    client: str = ""
    latest: tuple[tuple[str, int], ...] = ()
    callback: str | None = None


class RequestLimits(NamedTuple):
    """
    Bounds of a request.

    Attributes:
        channels: Channels in one request (D13).
        channel_bytes: Bytes of one name.
    """

    channels: int = 50
    channel_bytes: int = 256


def parse_subscription(
    path: str,
    query: str,
    headers: Mapping[str, str],
    limits: RequestLimits,
    cookie: str = "",
    mount: SubscriberMount = ANYWHERE,
) -> Subscription:
    """
    Read a request.

    Args:
        path: The path behind the mount, still percent-encoded.
        query: The query, still percent-encoded.
        headers: Headers of the request, by any spelling of their names.
        limits: Bounds.
        cookie: Value of the cookie that may carry the token, or empty.
        mount: Where it came to.

    Raises:
        BadChannel: the channel list is malformed.
        TooManyChannels: it is too long.
        BadCursor: the cursor's time can be read and its tag cannot, or the query is too long.

    Source: D5 to D16; `design.md` section 6.
    """
    parameters = parse_query(query)
    listed = read_channels(mount, path, parameters, limits)
    if mount.backlog:
        listed = dict.fromkeys(listed, MAX_BACKTRACK)
    return Subscription(
        channels=tuple(listed),
        cursor=_cursor_at(mount, parameters, headers),
        token=read_token(parameters, headers) or cookie,
        notices=parameters.get("notices") == "gap",
        latest=tuple((name, count) for name, count in listed.items() if count),
        callback=parameters.get("callback"),
    )


def read_channels(
    mount: SubscriberMount, path: str, parameters: Mapping[str, str], limits: RequestLimits
) -> dict[str, int]:
    """
    Return the channels that a request names, and how many of the last messages it wants of each.

    Args:
        mount: Where it came to.
        path: The path behind the mount, still percent-encoded.
        parameters: The query's.
        limits: Bounds where the mount has none of its own.

    Raises:
        BadChannel: the channel list is malformed.
        TooManyChannels: it is too long.

    Source: push-stream reference, section 5.
    """
    if mount.fixed:
        return dict.fromkeys(mount.fixed, 0)
    text = quote(parameters.get(mount.argument, ""), safe="/") if mount.argument else path
    most, size = mount.max_channels, mount.max_channel_bytes or limits.channel_bytes
    names = parse_channels(text, most or limits.channels, size, None if most else "max_channels")
    if not mount.backtrack and not mount.prefix:
        return dict.fromkeys(names, 0)
    listed: dict[str, int] = {}
    for text in names:
        name, count = _split_backtrack(text) if mount.backtrack else (text, 0)
        check_channel(name, size)
        listed.setdefault(mount.prefix + name, count)
    return listed


def _split_backtrack(text: str) -> tuple[str, int]:
    match = _BACKTRACK.fullmatch(text)
    if match is None:
        return text, 0
    return match[1], min(int(match[2]), MAX_BACKTRACK)


def _cursor_at(
    mount: SubscriberMount, parameters: Mapping[str, str], headers: Mapping[str, str]
) -> Cursor | None:
    """Return the client's cursor, from where the mount has it."""
    if mount.mode == "eventsource":
        last = _read_event_id(headers.get("Last-Event-ID"))
        if last is not None:
            return last  # the URL of a stream that comes back is as old as the stream
    time, tag, event_id = mount.cursor
    named = {"time": parameters.get(time), "tag": parameters.get(tag)}
    given = {name: text for name, text in named.items() if text is not None}
    cursor = read_cursor(given, headers)
    other = _read_event_id(parameters.get(event_id)) if event_id else None
    if other is not None and (cursor is None or other > cursor):
        return other  # whoever adds an event id to a URL has read on since
    return cursor


def _read_event_id(text: str | None) -> Cursor | None:
    match = _EVENT_ID.fullmatch(text) if text else None
    return None if match is None else Cursor(min(int(match[1]), MAX_TIME), int(match[2]))


def parse_query(query: str) -> dict[str, str]:
    """
    Return the parameters by lower-case name; of repeated ones the first counts.

    A `+` stays as it is, for `time=...+0000`; cursors take it for a space themselves.

    Raises:
        BadCursor: there are more than `MAX_PARAMETERS`.

    Source: push-stream reference, 7.2.
    """
    try:
        pairs = parse_qsl(
            query.replace("+", "%2B"),
            keep_blank_values=True,
            max_num_fields=MAX_PARAMETERS,
            errors="replace",
        )
    except ValueError as error:
        raise BadCursor(
            f"the query has more than {MAX_PARAMETERS} parameters",
            field="query",
            limit=MAX_PARAMETERS,
        ) from error
    return {name.lower(): value for name, value in reversed(pairs)}


def read_cursor(parameters: Mapping[str, str], headers: Mapping[str, str]) -> Cursor | None:
    """
    Return the client's cursor: from the query, else the validators, else the last event's id.

    Validators and event ids that cannot be read count as absent: proxies and browsers make up
    their own. A tag in the query that cannot be read is the client's mistake, and said so.

    Raises:
        BadCursor: the query has a time that can be read and a tag that cannot.

    Source: D44, D45; dashly-rts 2.3.2, 2.3.4, 2.3.7; `design.md` section 6.
    """
    cursor = Cursor.of(parameters.get("time"), parameters.get("tag"))
    return cursor or _validator(headers) or _read_event_id(headers.get("Last-Event-ID"))


def _validator(headers: Mapping[str, str]) -> Cursor | None:
    try:
        return Cursor.of(headers.get("If-Modified-Since"), headers.get("If-None-Match"))
    except BadCursor:
        return None


def read_token(parameters: Mapping[str, str], headers: Mapping[str, str]) -> str:
    """
    Return the token: from `auth_token`, else from `Authorization`; empty when there is none.

    Source: D14; dashly-rts 2.1.
    """
    token = parameters.get("auth_token", "")
    if token:
        return token
    scheme, _, credentials = headers.get("Authorization", "").partition(" ")
    return credentials.strip() if scheme.lower() in _BEARER else ""
