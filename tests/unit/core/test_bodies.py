"""Bodies: compact, and equal in every value to what the publisher wrote."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from typing import Any
import json

from hypothesis import example, given
from hypothesis import strategies as st
import pytest

from broker.core.bodies import (
    MAX_DEPTH,
    compact_json,
    element_texts,
    member_text,
    parse_json,
    quote_text,
)
from broker.core.errors import BadBody

BLANKS = st.text(" \t\r\n", max_size=3)
NUMBERS = st.from_regex(
    r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,2})?", fullmatch=True
)
STRINGS = st.builds(
    lambda text, ascii_only: json.dumps(text, ensure_ascii=ascii_only),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.booleans(),
)
ESCAPED = st.lists(
    st.sampled_from(['\\"', "\\\\", "\\/", "\\u0041", "\\ud83d\\ude00", " ", "{", ",", "x"]),
    max_size=8,
).map(lambda parts: f'"{"".join(parts)}"')
NAMES = STRINGS | ESCAPED
SCALARS = NUMBERS | NAMES | st.sampled_from(["null", "true", "false"])


def _spaced(parts: list[str], opening: str, closing: str) -> st.SearchStrategy[str]:
    gaps = st.lists(BLANKS, min_size=2 * len(parts) + 2, max_size=2 * len(parts) + 2)
    return gaps.map(
        lambda blanks: (
            blanks[0]
            + opening
            + ",".join(
                before + part + after
                for part, before, after in zip(parts, blanks[2::2], blanks[3::2], strict=True)
            )
            + (blanks[1] if not parts else "")
            + closing
            + blanks[1]
        )
    )


def _arrays(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(inner, max_size=4).flatmap(lambda parts: _spaced(parts, "[", "]"))


def _objects(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    members = st.builds("{}{}:{}{}".format, NAMES, BLANKS, BLANKS, inner)
    return st.lists(members, max_size=4).flatmap(lambda parts: _spaced(parts, "{", "}"))


TEXTS = st.recursive(SCALARS, lambda inner: _arrays(inner) | _objects(inner), max_leaves=12)
"""JSON as somebody might write it: odd numbers, odd escapes, members that come twice, blanks."""


def exactly(text: bytes | str) -> Any:
    """Read JSON without losing anything: numbers as they are written, members as they come."""
    return json.loads(
        text, parse_float=Decimal, parse_int=str, object_pairs_hook=lambda pairs: pairs
    )


@given(TEXTS)
@example('{"a": 1, "a": 2}')
@example("[1E5, 1.0, -0, 123456789012345678901234567890]")
@example('"\\\\"')
@example(' {"a\\"b" : " x , y " } ')
def test_compacting_changes_no_value_d21(text: str) -> None:
    """Every number, string and member stands in the compact text as it was written."""
    compacted = compact_json(text.encode())
    assert exactly(text) == exactly(compacted)


@given(TEXTS)
def test_compact_json_holds_no_line_feed_and_no_blank_between_parts_d48(text: str) -> None:
    """A line feed can separate messages, and compacting again finds nothing to take out."""
    compacted = compact_json(text.encode())
    assert b"\n" not in compacted
    assert len(compacted) <= len(text.encode())
    assert compacted == compact_json(compacted)
    outside = [
        piece
        for at, piece in enumerate(compacted.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"'))
        if at % 2 == 0
    ]
    assert not set(b" \t\r\n") & set(b"".join(outside))


@given(TEXTS, st.sampled_from([",", " , "]), st.permutations(["channel", "message", "event_id"]))
def test_a_member_is_cut_out_as_it_was_written(text: str, comma: str, order: list[str]) -> None:
    """Wherever the message stands among the members, its own text is what is kept."""
    values = {"channel": '"a.b"', "message": text, "event_id": '"}{,"'}
    item = ("{" + comma.join(f'"{name}":{values[name]}' for name in order) + "}").encode()
    value = parse_json(item)
    assert isinstance(value, dict)
    assert compact_json(text.encode()) == member_text(item, value, "message")


@pytest.mark.parametrize("depth", [10, 300, MAX_DEPTH])
def test_deep_nesting_is_kept(depth: int) -> None:
    """A message may be nested deeper than it could be written anew."""
    text = b"[" * depth + b" 1 " + b"]" * depth
    compacted = text.replace(b" ", b"")
    assert compacted == compact_json(text)
    item = b'{"channel":"a","message":%b}' % text
    value = parse_json(item)
    assert isinstance(value, dict)
    assert compacted == member_text(item, value, "message")


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_nesting_that_is_too_deep_is_refused(opening: bytes, closing: bytes) -> None:
    """One level more than the limit, however much stands beside it; the limit is named."""
    deepest = opening * MAX_DEPTH + b" 1" + closing * MAX_DEPTH
    wide = b"[" + b",".join([deepest[len(opening) : -1]] * 2) + b"]"
    for text in (deepest, wide):
        assert compact_json(text)
    too_deep = opening + deepest + closing
    item = b'{"message":%b,"channel":"a"}' % too_deep
    value = parse_json(item)
    assert isinstance(value, dict)
    with pytest.raises(BadBody, match=f"more than {MAX_DEPTH} levels") as caught:
        compact_json(too_deep)
    assert ("message", MAX_DEPTH) == (caught.value.field, caught.value.limit)
    with pytest.raises(BadBody, match=f"more than {MAX_DEPTH} levels"):
        member_text(item, value, "message")


def test_brackets_in_text_or_side_by_side_are_no_levels() -> None:
    """Neither strings nor many small parts count."""
    for text in (b'["%b"]' % (b"[{" * 2000), b"[%b]" % b",".join([b"[{}]"] * 2000)):
        assert text == compact_json(text)


@given(st.lists(TEXTS, max_size=5))
def test_elements_are_cut_out_as_they_were_written(texts: list[str]) -> None:
    """An array falls into the texts that it was made of."""
    array = f"[{','.join(texts)}]".encode()
    values = parse_json(array)
    assert isinstance(values, list)
    assert [compact_json(text.encode()) for text in texts] == element_texts(array, values)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_plain_text_becomes_a_json_string(text: str) -> None:
    """Plain text comes back whole from the JSON string that it was made into."""
    quoted = quote_text(text.encode())
    assert text == json.loads(quoted)
    assert b"\n" not in quoted


@given(st.binary(max_size=200))
@example(b"\xff")
@example(b'"\xed\xa0\x80"')
@example(b"[" * 100_000)
def test_any_bytes_are_json_or_refused(body: bytes) -> None:
    """Whatever bytes come, they are made compact or refused as a body; nothing else is raised."""
    for read in (compact_json, quote_text):
        with suppress(BadBody):
            assert b"\n" not in read(body)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "the body is empty"),
        (b" \n", "the body is empty"),
        (b"NaN", "line 1, column 1"),
        (b"1e999", "line 1, column 1"),
        (b'{"a":1,}', "trailing comma"),
        (b'{\n "a": x}', "line 2, column 7"),
        (b'"a\nb"', "line 1, column 3"),
        (b'"ab\xff"', "byte 4 cannot be read"),
        (b'"\\ud800"', "not JSON"),
        (b"\xef\xbb\xbf1", "not JSON"),
        (b"1 2", "line 1, column 3"),
        (b"[" * 2000 + b"]" * 2000, "depth limit"),
    ],
)
def test_a_refusal_says_where(body: bytes, told: str) -> None:
    """What is not JSON is refused with the place of its first fault."""
    with pytest.raises(BadBody, match=told):
        compact_json(body)


def test_a_refusal_never_quotes_the_payload() -> None:
    """A payload may be a secret: no refusal repeats a piece of it."""
    with pytest.raises(BadBody) as caught:
        compact_json(b'{"password": hunter2}')
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "item",
    [
        b'{"message":1,"message":2}',
        b'{"channel":"a","message":1,"channel":"b"}',
        b'{"channel":"a","channel":"b","message":1}',
    ],
)
def test_a_member_that_comes_twice_is_refused(item: bytes) -> None:
    """Two channels or two messages in one item mean nothing certain, so nothing is stored."""
    value = parse_json(item)
    assert isinstance(value, dict)
    with pytest.raises(BadBody, match="comes twice"):
        member_text(item, value, "message")
