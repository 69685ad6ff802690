"""What the scripts announce and answer, as their readers take it."""

from __future__ import annotations

from struct import Struct

from hypothesis import given
from hypothesis import strategies as st
import pytest

from broker.core.cursor import START, Cursor
from broker.core.message import Message
from broker.core.ring import History
from broker.store.base import ChannelInfo, Lookup
from broker.store.codec import (
    Deletion,
    Tick,
    decode_announcement,
    decode_cursor,
    decode_histories,
    decode_info,
    decode_tick,
)

HEAD = Struct("<QQQQQI?")
numbers = st.integers(0, 2**53)
lines = st.binary(max_size=20).filter(lambda body: b"\n" not in body)
words = st.text(max_size=9).filter(lambda word: "\n" not in word)


def announcement(messages: list[Message], *, wide: bool) -> bytes:
    """Write an announcement as `publish.lua` does."""
    first = messages[0]
    head = HEAD.pack(first.id, *first.cursor, *first.prev, len(messages), wide)
    rows = [
        [m.body, m.event_id.encode(), m.event_type.encode()] if wide else [m.body] for m in messages
    ]
    return head + b"\n".join(part for row in rows for part in row)


@given(
    first_id=numbers,
    time=numbers,
    tag=numbers,
    prev=st.builds(Cursor, numbers, numbers),
    rows=st.lists(st.tuples(lines, words, words), min_size=1, max_size=5),
    wide=st.booleans(),
)
def test_an_announcement_is_read_as_it_was_written(
    first_id: int,
    time: int,
    tag: int,
    prev: Cursor,
    rows: list[tuple[bytes, str, str]],
    wide: bool,
) -> None:
    """Ids and tags count on from the head, and each message follows the one before it."""
    messages: list[Message] = []
    for number, (body, event_id, event_type) in enumerate(rows):
        events = (event_id, event_type) if wide else ("", "")
        cursor = Cursor(time, tag + number)
        messages.append(Message(first_id + number, "a", body, cursor, prev, *events))
        prev = cursor
    decoded = decode_announcement("a", announcement(messages, wide=wide))
    assert isinstance(decoded, list)
    assert messages == decoded
    assert all(type(each) is Message for each in decoded)
    assert all(type(each.cursor) is type(each.prev) is Cursor for each in decoded)


@given(st.binary(max_size=80))
def test_any_other_payload_is_a_value_error(payload: bytes) -> None:
    """Arbitrary bytes are an announcement with as many messages as it says, or refused."""
    try:
        news = decode_announcement("a", payload)
    except ValueError:
        return
    count = 0 if isinstance(news, Deletion) else len(news)
    assert count == HEAD.unpack_from(payload)[5]


def test_a_deletion_is_read() -> None:
    """An announcement without a message says up to where everything is gone."""
    payload = HEAD.pack(7, 1447516314, 21, 1447516314, 21, 0, False)
    assert Deletion(Cursor(1447516314, 21)) == decode_announcement("a", payload)


@pytest.mark.parametrize("cut", [1, 44])
def test_a_cut_head_is_refused(cut: int) -> None:
    """An announcement without its whole head is none."""
    payload = announcement([Message(1, "a", b"", Cursor(1, 1), START)], wide=False)
    with pytest.raises(ValueError, match="cut short"):
        decode_announcement("a", payload[:cut])


@pytest.mark.parametrize(
    ("count", "wide", "rest"), [(2, False, b"1"), (1, True, b"1\n2"), (0, False, b"1")]
)
def test_a_wrong_count_is_refused(count: int, wide: bool, rest: bytes) -> None:
    """Neither more nor fewer messages than announced are made up."""
    with pytest.raises(ValueError, match="other messages"):
        decode_announcement("a", HEAD.pack(1, 1, 1, 1, 0, count, wide) + rest)


def test_a_tick_is_read() -> None:
    """A tick is its number and the cursor of now."""
    assert Tick(7, Cursor(1447516314, 21)) == decode_tick(b"7 1447516314 21")


@given(st.binary(max_size=30))
def test_any_other_tick_or_cursor_is_a_value_error(payload: bytes) -> None:
    """Arbitrary bytes are read or refused, never anything else."""
    for decode in (decode_tick, decode_cursor):
        try:
            decode(payload)
        except ValueError:
            continue


def kept(*, events: list[object] | None = None, is_cut: bool = False) -> list[object]:
    """Return what `read.lua` packs of three messages."""
    cut = int(is_cut)
    return [b"5", b"9-9", b"10-1 10-2 11-1", [b"a", b"b", b"c"], events or [], cut]


def test_histories_are_read() -> None:
    """Heads, gaps and limits follow from what the script packs."""
    unknown = Lookup("unknown", Cursor(1, 0))
    new = Lookup("unknown", Cursor(2, 5))
    whole = Lookup("whole", Cursor(9, 9))
    cut = Lookup("cut", Cursor(9, 8))
    gone = Lookup("gone", Cursor(3, 3))
    seen = Lookup("seen", Cursor(11, 1))
    answer = [
        b"2-5",
        *(None, None, None, None, b"11-1", kept(), b"12-4", kept()),
        *(b"11-1", None, b"11-1", None),
    ]
    messages = {
        name: [
            Message(5, name, b"a", Cursor(10, 1), Cursor(9, 9)),
            Message(6, name, b"b", Cursor(10, 2), Cursor(10, 1)),
            Message(7, name, b"c", Cursor(11, 1), Cursor(10, 2)),
        ]
        for name in ("whole", "cut")
    }
    assert [
        History("unknown", [], True, Cursor(2, 5)),
        History("unknown", [], False, Cursor(2, 5)),
        History("whole", messages["whole"], False, Cursor(11, 1)),
        History("cut", messages["cut"], True, Cursor(12, 4), False),
        History("gone", [], True, Cursor(11, 1)),
        History("seen", [], False, Cursor(11, 1)),
    ] == decode_histories([unknown, new, whole, cut, gone, seen], 3, answer)


def test_what_there_was_no_room_for_is_not_complete() -> None:
    """A history that was cut short, or not read at all, tells of no gap that is none."""
    lookups = [Lookup(name, Cursor(9, 9)) for name in ("cut", "whole", "unread")]
    answer = [b"2-5", b"12-4", kept(is_cut=True), b"11-1", kept(is_cut=True), b"13-1 12-1", 0]
    cut, whole, unread = decode_histories(lookups, 100, answer)
    assert (3, False, False) == (len(cut.messages), cut.complete, cut.gap)
    assert (3, True, False) == (len(whole.messages), whole.complete, whole.gap)
    assert History("unread", [], False, Cursor(13, 1), False, Cursor(12, 1)) == unread


def test_events_stand_at_their_messages() -> None:
    """Only the messages that carry an event id or type are named with one."""
    events: list[object] = [0, b"e", b"", 2, b"", "tü".encode()]
    answer = [b"2-5", b"11-1", kept(events=events)]
    (history,) = decode_histories([Lookup("a", START)], 9, answer)
    assert [("e", ""), ("", ""), ("", "tü")] == [
        (message.event_id, message.event_type) for message in history.messages
    ]


def test_the_state_of_a_channel_is_read() -> None:
    """A known channel has a head; one with a ring has an oldest message."""
    assert decode_info("a", None) is None
    assert ChannelInfo("a", 7, Cursor(2, 1), 0, None) == decode_info("a", [7, b"2-1", 0, None])
    full = [7, b"2-1", 3, b"1-1"]
    assert ChannelInfo("a", 7, Cursor(2, 1), 3, Cursor(1, 1)) == decode_info("a", full)
