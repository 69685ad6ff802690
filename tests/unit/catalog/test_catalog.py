"""The catalogue: what is read, what matches."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
import pytest

from broker.catalog import Catalog, CatalogError, Problem
from broker.core.errors import UnknownChannel
from broker.core.ring import Retention
from broker.core.rules import Claim, Pattern

EVERYTHING = """\
version: 1
defaults:
  history: {messages: 50}
  max_message: 2k
channels:
  - name: news
    description: For everybody.
    history: {age: 7d}
    subscribe: public
  - name: chat.{room}.admin
    history: {messages: 0}
    max_message: 1m
    subscribe:
      - {rooms: "{room}", admin: true}
      - {role: root, level: 7, "https://example.com/team": "team-{room}"}
    publish:
      - {}
  - name: chat.{room}.{user}
  - name: "{app}.status"
  - name: user-{id}
"""


def text_of(catalog: Catalog, channel: str) -> str | None:
    """Return the pattern that a channel falls under."""
    match = catalog.match(channel)
    return None if match is None else match.entry.pattern.text


@pytest.fixture
def catalog() -> Catalog:
    """Return a catalogue that uses everything there is."""
    return Catalog.parse(EVERYTHING)


def test_defaults_hold_where_an_entry_says_nothing(catalog: Catalog) -> None:
    """Also for one half of a history."""
    limits = [(entry.retention, entry.max_message_bytes) for entry in catalog.entries[:3]]
    assert [
        (Retention(50, 7 * 86_400), 2048),
        (Retention(0, 3600), 1024 * 1024),
        (Retention(50, 3600), 2048),
    ] == limits


def test_without_defaults_a_thousand_messages_and_an_hour_are_kept() -> None:
    """As the reference chooses."""
    match = Catalog.parse("channels: [{name: a}]").require("a")
    assert Retention(1000, 3600) == match.retention
    assert 65_536 == match.max_message_bytes


def test_slow_readers_catch_up_unless_something_else_is_said() -> None:
    """The defaults hold for entries that say nothing, and an entry decides for itself."""
    text = "channels: [{name: a}, {name: b, slow_reader: conflate}, {name: c, slow_reader: close}]"
    entries = Catalog.parse(text).entries
    assert ["catch_up", "conflate", "close"] == [entry.slow_reader.value for entry in entries]
    entries = Catalog.parse(f"defaults: {{slow_reader: close}}\n{text}").entries
    assert ["close", "conflate", "close"] == [entry.slow_reader.value for entry in entries]


def test_rules_are_read_with_their_places(catalog: Catalog) -> None:
    """Values are text or booleans, with the variables that they hold."""
    entry = catalog.entries[1]
    room = ("room",)
    assert [
        (Claim("rooms", "{room}", room), Claim("admin", True)),
        (
            Claim("role", "root"),
            Claim("level", "7"),
            Claim("https://example.com/team", "team-{room}", room),
        ),
    ] == [rule.claims for rule in entry.subscribe]
    places = [str(rule.place) for rule in entry.subscribe + entry.publish]
    assert ["channels.yaml:14:9", "channels.yaml:15:9", "channels.yaml:17:9"] == places


def test_only_the_word_public_opens_a_channel(catalog: Catalog) -> None:
    """An entry without rules is closed."""
    assert [True, False, False, False, False] == [entry.public for entry in catalog.entries]


@pytest.mark.parametrize(
    ("channel", "pattern"),
    [
        ("news", "news"),
        ("news.1", None),
        ("chat.7.admin", "chat.{room}.admin"),
        ("chat.7.bob", "chat.{room}.{user}"),
        ("chat.7", None),
        ("chat.status", "{app}.status"),
        ("shop.status", "{app}.status"),
        ("shop.other", None),
        ("user-7", "user-{id}"),
        ("user-", None),
    ],
)
def test_the_first_entry_that_matches_holds(
    catalog: Catalog, channel: str, pattern: str | None
) -> None:
    """In the order of the file, whatever stands first in the name."""
    assert pattern == text_of(catalog, channel)


def test_a_pattern_with_a_variable_head_keeps_its_turn() -> None:
    """It comes before a literal one that stands further down, and after one further up."""
    catalog = Catalog.parse("channels: [{name: a.b}, {name: '{x}.c'}, {name: 'a.{y}'}]")
    assert ["a.b", "{x}.c", "a.{y}", None] == [
        text_of(catalog, channel) for channel in ("a.b", "a.c", "a.d", "b.d")
    ]


def test_plain_words_are_text() -> None:
    """Yes, on, numbers with leading zeros and times are what was written."""
    text = (
        "channels: [{name: a, subscribe: [{a: yes, b: on, c: 007, d: 1:30, e: 'true', f: TRUE}]}]"
    )
    claims = Catalog.parse(text).require("a").entry.subscribe[0].claims
    assert ["yes", "on", "007", "1:30", "true", True] == [claim.value for claim in claims]


def test_a_byte_order_mark_is_no_mistake() -> None:
    """Some editors write one."""
    assert Catalog.parse(b"\xef\xbb\xbfchannels: [{name: a}]").match("a")


@pytest.mark.parametrize(
    ("channel", "pattern"),
    [
        ("chat.7.bob.x", "chat.{room}.{user}"),
        ("caht.7.bob", "chat.{room}.{user}"),
        ("new", "news"),
        ("user_7", "user-{id}"),
        ("zzzzzzzzzz", None),
        ("", None),
    ],
)
def test_the_nearest_pattern_is_named(catalog: Catalog, channel: str, pattern: str | None) -> None:
    """Compared with the channel's own words in place of the variables."""
    assert pattern == catalog.nearest(channel)


