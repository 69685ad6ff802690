"""Headers of a publish request."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st
import pytest

from broker.api.headers import NO_HEADERS, PublishHeaders, event_fault, read_headers, type_fault
from broker.core.errors import BadHeader


def test_nothing_said_is_nothing_wanted() -> None:
    """A plain request has no key, no condition and no event."""
    assert read_headers({"Content-Type": "application/json"}) == NO_HEADERS


def test_all_headers_are_read() -> None:
    """Key, event and condition of a request are read as they stand."""
    headers = {
        "Event-Id": "évènement 1",
        "Event-Type": "reply",
        "If-Match": "W/21",
        "Idempotency-Key": "a" * 128,
    }
    assert PublishHeaders("évènement 1", "reply", "21", "a" * 128) == read_headers(headers)


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("21", "21"),
        ("W/21", "21"),
        ('"21"', "21"),
        ('W/"21"', "21"),
        ("1447516314-21", "1447516314-21"),
        ('"1447516314-21"', "1447516314-21"),
        (" 21 ", "21"),
    ],
)
def test_if_match_in_every_spelling(text: str, last: str) -> None:
    """A tag or a cursor is read with and without its quotes and its `W/` (dashly-rts 2.3.7)."""
    assert last == read_headers({"If-Match": text}).if_match


@pytest.mark.parametrize("text", ["", "*", "x", "null", '"21", "22"', "-1", "21-", "1-2-3", "²"])
def test_if_match_that_names_no_message_is_refused(text: str) -> None:
    """A condition that cannot be read is refused, never taken for none."""
    with pytest.raises(BadHeader) as caught:
        read_headers({"If-Match": text})
    assert "If-Match" == caught.value.field


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Idempotency-Key", ""),
        ("Idempotency-Key", "a" * 129),
        ("Idempotency-Key", "two words"),
        ("Idempotency-Key", "clé"),
        ("Event-Id", "a" * 129),
        ("Event-Id", "é" * 65),
        ("Event-Id", "a\x00b"),
        ("Event-Id", "a\u2028b"),
        ("Event-Id", "\udcff"),
        ("Event-Type", "a" * 65),
        ("Event-Type", "a\x7f"),
        ("Event-Type", "gap"),
        ("Event-Type", "close"),
    ],
)
def test_a_value_that_cannot_be_stored_is_refused(name: str, value: str) -> None:
    """Keys are visible ASCII; events are short, UTF-8, without control characters, and not ours."""
    with pytest.raises(BadHeader) as caught:
        read_headers({name: value})
    assert name == caught.value.field


@given(
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            ["Event-Id", "Event-Type", "If-Match", "Idempotency-Key"], st.text()
        ),
    )
)
def test_any_headers_are_read_or_refused(headers: dict[str, str]) -> None:
    """Whatever the headers hold, what is read can be stored, and the rest is refused."""
    with suppress(BadHeader):
        read = read_headers(headers)
        assert not event_fault(read.event_id, 128)
        assert not type_fault(read.event_type)
        assert "\n" not in "".join(read)
