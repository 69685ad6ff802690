"""Finding the mount of a path."""

from __future__ import annotations

import pytest

from broker.core.mounts import BUILT_IN, STANDARD_SUBSCRIBERS, SubscriberMount, find_mount
from broker.core.rules import Pattern

MOUNTS = (
    SubscriberMount("/a", "shortpoll"),
    SubscriberMount("/a/b", "longpoll"),
    SubscriberMount("/one", "stream", BUILT_IN, "", "channels"),
    SubscriberMount("/two", "stream", BUILT_IN, "", "", ("x",)),
)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/a/c", ("/a", "c")),
        ("/a/b/c/d", ("/a/b", "c/d")),
        ("/a/bc", ("/a", "bc")),
        ("/a", ("/a", "")),
        ("/a/", ("/a", "")),
        ("/a//c", ("/a", "/c")),
        ("/ab", None),
        ("/", None),
        ("", None),
        ("/one", ("/one", "")),
        ("/one/", ("/one", "")),
        ("/one/x", None),
        ("/two", ("/two", "")),
        ("/two/x", None),
    ],
)
def test_the_longest_path_in_whole_segments_counts(
    path: str, expected: tuple[str, str] | None
) -> None:
    """What follows it is the channel list; behind a list of its own nothing may follow."""
    found = find_mount(MOUNTS, path)
    assert expected == (None if found is None else (found[0].path, found[1]))


def test_the_standard_mounts_have_every_mode() -> None:
    """D5 to D7 and the streams are served where nothing is said."""
    modes = {mount.path: mount.mode for mount in STANDARD_SUBSCRIBERS}
    assert {
        "/websocket": "websocket",
        "/longpoll": "longpoll",
        "/shortpoll": "shortpoll",
        "/eventsource": "eventsource",
        "/sse": "eventsource",
        "/stream": "stream",
    } == modes


def test_patterns_narrow() -> None:
    """Without patterns every channel is served; with some, those that match one."""
    assert SubscriberMount("/x", "stream").allows("anything")
    narrow = SubscriberMount("/x", "stream", allow=(Pattern("a.{b}"), Pattern("c")))
    assert [True, True, False] == [narrow.allows(name) for name in ("a.1", "c", "a")]
