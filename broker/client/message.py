"""What a subscription is told: messages, gaps, where it stands, and why a connection ends."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, NamedTuple
import logging

import orjson

from broker.client.errors import ClientError, Lost, Refused, Unauthorized, Unreadable
from broker.core.cursor import Cursor
from broker.core.errors import BadCursor

_log = logging.getLogger(__name__)

PING_CHANNEL = "ping"
"""Its messages are made by the node, between others: they share cursors with them (D24)."""

_OWN_CODES = 3000
"""Close codes of the broker's own are the HTTP status on top of this; see `design.md` 8."""


class Message(NamedTuple):
    """
    A message of a channel.

    Attributes:
        id: Number of the message in its channel, contiguous from 1 (D19).
        channel: Name of the channel through which this copy arrived (D20).
        message: The payload, read from JSON (D21).
        cursor: Place to come back to after this message (D22).
    """

    id: int
    channel: str
    message: Any
    cursor: Cursor


class Gap(NamedTuple):
    """
    Messages after a cursor are no longer kept (P3), or were left out.

    Attributes:
        channel: Where; empty where the broker did not say, as to polls.
        after: The subscription's cursor.
        first: Cursor of the first message that is still kept.
        skipped: How many were left out, because they were read too slowly and the channel has
            `slow_reader: conflate`; 0 where messages are no longer kept.
    """

    channel: str
    after: Cursor
    first: Cursor
    skipped: int = 0


class Moved(NamedTuple):
    """
    The place moved on without a message.

    Attributes:
        cursor: Everything up to here has arrived.
    """

    cursor: Cursor


class Farewell(NamedTuple):
    """
    Why a connection is about to end.

    Attributes:
        status: HTTP status of the reason, 0 where there is none.
        reason: One sentence for a person.
        cursor: Place to come back to, if it was told.
        retry_after_s: Seconds that the broker asks to wait, if it does.
    """

    status: int
    reason: str
    cursor: Cursor | None = None
    retry_after_s: float | None = None

    def error(self) -> ClientError:
        """Return what it means: that coming back helps, or that it does not."""
        if self.status == HTTPStatus.UNAUTHORIZED:
            return Unauthorized(self.status, self.reason)
        if self.status == HTTPStatus.FORBIDDEN:
            return Refused(self.status, self.reason)
        return Lost(self.reason, self.retry_after_s)


Event = Message | Gap | Moved | Farewell
"""What a connection brings."""


def read_events(texts: Iterable[str | bytes]) -> list[Event]:
    """
    Read frames, the data of events or lines of a poll.

    What cannot be read is logged and left out: it would come again on every connection.
    """
    events: list[Event] = []
    for text in texts:
        try:
            events.append(read_event(text))
        except Unreadable as error:
            _log.error("a message of %d bytes was left out: %s", len(text), error)
    return events


def read_event(text: str | bytes) -> Event:
    """
    Read one of them.

    Raises:
        Unreadable: it is none of these.
    """
    try:
        return _event(orjson.loads(text))
    except (orjson.JSONDecodeError, BadCursor) as error:
        raise Unreadable("what came is no envelope") from error


def read_close(code: int, reason: str) -> Farewell:
    """
    Read the close frame of a WebSocket.

    Args:
        code: Close code.
        reason: JSON with `cursor` and `retry_after`, or any text.

    Source: `design.md` section 8.
    """
    why = f"the connection was closed with {code}"
    status = code - _OWN_CODES if code > _OWN_CODES else 0
    try:
        told = orjson.loads(reason)
    except orjson.JSONDecodeError:
        told = None
    match told:
        case {"cursor": str(cursor), "retry_after": int() | float() as retry_after_s}:
            return Farewell(status, why, _told(cursor), float(retry_after_s))
        case {"cursor": str(cursor)}:
            return Farewell(status, why, _told(cursor))
    return Farewell(status, why)


def _event(value: object) -> Event:
    match value:
        case {"id": -3, "channel": str(channel), "message": {"gap": {**gap}}}:  # ids count from 1
            return _gap({"channel": channel, **gap})
        case {
            "id": int(number),
            "channel": str(channel),
            "message": message,
            "time": str(time),
            "tag": str(tag),
        }:
            return Message(number, channel, message, _cursor(time, tag))
        case {
            "error": {"status": int(status), "message": str(reason)},
            "time": str(time),
            "tag": str(tag),
        }:
            return Farewell(status, reason, _cursor(time, tag))
        case {"after": str(), "first": str()}:
            return _gap(value)
        case {"cursor": str(cursor), "status": int(status), "message": str(reason)}:
            return Farewell(status, reason, Cursor.parse(cursor))
        case {"cursor": str(cursor)}:
            return Farewell(0, "the stream ended", Cursor.parse(cursor))
    raise Unreadable("what came is no envelope")


def _gap(value: object) -> Gap:
    match value:
        case {"channel": str(channel), "after": str(after), "first": str(first), **more}:
            skipped = more.get("skipped")
            number = skipped if isinstance(skipped, int) else 0
            return Gap(channel, Cursor.parse(after), Cursor.parse(first), number)
    raise Unreadable("what came is no gap notice")


def _cursor(time: str, tag: str) -> Cursor:
    cursor = Cursor.of(time, tag)
    if cursor is None:
        raise Unreadable("the time of an envelope cannot be read")
    return cursor


def _told(text: str) -> Cursor | None:
    try:
        return Cursor.parse(text)
    except BadCursor:
        return None
