"""Every message is encoded once per dialect, and forgotten with the ring's message."""

from __future__ import annotations

from broker.core.ring import Tally
from broker.hub.forms import Forms
from tests.support.messages import at, chain
from tests.support.outlets import LineEncoder


def test_a_message_is_encoded_once_per_dialect() -> None:
    """The same bytes again, without work; another dialect makes its own."""
    forms = Forms(lambda: at(0), Tally())
    lines, polls = LineEncoder(), LineEncoder(once=True)
    [message] = chain("a", 1)
    assert forms.encode(message, lines) is forms.encode(message, lines)
    forms.encode(message, polls)
    assert (1, 1) == (lines.encoded, polls.encoded)


def test_forms_of_dropped_messages_go_in_bulk() -> None:
    """However many messages pass, the forms of those that the ring has dropped are bounded."""
    floor = at(0)
    tally = Tally()
    forms = Forms(lambda: floor, tally)
    encoder = LineEncoder()
    most = 0
    for message in chain("a", *range(1, 2000)):
        floor = at(message.cursor.tag - 10)
        forms.encode(message, encoder)
        most = max(most, tally.bytes)
        assert forms.memory_bytes == tally.bytes
    assert most < 120 * 250


def test_a_dropped_dialect_gives_its_memory_back() -> None:
    """Forms of a dialect that nobody uses go at once; the others stay."""
    tally = Tally()
    forms = Forms(lambda: at(0), tally)
    lines, polls = LineEncoder(), LineEncoder(once=True)
    for message in chain("a", 1, 2):
        forms.encode(message, lines)
        forms.encode(message, polls)
    both = tally.bytes
    forms.drop(polls)
    forms.drop(polls)
    assert both == 2 * tally.bytes
    forms.clear()
    assert 0 == tally.bytes == forms.memory_bytes