def test_an_unknown_channel_is_refused_with_the_nearest_pattern(catalog: Catalog) -> None:
    """The error carries it as a field, too."""
    with pytest.raises(UnknownChannel) as caught:
        catalog.require("nwes")
    assert 'no pattern of channels.yaml matches the channel "nwes"; the nearest is "news"' == str(
        caught.value
    )
    assert "news" == caught.value.nearest


def test_nothing_near_is_no_hint(catalog: Catalog) -> None:
    """A wrong hint is worse than none."""
    with pytest.raises(UnknownChannel) as caught:
        catalog.require("zzzzzzzzzz")
    assert None is caught.value.nearest
    assert str(caught.value).endswith('channel "zzzzzzzzzz"')


def test_matches_are_remembered_up_to_a_limit(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same channel gives the same match, and made-up names push out only each other."""
    match = catalog.match("chat.7.bob")
    assert match is catalog.match("chat.7.bob")
    monkeypatch.setattr("broker.catalog.catalog.CACHED_MATCHES", 2)
    small = Catalog(catalog.entries)
    first = small.match("chat.1.a")
    assert [small.match(f"chat.{number}.a") for number in range(2, 5)]
    assert first == small.match("chat.1.a")
    assert first is not small.match("chat.1.a")


def test_a_file_is_loaded(tmp_path: Path) -> None:
    """Places name the file as it was given."""
    file = tmp_path / "rules.yaml"
    file.write_text(EVERYTHING)
    assert file.as_posix() == Catalog.load(file).entries[0].place.file


@pytest.mark.parametrize(
    ("name", "fault"), [("absent", "No such file or directory"), (".", "Is a directory")]
)
def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path, name: str, fault: str) -> None:
    """With the reason of the system."""
    with pytest.raises(CatalogError) as caught:
        Catalog.load(tmp_path / name)
    assert f"{tmp_path / name}:1:1: {fault}" == str(caught.value)


def test_a_huge_file_is_not_read_whole(tmp_path: Path) -> None:
    """Its size is enough to refuse it."""
    file = tmp_path / "huge.yaml"
    with file.open("wb") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(CatalogError, match="larger than 1048576 bytes"):
        Catalog.load(file)


@given(st.text() | st.binary())
def test_arbitrary_text_is_a_catalogue_or_an_error(content: str | bytes) -> None:
    """Nothing but `CatalogError` is raised, and it is one: no such text has the list channels."""
    with pytest.raises(CatalogError):
        Catalog.parse(content)


_NAMES = [
    "channels",
    "name",
    "history",
    "messages",
    "age",
    "subscribe",
    "publish",
    "max_message",
    "slow_reader",
    "defaults",
    "version",
]
_VALUES = ["a.{x}", "{x}", "1h", "1", "public", "64k", "close", "sub", "*a", "&a", "!!str", "~"]
_MARKS = ["'", '"', "{", "}", "[", "]", "- ", ": ", ", ", "\n", "\n  ", "\t", "#", "---\n"]
_WORDS = st.sampled_from(_NAMES + _VALUES + _MARKS)


def patterns_or_problems(content: str) -> tuple[list[str], tuple[Problem, ...]]:
    """Return the patterns of a text, or what is wrong with it."""
    try:
        return [entry.pattern.text for entry in Catalog.parse(content).entries], ()
    except CatalogError as error:
        return [], error.problems


@given(st.lists(_WORDS, max_size=30).map("".join))
def test_almost_right_text_is_a_catalogue_or_an_error(content: str) -> None:
    """Pieces of right files in any order: read, or refused with places."""
    patterns, problems = patterns_or_problems(content)
    assert bool(patterns) is not bool(problems)
    assert all(problem.place.line and problem.place.column for problem in problems)


_SEGMENTS = st.sampled_from(["a", "b", "{v}", "a{v}"])
_PATTERNS = st.lists(_SEGMENTS, min_size=1, max_size=3).map(
    lambda parts: ".".join(part.replace("v", f"v{place}") for place, part in enumerate(parts))
)


@given(st.lists(_PATTERNS, min_size=1, max_size=8), st.text("ab.", min_size=1, max_size=6))
def test_the_index_finds_what_a_search_in_order_finds(patterns: list[str], channel: str) -> None:
    """Whatever the mixture of literal and variable heads."""
    text = "channels:\n" + "".join(f"  - name: '{pattern}'\n" for pattern in patterns)
    read, problems = patterns_or_problems(text)
    assert all("pattern" in problem.message for problem in problems)
    found = [pattern for pattern in read if Pattern(pattern).match(channel) is not None]
    if read:
        assert (found[0] if found else None) == text_of(Catalog.parse(text), channel)
