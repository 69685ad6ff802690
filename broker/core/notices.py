"""Messages that the broker itself puts among those of a channel."""

from __future__ import annotations

from broker.core.message import Message

DELETED = "\x7fdeleted"
"""
Event type of the message that says that a channel's history was deleted.

No publisher can give it: event types hold no control characters. The text of the notice is the
message's body, a JSON string. Subscribers see its `id` as `DELETED_ID` and no event type.

Source: push-stream reference, section 9.
"""

PING_ID = -1
"""`id` of a sign of life."""

DELETED_ID = -2
"""`id` of a deletion notice."""

TIMEOUT_ID = -3
"""`id` of what answers a hold that is over."""


def as_shown(message: Message) -> Message:
    """Return a message as subscribers see it: a deletion notice has an `id` of its own."""
    if message.event_type != DELETED:
        return message
    return message._replace(id=DELETED_ID, event_type="")
