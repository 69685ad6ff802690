"""Cursors in every spelling that clients send."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
import pytest

from broker.core.cursor import MAX_TIME, START, Cursor, http_date, parse_tag, parse_time
from broker.core.errors import BadCursor

SECONDS = 1447516314
HTTP = "Sat, 14 Nov 2015 15:51:54 GMT"

# --- times --------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        HTTP,
        "Saturday, 14-Nov-15 15:51:54 GMT",
        "Sat Nov 14 15:51:54 2015",
        "Sat,+14+Nov+2015+15:51:54+GMT",
        "Sat, 14 Nov 2015 15:51:54 UTC",
        "Sat, 14 Nov 2015 15:51:54 MSK",
        "Sat, 14 Nov 2015 15:51:54",
        "14 Nov 2015 15:51:54 GMT",
        "sat, 14 nov 2015 15:51:54 gmt",
        f"  {HTTP} ",
        "1447516314",
        "1447516314.",
        "1447516314.999",
        "1447516314.99999999999999999999",
        "2015-11-14T15:51:54Z",
        "2015-11-14T15:51:54",
        "2015-11-14 15:51:54+00:00",
        "2015-11-14T18:51:54+03:00",
        "2015-11-14T15:51:54.024315Z",
        "20151114T155154Z",
    ],
)
def test_d22_times_are_read_in_every_form(text: str) -> None:
    """All forms of a time mean the same second."""
    assert SECONDS == parse_time(text)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        " ",
        "null",
        "undefined",
        "-1",
        "1e9",
        "0x10",
        "yesterday",
        "Sat, 31 Feb 2015 15:51:54 GMT",
        "Sat, 14 Nov 2015 25:51:54 GMT",
        "Sat, 14 Foo 2015 15:51:54 GMT",
        "1969-12-31T23:59:59Z",
        "9999999999999",
        "999999999999",
        "1447516314\x00",
        "١٤٤٧٥١٦٣١٤",
        "Sat, 14 Nov 2015 15:51:54 GMT" + " " * 64,
    ],
)
def test_an_unreadable_time_counts_as_absent(text: str | None) -> None:
    """What is no time is no error either, as in the module."""
    assert parse_time(text) is None
    assert Cursor.of(text, "not even a tag") is None


@given(st.integers(0, MAX_TIME))
def test_d45_http_dates_come_back(seconds: int) -> None:
    """The date that a client was given is read as the same second."""
    date = http_date(seconds)
    assert seconds == parse_time(date) == parse_time(date.replace(" ", "+"))
    assert Cursor(seconds, 21).http_date == date


@given(st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(9999, 12, 30)))  # noqa: DTZ001
def test_iso_times_come_back(moment: datetime) -> None:
    """ISO 8601 without a zone is UTC; parts of a second are cut off."""
    expected = int(moment.replace(tzinfo=UTC, microsecond=0).timestamp())
    assert expected == parse_time(moment.isoformat())


@given(st.text(max_size=80) | st.text("0123456789:-+.TZ, GMTadeNovSt", max_size=40))
def test_any_text_is_a_time_or_none(text: str) -> None:
    """No text raises, and what is read is a time that can be written again."""
    seconds = parse_time(text)
    assert seconds is None or seconds == parse_time(http_date(seconds))


# --- tags ---------------------------------------------------------------------


@pytest.mark.parametrize("text", ["21", "W/21", '"21"', 'W/"21"', "021"])
def test_d44_tags_are_read_in_every_spelling(text: str) -> None:
    """A tag means the same however a client echoes the ETag."""
    assert parse_tag(text) == 21


@pytest.mark.parametrize("text", [None, "", "null", "undefined"])
def test_an_empty_tag_is_no_tag(text: str | None) -> None:
    """A client that has none sends nothing, or what its language makes of nothing."""
    assert parse_tag(text) is None


@pytest.mark.parametrize(
    "text",
    [
        *("-1", "1.5", "0x15", "1e3", "1" * 19, "٢١"),
        *("W/", '"', '""', '"21', '21"', "w/21", "W/W/21"),
        *("*", "21,22", " 21", "2 1", "21\n"),
    ],
)
def test_any_other_tag_is_refused(text: str) -> None:
    """A tag that is no whole number is a mistake worth telling."""
    with pytest.raises(BadCursor) as refusal:
        parse_tag(text)
    assert refusal.value.field == "tag"


# --- cursors ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("time", "tag", "expected"),
    [
        (HTTP, "21", Cursor(SECONDS, 21)),
        (HTTP, "W/21", Cursor(SECONDS, 21)),
        (HTTP, "0", Cursor(SECONDS, 0)),
        (HTTP, "", Cursor(SECONDS + 1, 0)),
        (HTTP, "null", Cursor(SECONDS + 1, 0)),
        (HTTP, None, Cursor(SECONDS + 1, 0)),
        (None, "21", None),
        ("", "21", None),
        ("never", "21", None),
        ("0", "0", START),
    ],
)
def test_d43_d44_a_cursor_is_read_from_time_and_tag(
    time: str | None, tag: str | None, expected: Cursor | None
) -> None:
    """Without a tag only later seconds follow; without a time there is no cursor."""
    assert expected == Cursor.of(time, tag)


def test_a_readable_time_with_a_bad_tag_is_refused() -> None:
    """A cursor is not guessed at."""
    with pytest.raises(BadCursor):
        Cursor.of(HTTP, "x")


def test_the_end_of_time_can_be_written() -> None:
    """The last second without a tag is still a cursor with a date."""
    cursor = Cursor.of(str(MAX_TIME), None)
    assert cursor == Cursor(MAX_TIME, 0)
    assert cursor.http_date == "Fri, 31 Dec 9999 23:59:59 GMT"
    assert cursor == Cursor.parse(str(cursor))


@given(st.builds(Cursor, st.integers(0, MAX_TIME), st.integers(0, 10**18 - 1)))
def test_cursors_come_back(cursor: Cursor) -> None:
    """A cursor is read as it was written, as one text and as header values."""
    assert cursor == Cursor.parse(str(cursor))
    assert cursor == Cursor.of(cursor.http_date, f"W/{cursor.tag}")


@given(st.lists(st.builds(Cursor, st.integers(0, 9), st.integers(0, 200)), min_size=2))
def test_p1_cursors_order_by_time_then_tag(cursors: list[Cursor]) -> None:
    """The order is that of numbers: tag 9 before tag 10 before the next second."""
    assert sorted(cursors, key=lambda cursor: cursor.time * 1000 + cursor.tag) == sorted(cursors)


@pytest.mark.parametrize(
    "text",
    [
        *("", "-", "1", "1-", "-1", "1-2-3", "1--2", " 1-2", "1-2 ", "1-2\n"),
        *("a-b", "1.5-2", "٢-٢", "253402300800-0", "1-" + "1" * 19, "1" * 13 + "-1"),
    ],
)
def test_any_other_cursor_is_refused(text: str) -> None:
    """One text has one form."""
    with pytest.raises(BadCursor) as refusal:
        Cursor.parse(text)
    assert refusal.value.field == "cursor"


@given(st.text(max_size=40) | st.from_regex(r"(W/)?\"?[0-9-]{0,20}\"?"))
def test_arbitrary_text_raises_nothing_else(text: str) -> None:
    """Whatever a client sends is a cursor, none, or `BadCursor`."""
    for read in (Cursor.parse, parse_tag, lambda value: Cursor.of(value, value)):
        try:
            read(text)
        except BadCursor as refusal:
            assert refusal.detail  # noqa: PT017
