"""Channel lists and names."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
import pytest

from broker.core.channels import check_channel, parse_channels, shown
from broker.core.errors import BadChannel, BrokerError, TooManyChannels

LIMIT = 50
MAX_BYTES = 64


def parse(path: str) -> tuple[str, ...]:
    """Parse with the limits of these tests."""
    return parse_channels(path, LIMIT, MAX_BYTES)


def test_the_rest_of_the_path_is_the_channel_list_d12() -> None:
    """Slashes separate the names, and their order stays."""
    assert ("b.1", "a.1", "ping") == parse("b.1/a.1/ping")


def test_fifty_channels_are_served_d13() -> None:
    """Exactly the limit is not too many."""
    assert 50 == len(parse("/".join(f"c{number}" for number in range(50))))


def test_fifty_one_channels_are_refused_d13() -> None:
    """The error names the count and the limit."""
    with pytest.raises(TooManyChannels) as caught:
        parse("/".join(f"c{number}" for number in range(51)))
    assert 50 == caught.value.limit
    assert "51 channels" in str(caught.value)


def test_duplicates_collapse_before_they_are_counted() -> None:
    """A list of 100 names that are two is a list of two."""
    assert ("a", "b") == parse("/".join(["a", "b"] * 50))


def test_names_that_differ_only_in_encoding_are_one() -> None:
    """Duplicates are found after decoding."""
    assert ("conversation.1",) == parse("conversation.1/conversation%2E1")


def test_names_are_decoded_exactly_once_d46() -> None:
    """What was encoded twice stays encoded once."""
    assert ("a%2Fb", "é", "a+b") == parse("a%252Fb/%C3%A9/a+b")


def test_an_encoded_slash_separates() -> None:
    """No name can hold a slash, so that every channel has one spelling in every URL."""
    assert ("a", "b") == parse("a%2Fb")


def test_bytes_that_came_raw_are_decoded() -> None:
    """Some clients do not encode at all; their bytes arrive as surrogates."""
    assert ("é",) == parse("é".encode().decode("ascii", "surrogateescape"))


@pytest.mark.parametrize("path", ["a/b/", "a/b%2f"])
def test_one_trailing_slash_is_tolerated(path: str) -> None:
    """A slash at the end begins no further name."""
    assert ("a", "b") == parse(path)


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("", "names no channel"),
        ("/", "names no channel"),
        ("//", "is empty"),
        ("/a", "is empty"),
        ("a//b", "is empty"),
        ("a/b//", "is empty"),
        ("a*", 'asterisk: "a*"'),
        ("%2A", "asterisk"),
        ("ALL", 'reserved: "ALL"'),
        ("a/ALL", "reserved"),
        ("a%00", r'control characters: "a\u0000"'),
        ("a%0d%0aSet-Cookie: x", r'control characters: "a\u000d\u000aSet-Cookie: x"'),
        ("a%C2%85", "control characters"),
        ("a%E2%80%A8", "control characters"),
        ("a%", "two hexadecimal digits"),
        ("a%2", "two hexadecimal digits"),
        ("a%zz", "two hexadecimal digits"),
        ("a%ff", "not UTF-8"),
        ("%ed%a0%80", "not UTF-8"),
        ("\ud800", "not UTF-8"),
        ("x" * 65, "65 bytes is too long, the limit is 64"),
        ("%C3%A9" * 33, "66 bytes is too long, the limit is 64"),
    ],
)
def test_a_malformed_list_is_refused_by_what_is_wrong(path: str, fault: str) -> None:
    """The sentence names the fault, and the name at fault in a form that is safe to print."""
    with pytest.raises(BadChannel) as caught:
        parse(path)
    assert fault in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "name", ["all", "ALLE", "a.b", "a b", "..", "ping", "日本", "a%2Fb", "{x}"]
)
def test_everything_else_is_a_name(name: str) -> None:
    """Names are open: whoever publishes chooses them."""
    check_channel(name, MAX_BYTES)


def test_a_name_with_a_slash_is_no_channel() -> None:
    """Nobody could subscribe to it."""
    with pytest.raises(BadChannel, match="slash"):
        check_channel("a/b", MAX_BYTES)


def test_a_long_name_is_shortened_in_messages() -> None:
    """An error text stays short whatever was sent."""
    assert 70 > len(shown("x" * 10_000))


@given(st.text(), st.integers(1, 5), st.integers(1, 20))
def test_arbitrary_text_is_a_list_or_an_error(path: str, limit: int, max_bytes: int) -> None:
    """Nothing but errors of the tree is raised, and what is accepted keeps every promise."""
    try:
        names = parse_channels(path, limit, max_bytes)
    except BrokerError:
        return
    assert 1 <= len(names) <= limit
    assert len(set(names)) == len(names)
    for name in names:
        check_channel(name, max_bytes)


@given(st.binary())
def test_arbitrary_bytes_are_a_list_or_an_error(path: bytes) -> None:
    """Bytes as a server hands them on, UTF-8 or not."""
    try:
        names = parse(path.decode("utf-8", "surrogateescape"))
    except BrokerError:
        return
    assert path.strip(b"/")
    assert names


@given(st.lists(st.text(min_size=1, max_size=10), min_size=1, max_size=10, unique=True))
def test_what_is_encoded_comes_back(names: list[str]) -> None:
    """Encoding good names and parsing the path gives the same names."""
    good = [name for name in names if _is_good(name)]
    if good:
        path = "/".join("".join(f"%{byte:02X}" for byte in name.encode()) for name in good)
        assert tuple(good) == parse(path)


def _is_good(name: str) -> bool:
    try:
        check_channel(name, MAX_BYTES)
    except BadChannel:
        return False
    return True
