"""Requests of this dialect: path, parameters and headers, read into what is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl

from broker.core.channels import parse_channels
from broker.core.cursor import Cursor
from broker.core.errors import BadCursor

MAX_PARAMETERS = 64
"""Parameters in a query at most; legacy clients send six."""

_BEARER = ("bearer", "token")


class Subscription(NamedTuple):
    """
    What a client asks for.

    Attributes:
        channels: The channels, in its order, each once.
        cursor: Where it wants to go on, or None for a newcomer.
        token: Its token, or empty.
        notices: Whether it wants gap notices as frames (`notices=gap`).
        client: What stands for the client's address behind a proxy; empty where nobody asks.
    """

    channels: tuple[str, ...]
    cursor: Cursor | None
    token: str
    notices: bool
    client: str = ""


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
) -> Subscription:
    """
    Read a request.

    Args:
        path: The path behind the mode, still percent-encoded.
        query: The query, still percent-encoded.
        headers: Headers of the request, by any spelling of their names.
        limits: Bounds.
        cookie: Value of the cookie that may carry the token, or empty.

    Raises:
        BadChannel: the channel list is malformed.
        TooManyChannels: it is too long.
        BadCursor: the cursor's time can be read and its tag cannot, or the query is too long.

    Source: D5 to D16; `design.md` section 6.
    """
    parameters = parse_query(query)
    return Subscription(
        channels=parse_channels(path, limits.channels, limits.channel_bytes, "max_channels"),
        cursor=read_cursor(parameters, headers),
        token=read_token(parameters, headers) or cookie,
        notices=parameters.get("notices") == "gap",
    )


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
    if cursor is not None:
        return cursor
    try:
        cursor = Cursor.of(headers.get("If-Modified-Since"), headers.get("If-None-Match"))
        event_id = headers.get("Last-Event-ID")
        return cursor or (Cursor.parse(event_id) if event_id else None)
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
