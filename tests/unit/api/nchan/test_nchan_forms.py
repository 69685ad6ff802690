"""The forms of nchan's answers."""

from __future__ import annotations

from xml.etree.ElementTree import fromstring
import json

import pytest
import yaml

from broker.api.nchan.forms import choose_nchan_form, nchan_facts
from broker.api.survey import ChannelFacts
from broker.core.cursor import START, Cursor

FIRST = ChannelFacts("a", 9, 3, 2, Cursor(1_700_000_000, 4))
SECOND = ChannelFacts("b", 1, 1, 0, Cursor(1_700_000_001, 1))
NEW = ChannelFacts("c", 0, 0, 0, START)
WANTED = {
    "messages": 3,
    "requested": 0,
    "subscribers": 2,
    "last_message_id": "1700000000:4",
}


def test_several_channels_are_told_together() -> None:
    """The most messages, all subscribers, the last id."""
    facts = nchan_facts([FIRST, SECOND])
    assert (3, 0, 2, "1700000001:1") == facts


def test_nobody_and_nothing() -> None:
    """Without subscribers nobody has asked, without messages there is no id."""
    assert (0, -1, 0, "0:0") == nchan_facts([NEW])


def test_every_form_says_the_same() -> None:
    """JSON, YAML and XML are what they say they are."""
    facts = nchan_facts([FIRST])
    assert json.loads(choose_nchan_form("application/json").write(facts)) == WANTED
    assert yaml.safe_load(choose_nchan_form("text/yaml").write(facts)) == WANTED
    root = fromstring(choose_nchan_form("text/xml").write(facts))  # noqa: S314 - our own text
    assert {each.tag: each.text for each in root} == {
        name: str(value) for name, value in WANTED.items()
    }


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain"),
        ("image/json", "text/plain"),
        ("application/json", "text/json"),
        ("text/html, Application/XML;q=0.5", "text/xml"),
        ("application/x-yaml", "text/yaml"),
    ],
)
def test_the_first_known_type_decides(accept: str, content_type: str) -> None:
    """Without one, it is plain text."""
    assert content_type == choose_nchan_form(accept).content_type
