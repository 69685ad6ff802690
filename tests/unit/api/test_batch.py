"""Batches: items become drafts, or the refusal names the item and what is wrong with it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
import json

from hypothesis import given
from hypothesis import strategies as st
import pytest

from broker.api.batch import BatchReader
from broker.api.targets import Targets
from broker.catalog import Catalog
from broker.core.errors import (
    BadBody,
    BadChannel,
    BodyTooLarge,
    BrokerError,
    ChannelForbidden,
    TooManyChannels,
    UnknownChannel,
)
from broker.core.message import Draft
from broker.core.ring import Retention
from broker.settings import Settings

CATALOG = Catalog.parse(
    """
channels:
  - {name: ping, subscribe: public}
  - {name: "small.{id}", max_message: 10, history: {messages: 3, age: 1m}}
  - {name: "chat.{id}"}
"""
)
SETTINGS = Settings(max_message_bytes=1000)


def reader(max_messages: int = 100, max_channels: int = 3) -> BatchReader:
    """Return a reader over small limits."""
    return BatchReader(Targets(CATALOG, SETTINGS), max_messages, max_channels)


def read_lines(body: bytes, **limits: int) -> BatchReader:
    """Read a body as lines."""
    batch = reader(**limits)
    batch.add_lines(batch.split_lines(body), 1)
    batch.finish()
    return batch


def read_array(body: bytes, **limits: int) -> BatchReader:
    """Read a body as an array."""
    batch = reader(**limits)
    batch.add_elements(batch.split_array(body))
    batch.finish()
    return batch


ITEMS = [
    {"channel": "chat.1", "message": {"a": [1, 2.5, None]}},
    {"message": "x", "channel": "small.1", "event_id": "e1", "event_type": "t"},
    {"channels": ["chat.1", "chat.2", "chat.1"], "message": None},
]
DRAFTS = [
    Draft("chat.1", b'{"a":[1,2.5,null]}'),
    Draft("small.1", b'"x"', "e1", "t"),
    Draft("chat.1", b"null"),
    Draft("chat.2", b"null"),
]


def test_lines_become_drafts_d48() -> None:
    """Lines with blanks, blank lines and carriage returns are read; several channels are drafts."""
    lines = [json.dumps(item).encode() for item in ITEMS]
    batch = read_lines(b"\n" + b"\r\n \r\n".join(lines) + b"\n")
    assert batch.drafts == DRAFTS
    assert Retention(3, 60) == batch.retentions[1]
    assert len(batch.drafts) == len(batch.retentions)


@pytest.mark.parametrize("indent", [None, 2])
def test_arrays_become_drafts(indent: int | None) -> None:
    """An array is read the same, however it is laid out."""
    assert DRAFTS == read_array(json.dumps(ITEMS, indent=indent).encode()).drafts


def test_a_message_keeps_its_own_text_d21() -> None:
    """Numbers that no double holds and escapes reach the store as they were written."""
    text = '{"big":123456789012345678901234567890,"f":1.10,"e":1E2,"s":"\\u00e9","s":2}'
    item = f'{{"channel":"chat.1","message":{text}}}'
    assert text.encode() == read_lines(item.encode()).drafts[0].body
    assert text.encode() == read_array(f"[{item}]".encode()).drafts[0].body


REFUSALS: list[tuple[Any, type[BrokerError], str, str | None]] = [
    ('{"channel":"chat.1","message":', BadBody, "it is not JSON", None),
    ("7", BadBody, "not a number", None),
    ('"x"', BadBody, "not text", None),
    ("[]", BadBody, "not an array", None),
    ({"message": 1}, BadBody, "either channel or channels", "channel"),
    ({"channel": "chat.1", "channels": ["chat.1"], "message": 1}, BadBody, "either", "channel"),
    ({"channel": "chat.1"}, BadBody, "message is missing", "message"),
    ({"chanel": "chat.1", "message": 1}, BadBody, "chanel", "chanel"),
    ({"channel": 7, "message": 1}, BadBody, "channel must be text, not a number", "channel"),
    ({"channel": None, "message": 1}, BadBody, "not null", "channel"),
    ({"channel": {}, "message": 1}, BadBody, "not an object", "channel"),
    ({"channel": ["chat.1"], "message": 1}, BadBody, "not an array", "channel"),
    ({"channels": "chat.1", "message": 1}, BadBody, "array of names", "channels"),
    ({"channels": [], "message": 1}, BadBody, "array of names", "channels"),
    ({"channels": ["chat.1", True], "message": 1}, BadBody, "not true or false", "channels"),
    ({"channels": [f"chat.{n}" for n in range(4)], "message": 1}, TooManyChannels, "4", "channels"),
    ({"channel": "chat.1", "message": 1, "event_id": 5}, BadBody, "event_id must", "event_id"),
    ({"channel": "chat.1", "message": 1, "event_id": "x" * 129}, BadBody, "129", "event_id"),
    ({"channel": "chat.1", "message": 1, "event_type": "a\nb"}, BadBody, "control", "event_type"),
    ({"channel": "chat.1", "message": 1, "event_type": "gap"}, BadBody, "own", "event_type"),
    ({"channel": "", "message": 1}, BadChannel, "empty", "channels"),
    ({"channel": "chat.*", "message": 1}, BadChannel, "asterisk", "channels"),
    ({"channel": "chats.1", "message": 1}, UnknownChannel, "nearest", "channel"),
    ({"channel": "ping", "message": 1}, ChannelForbidden, "broker itself", "channel"),
    ({"channel": "small.1", "message": "x" * 9}, BodyTooLarge, "11 bytes", "message"),
    ({"channel": "chat.1", "message": "x" * 999}, BodyTooLarge, "1001 bytes", "message"),
]


@pytest.mark.parametrize(("item", "kind", "told", "field"), REFUSALS)
def test_a_wrong_item_is_named(
    item: Any, kind: type[BrokerError], told: str, field: str | None
) -> None:
    """A refusal names line or element, field and reason; nothing of the batch is left over."""
    text = item if isinstance(item, str) else json.dumps(item)
    good = json.dumps(ITEMS[0])
    with pytest.raises(kind, match=told) as caught:
        read_lines(f"{good}\n\n{text}\n{good}".encode())
    assert str(caught.value).startswith("line 3: ")
    assert (1, field) == (caught.value.index, caught.value.field)
    if "it is not JSON" != told:
        with pytest.raises(kind, match=told) as caught:
            read_array(f"[{good}, {text}]".encode())
        assert str(caught.value).startswith("element 1: ")
        assert (1, field) == (caught.value.index, caught.value.field)


def test_limits_are_named() -> None:
    """A message that is too large is refused with the limit and with what sets it."""
    with pytest.raises(BodyTooLarge, match=r"small\.\{id\}") as caught:
        read_lines(b'{"channel":"small.1","message":"0123456789"}')
    assert 10 == caught.value.limit
    with pytest.raises(BodyTooLarge, match="max_message_bytes") as caught:
        read_lines(b'{"channel":"chat.1","message":"%b"}' % (b"x" * 2000))
    assert 1000 == caught.value.limit


def test_an_unknown_member_names_the_nearest() -> None:
    """A misspelt member is refused with the right one."""
    with pytest.raises(BadBody) as caught:
        read_lines(b'{"channel":"chat.1","mesage":1}')
    assert "message" == caught.value.nearest


@pytest.mark.parametrize("body", [b"", b"\n", b" \r\n\t\n"])
def test_no_message_is_refused(body: bytes) -> None:
    """A batch without a message is a mistake."""
    with pytest.raises(BadBody, match="no message"):
        read_lines(body)


def test_an_empty_array_is_refused() -> None:
    """An array without a message is a mistake."""
    with pytest.raises(BadBody, match="no message"):
        read_array(b"[]")


@pytest.mark.parametrize("body", [b"{}", b"null", b'{"channel":"chat.1","message":1}'])
def test_what_is_no_array_is_refused(body: bytes) -> None:
    """A body of JSON must be an array; the refusal tells of lines."""
    with pytest.raises(BadBody, match="x-ndjson"):
        read_array(body)


def test_messages_lines_and_elements_are_counted() -> None:
    """More messages than one request may hold are refused, however they come."""
    line = json.dumps(ITEMS[0])
    assert 5 == len(read_lines("\n".join([line] * 5).encode(), max_messages=5).drafts)
    wide = json.dumps({"channels": ["chat.1", "chat.2", "chat.3"], "message": 1})
    for body in ("\n".join([line] * 6), "\n" * 6, f"{wide}\n{wide}"):
        with pytest.raises(BadBody) as caught:
            read_lines(body.encode(), max_messages=5)
        assert 5 == caught.value.limit
    with pytest.raises(BadBody, match="elements"):
        read_array(f"[{','.join([line] * 6)}]".encode(), max_messages=5)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
MEMBERS = st.sampled_from(["channel", "channels", "message", "event_id", "event_type", "x"])
CHANNELS = st.sampled_from(["chat.1", "small.2", "ping", "nothing", ""])


@given(st.lists(st.dictionaries(MEMBERS, CHANNELS | st.lists(CHANNELS) | JSON), max_size=4))
def test_any_items_are_drafts_or_refused(items: list[Any]) -> None:
    """Whatever the items are, both forms agree on the drafts, or both refuse."""
    outcomes: list[object] = []
    lines = "\n".join(map(json.dumps, items)).encode()
    for read, body in ((read_lines, lines), (read_array, json.dumps(items).encode())):
        try:
            outcomes.append([draft.channel for draft in read(body).drafts])
        except BrokerError as error:
            outcomes.append(type(error))
    assert outcomes[0] == outcomes[1]


@given(st.binary(max_size=100))
def test_any_bytes_are_a_batch_or_refused(body: bytes) -> None:
    """Whatever bytes come, they are drafts or refused by an error of ours."""
    for read in (read_lines, read_array):
        with suppress(BrokerError):
            assert read(body).drafts
