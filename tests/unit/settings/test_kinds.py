"""Each kind of setting reads what it should and refuses the rest with the nearest right text."""

from __future__ import annotations

from typing import Any

import pytest

from broker.settings.errors import Unreadable
from broker.settings.kinds import (
    ApiKeys,
    Choice,
    FilePath,
    Items,
    Kind,
    Listen,
    Networks,
    SecretText,
    Switch,
    Text,
    Url,
)
from broker.settings.measures import Bytes, Milliseconds, Rate, Seconds, Whole, WholeSeconds
from broker.settings.values import ApiKey, Secret

COUNT = Whole(1, 1000, "channels")
SIZE = Bytes(1, 2**40)
TIME = Seconds(0.0, 10 * 86_400.0)
DAYS = WholeSeconds(60, 30 * 86_400)
RATE = Rate(0.0, 100.0, "messages a second")
REDIS = Url(("redis://", "rediss://", "unix://"), ("memory:",))


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (COUNT, "50", 50),
        (COUNT, " 7 ", 7),
        (SIZE, "65536", 65_536),
        (SIZE, "64KiB", 65_536),
        (SIZE, "1.5 MiB", 1_572_864),
        (TIME, "25", 25.0),
        (TIME, "500ms", 0.5),
        (TIME, "1.5h", 5400.0),
        (DAYS, "30d", 2_592_000),
        (Milliseconds(0.0, 10.0), "2.5", 2.5),
        (Switch(), "Yes", True),
        (Switch(), "0", False),
        (Choice(("text", "json")), "json", "json"),
        (Text(), "", ""),
        (Items(), "a, b,,c", ("a", "b", "c")),
        (Items(), "", ()),
        (SecretText(32), "", Secret("")),
        (SecretText(32), "é" * 16, Secret("é" * 16)),
        (ApiKeys(), "", ()),
        (
            ApiKeys(),
            "ops:k1,app:k2:acme",
            (ApiKey("ops", Secret("k1")), ApiKey("app", Secret("k2"), "acme")),
        ),
        (Networks(), "", ()),
        (Networks(), "10.0.0.1, 10.0.0.0/8,unix", ("10.0.0.1/32", "10.0.0.0/8", "unix")),
        (Networks(), "fd00::/8", ("fd00::/8",)),
        (RATE, "0.5", 0.5),
        (REDIS, "", ""),
        (REDIS, "memory:", "memory:"),
        (REDIS, "rediss://user:secret@host:6380/1", "rediss://user:secret@host:6380/1"),
    ],
)
def test_a_right_text_is_read(kind: Kind[Any], text: str, value: object) -> None:
    """A text of the right form makes the value it says."""
    assert value == kind.read(text)


@pytest.mark.parametrize(
    ("kind", "text", "problem", "nearest"),
    [
        (COUNT, "", "not a number", ""),
        (COUNT, "many", "not a number", ""),
        (COUNT, "0", "less than the least; allowed is 1 to 1000 channels", "1"),
        (COUNT, "-5", "less than the least", "1"),
        (COUNT, "1001", "more than the most", "1000"),
        (COUNT, "2.4", "not a whole number", "2"),
        (COUNT, "5k", "k is no unit; allowed is a number alone", "5"),
        (COUNT, "9" * 5000, "not a number", ""),
        (SIZE, "4mib", "mib is no unit", "4MiB"),
        (SIZE, "2TiB", "more than the most", "1TiB"),
        (TIME, "5sec", "sec is no unit", "5s"),
        (TIME, "nan", "not a number", ""),
        (DAYS, "90ms", "not a whole number", "0"),
        (DAYS, "59", "less than the least; allowed is 1m to 30d", "1m"),
        (Switch(), "ture", "neither true nor false", "true"),
        (Switch(), "", "neither true nor false", ""),
        (Choice(("text", "json")), "JSON", "allowed is text, json", "json"),
        (Text(), "a\nb", "not printable text", ""),
        (FilePath(), "", "not a path", ""),
        (FilePath(), "~nobody-here/data", "no such home directory", ""),
        (Items("[ab]", "a or b"), "a,c", "c is not a or b", ""),
        (SecretText(32), "x" * 31, "31 bytes; 32 are needed", ""),
        (Listen(), "8080", "not HOST:PORT", "127.0.0.1:8080"),
        (Listen(), ":8080", "not HOST:PORT", "0.0.0.0:8080"),
        (Listen(), "unix:", "no path", "unix:broker.sock"),
        (ApiKeys(), "ops:k1,app", "number 2 is not NAME:KEY", ""),
        (ApiKeys(), "ops:k1:a:b", "number 1 is not NAME:KEY", ""),
        (ApiKeys(), "ops:k1,ops:k2", "two of them have the same name", ""),
        (ApiKeys(), "ops:k1,app:k1", "two of them have the same key", ""),
        (Networks(), "10.0.0.1,proxy", "proxy is no address or network", ""),
        (Networks(), "10.0.0.1/8", "10.0.0.1/8 is no address or network", "10.0.0.0/8"),
        (RATE, "-1", "less than the least; allowed is 0 to 100 messages a second", "0"),
        (REDIS, "redis:/host", "allowed is redis://…", "redis://"),
        (REDIS, "localhost:6379", "allowed is redis://…", "redis://HOST:PORT"),
        (REDIS, "redis://", "nothing follows the scheme", "redis://HOST:PORT"),
        (REDIS, "memory", "allowed is redis://…", "memory:"),
    ],
)
def test_a_wrong_text_is_refused(kind: Kind[Any], text: str, problem: str, nearest: str) -> None:
    """A wrong text is refused with what is allowed and the nearest right one."""
    with pytest.raises(Unreadable) as caught:
        kind.read(text)
    assert problem in caught.value.problem
    assert nearest == caught.value.nearest


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (SIZE, 4 * 2**20, "4MiB"),
        (SIZE, 8190, "8190B"),
        (TIME, 25.0, "25s"),
        (TIME, 0.0, "0s"),
        (TIME, 0.05, "0.05s"),
        (TIME, 5400.0, "90m"),
        (DAYS, 2_592_000, "30d"),
        (Switch(), True, "true"),
        (Items(), ("a", "b"), "a,b"),
        (Networks(), ("10.0.0.0/8", "unix"), "10.0.0.0/8,unix"),
        (ApiKeys(), (ApiKey("ops", Secret("key")),), "ops:***"),
    ],
)
def test_a_value_is_shown_in_its_greatest_unit(kind: Kind[Any], value: object, text: str) -> None:
    """A value is shown as a person would write it, secrets hidden."""
    assert text == kind.show(value)
