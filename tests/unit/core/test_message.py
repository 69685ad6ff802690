"""Messages are plain tuples."""

from __future__ import annotations

from broker.core.cursor import Cursor
from broker.core.message import Draft, Message, Stamp


def test_events_are_optional() -> None:
    """Drafts and messages without event id and type have empty ones."""
    draft = Draft("a", b"1")
    message = Message(1, "a", b"1", Cursor(1, 2), Cursor(1, 1))
    assert ("", "") == (draft.event_id, draft.event_type)
    assert ("", "") == (message.event_id, message.event_type)


def test_a_stamp_names_channel_id_and_cursor() -> None:
    """The answer to a publisher has the parts of D18 that it does not know itself."""
    assert ("a", 7, (1447516314, 21)) == Stamp("a", 7, Cursor(1447516314, 21))
