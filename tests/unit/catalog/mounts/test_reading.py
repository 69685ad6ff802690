"""The list `mounts` of channels.yaml: what it makes, and how its mistakes are named."""

from __future__ import annotations

import pytest

from broker.catalog import Catalog, CatalogError
from broker.core.mounts import (
    STANDARD_SUBSCRIBERS,
    CursorArguments,
    SubscriberMount,
    Texts,
    Wildcard,
    mounts_of,
)

CHANNELS = "channels: [{name: a}]\n"

EVERYTHING = r"""
mounts:
  - path: /sub/
    mode: stream
    description: for old pages
    prefix: room.
    allow: ["room.{id}"]
    subscribe: [{role: operator}]
    max_channels: 10
    max_channel_bytes: 64
    backtrack: true
    wildcard: {prefix: broad_, most: 3}
    stored_only: true
    cursor: {time: T, tag: G, event_id: eventid}
    content_type: text/html
    header: "<html>\r\n"
    template: "<script>p('~text~')</script>"
    footer: "</html>"
    separator: ""
    texts: {ping: "", timeout: late}
    compress: true
    mode_header: true
    hold: 30s
    ttl: 15m
"""


def mounts(text: str) -> tuple[SubscriberMount, ...]:
    """Return the subscribers' mounts of a file."""
    return mounts_of(Catalog.parse(CHANNELS + text).mounts, SubscriberMount)


def problems(text: str) -> list[str]:
    """Return what is wrong with a list of mounts, without the file's name and first line."""
    with pytest.raises(CatalogError) as caught:
        Catalog.parse(CHANNELS + "mounts:\n" + text, "c.yaml")
    return [line.removeprefix("c.yaml:") for line in str(caught.value).splitlines()]


def test_without_the_list_the_standard_mounts_are_served() -> None:
    """A file from before mounts serves what it always did."""
    assert mounts("") == STANDARD_SUBSCRIBERS
    assert Catalog(()).mounts == Catalog.parse(CHANNELS).mounts


def test_the_list_is_everything_there_is() -> None:
    """The word `standard` keeps the usual ones; without it there are only those that are listed."""
    one = "mounts: [{path: /x, mode: shortpoll}]\n"
    assert ["/x"] == [mount.path for mount in mounts(one)]
    both = mounts("mounts: [{path: /x, mode: shortpoll}, standard]\n")
    assert ["/x", *(mount.path for mount in STANDARD_SUBSCRIBERS)] == [each.path for each in both]
    assert () == mounts("mounts: []\n")


def test_every_key_of_a_stream() -> None:
    """Each key comes to its field; a slash at the end of a path is left out."""
    [mount] = mounts(EVERYTHING)
    assert ("/sub", "stream", "for old pages") == (mount.path, mount.mode, mount.description)
    assert ("room.", 10, 64) == (mount.prefix, mount.max_channels, mount.max_channel_bytes)
    assert ["room.{id}"] == [pattern.text for pattern in mount.allow]
    assert 1 == len(mount.subscribe)
    assert Wildcard("broad_", 3) == mount.wildcard
    assert CursorArguments("t", "g", "eventid") == mount.cursor
    assert ("<html>\r\n", "</html>", "") == (mount.header, mount.footer, mount.separator)
    assert Texts("", "late") == mount.texts
    assert (30, 900) == (mount.hold_s, mount.ttl_s)
    assert mount.backtrack
    assert mount.stored_only
    assert mount.compress
    assert mount.mode_header
    assert mount.template is not None
    assert "c.yaml:" not in str(mount.place)
    assert (4, 11) == (mount.place.line, mount.place.column)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "  - standrd\n",
            '3:5: a mount is a mapping or the word standard, not "standrd"; did you mean',
        ),
        (
            "  - {path: /a, mode: shortpol}\n",
            '3:22: unknown mode "shortpol"; did you mean "shortpoll"? (allowed: ',
        ),
        ("  - {mode: longpoll}\n", "3:5: the mount has no path"),
        ("  - {path: /a}\n", "3:5: the mount has no mode; allowed: websocket, "),
        (
            "  - {path: a, mode: longpoll}\n",
            '3:12: a path is made of segments, each behind a slash, for example /ws, not "a"',
        ),
        (
            "  - {path: /a, mode: websocket, hold: 1s}\n",
            '3:33: unknown key "hold" in a mount of mode websocket; ',
        ),
        (
            "  - {path: /a, mode: websocket, templat: x}\n",
            '3:33: unknown key "templat" in a mount of mode websocket; did you mean "template"?',
        ),
        (
            "  - {path: /a, mode: longpoll}\n  - {path: /a/, mode: stream}\n",
            "4:12: the path /a is already given at c.yaml:3:12",
        ),
        (
            "  - {path: /a, mode: longpoll, argument: x, fixed: [b]}\n",
            "3:52: a mount has either argument or fixed",
        ),
        ("  - {path: /a, mode: longpoll, fixed: []}\n", "3:39: fixed is empty"),
        ("  - {path: /a, mode: longpoll, fixed: ['a*']}\n", "3:40: a channel name cannot hold"),
        ("  - {path: /a, mode: longpoll, allow: ['{']}\n", "3:40: a variable is a name in braces"),
        (
            "  - {path: /a, mode: longpoll, jsonp: 1}\n",
            '3:39: jsonp must be true or false, not "1"',
        ),
        ("  - {path: /a, mode: longpoll, hold: 2h}\n", "3:38: hold must be from 1s to 1h"),
        (
            "  - {path: /a, mode: longpoll, template: '~tex~'}\n",
            '3:42: the word ~tex~ is not known; did you mean "~text~"? ',
        ),
        ("  - {path: /a, mode: longpoll, template: ''}\n", "3:42: a template cannot be blank"),
        (
            "  - {path: /a, mode: stream, content_type: text/html}\n",
            "3:44: text/html needs a template: envelopes are no page",
        ),
        (
            "  - {path: /a, mode: stream, content_type: text/htm}\n",
            '3:44: unknown content_type "text/htm"; did you mean "text/html"?',
        ),
        (
            "  - {path: /a, mode: stream, content_type: text/html, template: '<a b=~text~>'}\n",
            "3:65: ~text~ cannot stand inside a tag",
        ),
        ("  - {path: /a, mode: longpoll, wildcard: {prefix: b}}\n", "3:42: wildcard has no most"),
        ("  - {path: /a, mode: longpoll, subscribe: public}\n", "3:43: a mount narrows what"),
        (
            "  - {path: /a, mode: longpoll, subscribe: [{sub: '{x}'}]}\n",
            "3:50: the pattern has no variable {x}",
        ),
        ("  - {path: /a, mode: longpoll, cursor: {time: 'a b'}}\n", '3:47: time cannot be "a b"'),
        (
            "  - {path: /a, mode: longpoll, prefix: '" + "x" * 1025 + "'}\n",
            "3:40: prefix has 1025 characters, the limit is 1024",
        ),
        ("  - {path: /a, mode: longpoll, allow: [~]}\n", "3:40: a pattern of allow must be text"),
        ("  - {path: /a, mode: longpoll, allow: []}\n", "3:39: allow is empty; nothing would be"),
        ("  - {path: ~, mode: longpoll}\n", "3:12: path must be text, not empty"),
        ("  - [a]\n", "3:5: a mount must be a mapping with path, mode, "),
        ("  x: 1\n", "3:3: mounts must be a list, not a mapping"),
    ],
    ids=repr,
)
def test_a_mistake_is_named_where_it_is(text: str, expected: str) -> None:
    """One sentence, with line and column and what would be right."""
    [found] = problems(text)
    assert found.startswith(expected)
