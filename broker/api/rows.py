"""Rows: messages as the internal listener shows them."""

from __future__ import annotations

import orjson

from broker.core.message import Message
from broker.protocols.pushstream.envelope import envelope


def message_row(message: Message) -> bytes:
    """Return the envelope, and what subscribers are not told; one line of JSON."""
    row = envelope(message)
    told = {"event_id": message.event_id, "event_type": message.event_type}
    known = {name: text for name, text in told.items() if text}
    return row[:-1] + b"," + orjson.dumps(known)[1:] if known else row
