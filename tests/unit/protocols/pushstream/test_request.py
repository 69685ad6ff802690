"""Requests at mounts: which channels, how many of their last messages, from which cursor."""

from __future__ import annotations

from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st
import pytest

from broker.core.cursor import Cursor
from broker.core.errors import BadChannel, TooManyChannels
from broker.core.mounts import CursorArguments, SubscriberMount
from broker.protocols.pushstream.request import (
    MAX_BACKTRACK,
    RequestLimits,
    Subscription,
    parse_subscription,
)

LIMITS = RequestLimits(5, 16)
NAME = st.text("abc.b0123", min_size=1, max_size=8)
DATE = "Sat, 14 Nov 2015 15:51:54 GMT"
SECONDS = 1447516314


def ask(mount: SubscriberMount, path: str = "a", query: str = "", **headers: str) -> Subscription:
    """Read a request at a mount."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return parse_subscription(path, query, named, LIMITS, mount=mount)


BACKTRACK = SubscriberMount("/x", "shortpoll", backtrack=True)


@pytest.mark.parametrize(
    ("path", "channels", "latest"),
    [
        ("a", ("a",), ()),
        ("a.b3", ("a",), (("a", 3),)),
        ("a.b3/c", ("a", "c"), (("a", 3),)),
        ("a.b0", ("a",), ()),
        ("a.b", ("a.b",), ()),
        ("a.bx", ("a.bx",), ()),
        ("a.b3x", ("a.b3x",), ()),
        ("a.b2.b3", ("a.b2",), (("a.b2", 3),)),
        ("a.b99999999999", ("a",), (("a", MAX_BACKTRACK),)),
        ("a/a.b2", ("a",), ()),
        ("a%2Eb2", ("a",), (("a", 2),)),
    ],
)
def test_backtrack(path: str, channels: tuple[str, ...], latest: tuple[tuple[str, int]]) -> None:
    """`.bN` at the end of a name is a number; of names that come twice the first counts."""
    asked = ask(BACKTRACK, path)
    assert (channels, latest) == (asked.channels, asked.latest)


def test_a_number_alone_is_no_channel() -> None:
    """Nothing before `.bN` is an empty name."""
    with pytest.raises(BadChannel, match="empty"):
        ask(BACKTRACK, ".b3")


@given(st.lists(NAME, min_size=1, max_size=5, unique=True))
def test_without_backtrack_names_are_names(names: list[str]) -> None:
    """Whatever they end in."""
    asked = ask(SubscriberMount("/x", "shortpoll"), "/".join(names))
    assert (tuple(names), ()) == (asked.channels, asked.latest)


@given(st.lists(NAME, min_size=1, max_size=5, unique=True))
def test_a_list_in_an_argument_is_as_in_a_path(names: list[str]) -> None:
    """It is decoded once, and split at slashes, encoded ones too."""
    mount = SubscriberMount("/x", "shortpoll", argument="list")
    query = f"a=b&LIST={quote('/'.join(names), safe='')}"
    assert tuple(names) == ask(mount, "", query).channels


def test_an_argument_is_decoded_once() -> None:
    """A percent sign that is left then is one."""
    mount = SubscriberMount("/x", "shortpoll", argument="list")
    assert ("a%41",) == ask(mount, "", "list=a%2541").channels
    assert ("a+b",) == ask(mount, "", "list=a+b").channels


def test_prefix_and_fixed_channels() -> None:
    """A prefix counts in the length of a name; fixed channels ask nobody."""
    own = SubscriberMount("/x", "shortpoll", prefix="own.", backtrack=True)
    asked = ask(own, "a.b2/b")
    assert (("own.a", "own.b"), (("own.a", 2),)) == (asked.channels, asked.latest)
    assert ("p", "q") == ask(SubscriberMount("/x", "stream", fixed=("p", "q")), "").channels


def test_a_mount_has_limits_of_its_own() -> None:
    """They hold instead of the settings, in either direction."""
    small = SubscriberMount("/x", "shortpoll", max_channels=2, max_channel_bytes=3)
    assert ("abc", "d") == ask(small, "abc/d").channels
    with pytest.raises(TooManyChannels):
        ask(small, "a/b/c")
    with pytest.raises(BadChannel):
        ask(small, "abcd")
    large = SubscriberMount("/x", "shortpoll", max_channels=9, max_channel_bytes=99)
    assert 6 == len(ask(large, "a/b/c/d/e/f").channels)
    assert ("x" * 20,) == ask(large, "x" * 20).channels


OTHER = SubscriberMount("/x", "longpoll", cursor=CursorArguments("since", "rank", "last"))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (f"since={quote(DATE)}&rank=21", Cursor(SECONDS, 21)),
        (f"time={quote(DATE)}&tag=21", None),
        (f"last={SECONDS}-21", Cursor(SECONDS, 21)),
        (f"last={SECONDS}:21", Cursor(SECONDS, 21)),
        (f"last={SECONDS}%3AW/21", Cursor(SECONDS, 21)),
        ("last=undefined", None),
        (f"since={quote(DATE)}&rank=21&last={SECONDS}-22", Cursor(SECONDS, 22)),
        (f"since={quote(DATE)}&rank=21&last={SECONDS}-20", Cursor(SECONDS, 21)),
    ],
)
def test_a_mount_says_where_the_cursor_is(query: str, expected: Cursor | None) -> None:
    """Of two the newer one counts: the other is as old as the page."""
    assert expected == ask(OTHER, "a", query).cursor


def test_the_event_id_counts_first_on_event_streams_only() -> None:
    """Browsers repeat the URL with the id of the last event; elsewhere the query is first."""
    query = f"time={quote(DATE)}&tag=21"
    events, polls = (SubscriberMount("/x", mode) for mode in ("eventsource", "longpoll"))
    newer, older = f"{SECONDS}-30", f"{SECONDS}-3"
    assert Cursor(SECONDS, 30) == ask(events, "a", query, Last_Event_ID=newer).cursor
    assert Cursor(SECONDS, 3) == ask(events, "a", query, Last_Event_ID=older).cursor
    assert Cursor(SECONDS, 21) == ask(events, "a", query, Last_Event_ID="").cursor
    assert Cursor(SECONDS, 21) == ask(polls, "a", query, Last_Event_ID=newer).cursor


@pytest.mark.parametrize("etag", ["*", '"a-proxys-own"', 'W/"1", W/"2"'])
def test_an_event_id_counts_behind_validators_that_cannot_be_read(etag: str) -> None:
    """Whatever something in between makes of `If-None-Match`, the event id is still there."""
    headers = {"If_None_Match": etag, "If_Modified_Since": DATE}
    mount = SubscriberMount("/x", "longpoll")
    assert Cursor(SECONDS, 30) == ask(mount, Last_Event_ID=f"{SECONDS}-30", **headers).cursor
    assert ask(mount, **headers).cursor is None
