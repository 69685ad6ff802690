"""Reading what the scripts of the store announce and answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from broker.core.cursor import Cursor
from broker.core.message import Message
from broker.core.ring import History
from broker.store.base import ChannelInfo, Lookup
from broker.store.rows import consecutive, linked

_WIDE = 3
"""Lines per message where messages carry an event id and type."""


class Tick(NamedTuple):
    """
    An announced tick.

    Attributes:
        number: The number that the node gave it.
        cursor: The cursor of now.
    """

    number: int
    cursor: Cursor


def decode_announcement(channel: str, payload: bytes) -> list[Message]:
    """
    Read an announcement: messages that were stamped one after the other.

    The first line is `<first id> <first cursor> <prev> <lines per message>`, then come the
    messages: one line each, the body, or three, body, event id and event type.

    Raises:
        ValueError: the payload is none.
    """
    head, *lines = payload.split(b"\n")
    first_id, cursor, prev, width = head.split(b" ")
    first = decode_cursor(cursor)
    if width == b"1":
        cursors = consecutive(first, len(lines))
        return linked(channel, int(first_id), decode_cursor(prev), cursors, lines)
    if int(width) != _WIDE or len(lines) % _WIDE:
        raise ValueError("an announcement has one line per message, or three")
    cursors = consecutive(first, len(lines) // _WIDE)
    events = [line.decode() for line in lines]
    return linked(
        channel, int(first_id), decode_cursor(prev), cursors, lines[::3], events[1::3], events[2::3]
    )


def decode_tick(payload: bytes) -> Tick:
    """
    Read an announced tick.

    Raises:
        ValueError: the payload is none.
    """
    number, time, tag = map(int, payload.split(b" "))
    return Tick(number, Cursor(time, tag))


def decode_cursor(text: bytes) -> Cursor:
    """
    Read a cursor as the scripts write it, `<time>-<tag>`.

    Raises:
        ValueError: `text` is none.
    """
    time, tag = text.split(b"-")
    return Cursor(int(time), int(tag))


def decode_histories(lookups: Sequence[Lookup], limit: int, answer: Sequence[Any]) -> list[History]:
    """
    Read the answer of `read.lua`.

    Args:
        lookups: What was asked.
        limit: Messages per lookup at most, as asked.
        answer: The answer.
    """
    horizon = decode_cursor(answer[0])
    return [
        _history(lookup, limit, horizon, answer[2 * place + 1], answer[2 * place + 2])
        for place, lookup in enumerate(lookups)
    ]


def _history(
    lookup: Lookup, limit: int, horizon: Cursor, last: bytes | None, kept: Sequence[Any] | None
) -> History:
    head = horizon if last is None else decode_cursor(last)
    if kept is None:
        return History(lookup.channel, [], lookup.after < head, head)
    messages = _messages(lookup.channel, *kept)
    complete = len(messages) < limit or messages[-1].cursor == head
    return History(lookup.channel, messages, lookup.after < messages[0].prev, head, complete)


def _messages(
    channel: str,
    first_id: bytes,
    prev: bytes,
    cursors: bytes,
    bodies: list[bytes],
    events: list[Any],
) -> list[Message]:
    places = [decode_cursor(cursor) for cursor in cursors.split(b" ")]
    if not events:
        return linked(channel, int(first_id), decode_cursor(prev), places, bodies)
    ids, types = [""] * len(places), [""] * len(places)
    for place, event_id, event_type in zip(*[iter(events)] * 3, strict=True):
        ids[place] = event_id.decode()
        types[place] = event_type.decode()
    return linked(channel, int(first_id), decode_cursor(prev), places, bodies, ids, types)


def decode_info(channel: str, answer: Sequence[Any] | None) -> ChannelInfo | None:
    """Read what `info.lua` answers for one channel."""
    if answer is None:
        return None
    last_id, last, stored, first = answer
    return ChannelInfo(
        channel, last_id, decode_cursor(last), stored, first and decode_cursor(first)
    )
