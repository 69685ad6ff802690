"""The forms of the module's answers: whatever a channel is called, each is what it says it is."""

from __future__ import annotations

from xml.etree.ElementTree import fromstring
import json

from hypothesis import given
from hypothesis import strategies as st
import pytest
import yaml

from broker.api.pushstream.forms import Facts, Group, Summary, channel_facts, choose_form
from broker.api.survey import ChannelFacts
from broker.core.channels import check_channel
from broker.core.cursor import START
from broker.core.errors import BadChannel


def is_name(text: str) -> bool:
    """Tell whether a text can be the name of a channel."""
    try:
        check_channel(text, 256)
    except BadChannel:
        return False
    return True


NAMES = st.text(min_size=1, max_size=20).filter(is_name)
FACTS = st.builds(
    ChannelFacts,
    channel=NAMES,
    published=st.integers(0, 2**53),
    stored=st.integers(0, 2**31),
    subscribers=st.integers(0, 2**31),
    head=st.just(START),
)
HEAD: Facts = {"hostname": "vm", "channels": 2, "uptime": 1}


@given(FACTS)
def test_json_reads_back(facts: ChannelFacts) -> None:
    """JSON of a channel is JSON, its name as it is."""
    text = choose_form("application/json").channel(channel_facts(facts))
    assert dict(channel_facts(facts)) == json.loads(text)


@given(FACTS)
def test_yaml_reads_back(facts: ChannelFacts) -> None:
    """YAML of a channel is YAML: no name is taken for a number, a date or a list."""
    text = choose_form("application/yaml").channel(channel_facts(facts))
    assert dict(channel_facts(facts)) == yaml.safe_load(text)


@given(st.lists(FACTS, max_size=3))
def test_yaml_of_a_group_reads_back(channels: list[ChannelFacts]) -> None:
    """So is YAML of several channels, and of none."""
    rows = [channel_facts(facts) for facts in channels]
    told = yaml.safe_load(choose_form("text/x-yaml").group(Group(HEAD, rows)))
    assert {**HEAD, "infos": [dict(row) for row in rows]} == told


@given(st.lists(FACTS, max_size=3))
def test_xml_reads_back(channels: list[ChannelFacts]) -> None:
    """XML is XML; characters that it cannot hold are replaced."""
    rows = [channel_facts(facts) for facts in channels]
    text = choose_form("application/xml").group(Group(HEAD, rows))
    root = fromstring(text)  # noqa: S314 - our own text
    found = root.findall("infos/channel")
    assert [str(facts.published) for facts in channels] == [
        each.findtext("published_messages") for each in found
    ]
    for facts, each in zip(channels, found, strict=True):
        if facts.channel.isascii():
            assert facts.channel == each.findtext("name")


@given(st.lists(FACTS, min_size=1, max_size=3))
def test_plain_text_has_a_line_a_channel(channels: list[ChannelFacts]) -> None:
    """No name can begin a line of its own."""
    rows = [channel_facts(facts) for facts in channels]
    text = choose_form("text/plain").group(Group(HEAD, rows))
    assert 1 + len(channels) == text.count("\r\n")
    assert text.endswith("\r\n")


def test_a_summary_lists_processes() -> None:
    """Each form has a row for each process."""
    summary = Summary(HEAD, [{"pid": "1", "subscribers": 2}, {"pid": "3", "subscribers": 4}])
    wanted = {**HEAD, "by_worker": [dict(row) for row in summary.workers]}
    assert wanted == json.loads(choose_form("").summary(summary))
    assert wanted == yaml.safe_load(choose_form("a/yaml").summary(summary))
    root = fromstring(choose_form("a/xml").summary(summary))  # noqa: S314 - our own text
    assert ["1", "3"] == [each.findtext("pid") for each in root.findall("by_worker/worker")]
    assert "by_worker:\r\n  pid: 1\r\n" in choose_form("a/plain").summary(summary)


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("xml", "application/json"),
        ("text/xml", "application/xml"),
        (" TEXT/X-Yaml ; q=0", "text/x-yaml"),
        ("text/html,application/yaml,text/plain", "application/yaml"),
        (",,;/,text/plain", "text/plain"),
    ],
)
def test_the_first_known_subtype_decides(accept: str, content_type: str) -> None:
    """Without one, it is JSON."""
    assert content_type == choose_form(accept).content_type
