"""Where locations take their channels from."""

from __future__ import annotations

import pytest

from broker.core.rules import Place
from broker.migration.configuration import Directive
from broker.migration.draft import NoCounterpart, Value
from broker.migration.sources import find_source

PLACE = Place("n", 1, 1)


def location(*words: str) -> Directive:
    """Return a location."""
    return Directive("location", words, PLACE, ())


@pytest.mark.parametrize(
    ("words", "channels", "path", "keys"),
    [
        (("/pub",), ("$arg_id",), "/pub", {"argument": "id"}),
        (("=", "/pub/"), ("${arg_id}",), "/pub", {"argument": "id"}),
        (("~", "/sub/(.*)"), ("$1",), "/sub", {}),
        (("~", "^/sub/(.+)$"), ("$1",), "/sub", {}),
        (("~*", r"^/a\.b/([^/]+)/?$"), ("$1",), "/a.b", {}),
        (("~", r"/s/(?<id>.*)"), ("$id",), "/s", {}),
        (("~", r"/s/(\w+)/(\w+)$"), ("$1", "$2"), "/s", {}),
        (("~", "/sub/(.*)"), ("test_$1",), "/sub", {"prefix": "test_"}),
        (("/news",), ("a.b3/b",), "/news", {"fixed": ("a", "b")}),
        (("/x",), ("foo", "bar"), "/x", {"fixed": ("foo", "bar")}),
    ],
)
def test_what_a_mount_can_say(
    words: tuple[str, ...], channels: tuple[str, ...], path: str, keys: dict[str, Value]
) -> None:
    """Captures are channels in the path, arguments and names are keys."""
    source = find_source(location(*words), channels)
    assert (path, keys) == source[:2]


def test_a_group_stands_before_every_name() -> None:
    """The group of nchan's channels is the beginning of their names."""
    assert {"prefix": "g."} == find_source(location("~", "/s/(.*)"), ("$1",), "g.").keys
    assert {"fixed": ("g.a",)} == find_source(location("/s"), ("a",), "g.").keys


def test_a_narrow_expression_is_told() -> None:
    """Where the expression takes certain names only, the difference is told."""
    assert "any name" in find_source(location("~", r"/s/(\w+)$"), ("$1",)).remark
    assert not find_source(location("~", r"/s/(.*)$"), ("$1",)).remark


@pytest.mark.parametrize(
    ("words", "channels", "reason"),
    [
        (("/s",), (), "nothing says which"),
        (("/s",), ("$remote_addr",), r"not from \$remote_addr"),
        (("/s",), ("$arg_a$arg_b",), "no plain variable"),
        (("/s",), ("$arg_a-x",), "no plain variable"),
        (("~", "/s/(.*)"), ("$1", "all"), "from one place"),
        (("~", "/s/(.*)/(.*)"), ("$2",), r"not from \$2"),
        (("~", r"\.(php|html)$"), ("$arg_id",), "the path of a mount is text"),
        (("~", "/s/(a(b))"), ("$1",), "the path of a mount is text"),
        (("@named",), ("$arg_id",), "internal location"),
        (("/",), ("$arg_id",), "a path of its own"),
        (("/s",), ("/",), "has no name"),
    ],
)
def test_what_no_mount_can_say(
    words: tuple[str, ...], channels: tuple[str, ...], reason: str
) -> None:
    """Other sources of channels, and other expressions, have no counterpart."""
    with pytest.raises(NoCounterpart, match=reason):
        find_source(location(*words), channels)


def test_a_server_has_no_path() -> None:
    """What answers under every path of a server has no counterpart."""
    with pytest.raises(NoCounterpart, match="a path of its own"):
        find_source(Directive("server", (), PLACE, ()), ("$arg_id",))
