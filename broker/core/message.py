"""Messages: as a publisher hands them in, and as the store stamped them."""

from __future__ import annotations

from typing import NamedTuple

from broker.core.cursor import Cursor


class Draft(NamedTuple):
    """
    A message before it is stored.

    Attributes:
        channel: Name of the channel.
        body: Compact JSON text in UTF-8, without a raw line feed.
        event_id: The publisher's own id of the event, or empty.
        event_type: The publisher's name for the kind of event, or empty.
    """

    channel: str
    body: bytes
    event_id: str = ""
    event_type: str = ""


class Message(NamedTuple):
    """
    A stored message.

    A tuple: one is made per announcement on every node, and tuples are made at C speed.

    Attributes:
        id: Number of the message in its channel, contiguous from 1 (D19).
        channel: Name of the channel through which this copy arrived (D20).
        body: Compact JSON text (D21).
        cursor: Where it stands in the tenant's order (D22).
        prev: Cursor of its predecessor in the channel. A subscriber whose cursor is before `prev`
            and who does not have the message at `prev` has a hole.
        event_id: The publisher's own id of the event, or empty.
        event_type: The publisher's name for the kind of event, or empty.
    """

    id: int
    channel: str
    body: bytes
    cursor: Cursor
    prev: Cursor
    event_id: str = ""
    event_type: str = ""


class Stamp(NamedTuple):
    """
    What the store answers for one stored message.

    Attributes:
        channel: Name of the channel.
        id: Number of the message in its channel.
        cursor: Where it stands in the tenant's order.
    """

    channel: str
    id: int
    cursor: Cursor
