"""Rendering: what templates make of messages is what they say, whatever a message holds."""

from __future__ import annotations

from html import unescape
import json

from hypothesis import given
from hypothesis import strategies as st
import orjson
import pytest

from broker.core.cursor import Cursor
from broker.core.message import Message
from broker.core.notices import DELETED
from broker.core.templates import parse_template
from broker.protocols.pushstream.envelope import envelope
from broker.protocols.pushstream.wire.rendering import Render, renderer

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.sampled_from(
    ["</script>", "'", '"', "\\", "\u2028", "<!--", "&amp;", "~id~", "a\nb", "}{"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
NAME = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)


@st.composite
def messages(draw: st.DrawFn) -> Message:
    """Make a message."""
    body = orjson.dumps(draw(JSON))
    cursor = Cursor(draw(st.integers(1, 2**31)), draw(st.integers(1, 10**6)))
    number = draw(st.integers(1, 10**6))
    return Message(number, draw(NAME), body, cursor, cursor, draw(NAME), draw(NAME))


def text_of(message: Message) -> str:
    """Return a message's text as the module would have it."""
    said = orjson.loads(message.body)
    return said if isinstance(said, str) else message.body.decode()


@given(messages())
def test_json_stays_json(message: Message) -> None:
    """`~text~` as a value is the message, inside quotes its characters; so are all other words."""
    template = (
        '{"id":~id~,"value":~text~,"text":"<~text~>","channel":"~channel~","bare":~channel~,'
        '"tag":"~tag~","time":"~time~","when":~time~,"size":~size~,'
        '"event":"~event-id~ ~event-type~"}'
    )
    made = json.loads(renderer(parse_template(template))(message))
    text = text_of(message)
    assert {
        "id": message.id,
        "value": orjson.loads(message.body),
        "text": f"<{text}>",
        "channel": message.channel,
        "bare": message.channel,
        "tag": str(message.cursor.tag),
        "time": message.cursor.http_date,
        "when": message.cursor.http_date,
        "size": len(text.encode()),
        "event": f"{message.event_id} {message.event_type}",
    } == made


@given(messages())
def test_the_envelope_is_a_template_like_others(message: Message) -> None:
    """The product's own template makes the envelope, byte for byte."""
    template = '{"id":~id~,"channel":~channel~,"message":~text~,"tag":"~tag~","time":"~time~"}'
    assert envelope(message) == renderer(parse_template(template))(message)


@given(messages())
def test_nothing_leaves_a_script(message: Message) -> None:
    """In a page's script a value stays a value of the string or literal in which it stands."""
    template = "<script>p('~text~',\"~channel~\",~text~);</script>"
    made = renderer(parse_template(template, page=True))(message).decode()
    inner = made.removeprefix("<script>p('").removesuffix(");</script>")
    assert not set(inner) & set("<>&\u2028\u2029")
    first, rest = inner.split("',\"", 1)
    assert "'" not in first
    assert text_of(message) == json.loads(f'"{first}"')
    decoder = json.JSONDecoder()
    channel, end = decoder.raw_decode('"' + rest)
    assert message.channel == channel
    assert orjson.loads(message.body) == orjson.loads(('"' + rest)[end + 1 :])


@given(messages())
def test_nothing_becomes_a_tag(message: Message) -> None:
    """Outside scripts a value is text of the page."""
    made = renderer(parse_template("<p>~text~ ~channel~</p>", page=True))(message).decode()
    inner = made.removeprefix("<p>").removesuffix("</p>")
    assert not set(inner) & set("<>\"'")
    assert f"{text_of(message)} {message.channel}" == unescape(inner)


@given(messages())
def test_plain_text_is_as_it_was_published(message: Message) -> None:
    """A string is its characters, anything else its JSON; words inside it are not expanded."""
    assert text_of(message).encode() == renderer(parse_template("~text~"))(message)


TEMPLATED = renderer(parse_template('{"id":~id~,"x":"~event-type~","tag":"~tag~"}'))


@pytest.mark.parametrize("make", [envelope, TEMPLATED], ids=["envelope", "template"])
def test_a_deletion_is_told_with_its_own_id_and_a_real_cursor(make: Render) -> None:
    """`id` is -2, no event type is seen, the cursor is the message's."""
    cursor = Cursor(1000, 7)
    made = json.loads(make(Message(9, "a", b'"Channel deleted"', cursor, cursor, "", DELETED)))
    assert -2 == made["id"]
    assert "\x7f" not in str(made)
    assert "7" == made["tag"]
