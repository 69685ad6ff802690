"""Reading what the scripts of the store announce and answer."""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Any, Final, Literal, NamedTuple

from broker.core.cursor import START, Cursor
from broker.core.message import Message
from broker.core.ring import History
from broker.store.base import ChannelInfo, Lookup
from broker.store.rows import consecutive, linked, single

_HEAD: Final = Struct("<QQQQQI?")
_WIDE: Final = 3
"""Lines per message where messages carry an event id and type."""


class Deletion(NamedTuple):
    """
    An announced deletion.

    Attributes:
        cursor: Everything of the channel up to here is gone.
    """

    cursor: Cursor


class Tick(NamedTuple):
    """
    An announced tick.

    Attributes:
        number: The number that the node gave it.
        cursor: The cursor of now.
    """

    number: int
    cursor: Cursor


def decode_announcement(channel: str, payload: bytes) -> list[Message] | Deletion:
    """
    Read an announcement: messages that were stamped one after the other, or their deletion.

    A head of fixed size holds the first id, the first cursor, the cursor of its predecessor, the
    count of messages, and whether they are wide. Then come the messages, separated by line feeds:
    the body each, or where they are wide body, event id and event type. A head that counts none
    says that everything up to its cursor was deleted.

    Raises:
        ValueError: the payload is none.
    """
    if len(payload) < _HEAD.size:
        raise ValueError("the head is cut short")
    first_id, time, tag, prev_time, prev_tag, count, wide = _HEAD.unpack_from(payload)
    rest = payload[_HEAD.size :]
    if count == 1 and not wide:
        return [single(first_id, channel, rest, (time, tag), (prev_time, prev_tag))]
    if count == 0 and not rest:
        return Deletion(Cursor(time, tag))
    lines = rest.split(b"\n")
    if len(lines) != (_WIDE * count if wide else count):
        raise ValueError("an announcement has other messages than its head says")
    cursors, prev = consecutive(time, tag, count), Cursor(prev_time, prev_tag)
    if not wide:
        return linked(channel, first_id, prev, cursors, lines)
    ids = [line.decode() for line in lines[1::_WIDE]]
    types = [line.decode() for line in lines[2::_WIDE]]
    return linked(channel, first_id, prev, cursors, lines[::_WIDE], ids, types)


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
    lookup: Lookup,
    limit: int,
    horizon: Cursor,
    last: bytes | None,
    kept: Sequence[Any] | Literal[0] | None,
) -> History:
    head, deleted = (horizon, START) if last is None else _decode_last(last)
    if kept is None:
        return History(lookup.channel, [], lookup.after < head, head, deleted=deleted)
    if kept == 0:
        return History(lookup.channel, [], gap=False, head=head, complete=False, deleted=deleted)
    *packed, is_cut = kept
    messages = _messages(lookup.channel, *packed)
    complete = (len(messages) < limit and not is_cut) or messages[-1].cursor == head
    gap = lookup.after < messages[0].prev
    return History(lookup.channel, messages, gap, head, complete, deleted)


def _decode_last(text: bytes) -> tuple[Cursor, Cursor]:
    """Return the last cursor of a channel, and the one up to which it was deleted."""
    last, _, deleted = text.partition(b" ")
    return decode_cursor(last), decode_cursor(deleted) if deleted else START


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
