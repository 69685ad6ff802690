"""What a token may do."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import pytest

from broker.core.errors import BrokerError, TokenMalformed
from broker.core.grants import MAX_GRANTS, ChannelGrant, Grants, decide
from broker.core.rules import Action, Claim, Entry, Match, Pattern, Place, Rule

RULE = Place("channels.yaml", 4, 9)
NAME = Place("channels.yaml", 2, 9)


class OneEntry:
    """A rulebook of one pattern."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry

    def match(self, channel: str) -> Match | None:
        variables = self.entry.pattern.match(channel)
        return None if variables is None else Match(self.entry, variables)


def own_channels(**access: Any) -> OneEntry:
    """Return a rulebook for `own.{user}`, closed unless `access` says otherwise."""
    return OneEntry(Entry(Pattern("own.{user}"), NAME, **access))


IS_OWNER = Rule((Claim("sub", "{user}", ("user",)),), RULE)


@pytest.mark.parametrize(
    ("grant", "channel", "expected"),
    [
        ("a.1", "a.1", True),
        ("a.1", "a.1.2", False),
        ("a.1", "a", False),
        ("a.*", "a.1", True),
        ("a.*", "a.1.2", True),
        ("a.*", "a.1.2.3", True),
        ("a.*", "a", False),
        ("a.*", "a.", False),
        ("a.*", "ab.1", False),
        ("a.*", "b.1", False),
        ("a.*.c", "a.b.c", True),
        ("a.*.c", "a.b.b.c", False),
        ("a.*.c", "a..c", False),
        ("a.*.*", "a.b", False),
        ("a.*.*", "a.b.c", True),
        ("a.*.*", "a.b.c.d", True),
        ("*", "a", True),
        ("*", "a.b", True),
        ("*.1", "a.1", True),
        ("*.1", "a.2", False),
        ("a.1", "a.1 ", False),
        ("A.1", "a.1", False),
    ],
)
def test_a_star_covers_one_segment_and_more_only_at_the_end_p9(
    grant: str, channel: str, expected: bool
) -> None:
    """Whole segments, never nothing."""
    assert expected is ChannelGrant.parse(grant).covers(channel.split("."))


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a..b", "a*", "a.*b", "**", "a/b", "a\n"])
def test_a_malformed_grant_is_refused(text: str) -> None:
    """A grant that would mean something else than its author thinks refuses the token."""
    with pytest.raises(TokenMalformed, match="claim channels has a malformed member, number 2"):
        Grants.of({"channels": ["fine", text]})


@pytest.mark.parametrize(
    ("channels", "fault"),
    [
        ("a.*", "must be a list of channels"),
        (7, "must be a list of channels"),
        ([7], "has a member that is no text, number 1"),
        ([["a"]], "has a member that is no text, number 1"),
        ({"read": ["a"]}, "must hold the lists subscribe and publish, and nothing else"),
        ({"subscribe": "a"}, "must be a list of channels"),
        (["a"] * (MAX_GRANTS + 1), "lists 257 channels, the limit is 256"),
    ],
)
def test_malformed_channels_refuse_the_token(channels: object, fault: str) -> None:
    """Not being read as meant is worse than not being read."""
    with pytest.raises(TokenMalformed, match=fault) as caught:
        Grants.of({"channels": channels})
    assert "channels" == caught.value.field


@pytest.mark.parametrize(
    ("claims", "field"),
    [
        ({"sub": ["7"]}, "sub"),
        ({"sub": True}, "sub"),
        ({"jti": {}}, "jti"),
        ({"exp": "tomorrow"}, "exp"),
        ({"exp": "1447516314"}, "exp"),
        ({"exp": True}, "exp"),
        ({"exp": float("inf")}, "exp"),
        ({"exp": 10**400}, "exp"),
        ({"iat": "now"}, "iat"),
        ({"tenant": ""}, "tenant"),
        ({"tenant": "a{b}"}, "tenant"),
        ({"tenant": "a:b"}, "tenant"),
        ({"tenant": ["a"]}, "tenant"),
    ],
)
def test_a_claim_of_the_wrong_type_is_named(claims: dict[str, object], field: str) -> None:
    """The error carries the claim's name, never its value."""
    with pytest.raises(TokenMalformed, match=f"claim {field} ") as caught:
        Grants.of(claims)
    assert field == caught.value.field


def test_claims_become_grants() -> None:
    """Each registered claim has its attribute, numbers as text where they are names."""
    grants = Grants.of(
        {"sub": 7, "tenant": "acme", "jti": "j", "iat": 10, "exp": 20.5, "nbf": 1, "role": "op"},
        leeway_s=2,
    )
    assert ("7", "acme", "j", 10, 22.5) == (
        grants.subject,
        grants.tenant,
        grants.jti,
        grants.issued_at,
        grants.expires_at,
    )
    assert {"sub": 7, "tenant": "acme", "jti": "j", "role": "op"} == grants.claims


def test_an_empty_token_has_defaults() -> None:
    """No claim is required by itself."""
    grants = Grants.of({})
    assert ("", "main", None, None, None) == (
        grants.subject,
        grants.tenant,
        grants.jti,
        grants.issued_at,
        grants.expires_at,
    )


def test_a_plain_list_lets_only_read_p9() -> None:
    """Publishing needs to be granted by name."""
    grants = Grants.of({"channels": ["own.*"]})
    book = own_channels()
    assert decide(book, grants, "subscribe", "own.7").allowed
    assert not decide(book, grants, "publish", "own.7").allowed


def test_an_object_grants_each_action_by_itself_p9() -> None:
    """What may be read may not be published to, nor the other way round."""
    grants = Grants.of({"channels": {"subscribe": ["own.1"], "publish": ["own.2"]}})
    book = own_channels()
    asked: list[tuple[Action, str]] = [
        ("subscribe", "own.1"),
        ("subscribe", "own.2"),
        ("publish", "own.1"),
        ("publish", "own.2"),
    ]
    assert [True, False, False, True] == [
        decide(book, grants, action, channel).allowed for action, channel in asked
    ]


def test_a_rule_decides_and_is_named() -> None:
    """The decision carries the pattern and the place of the rule."""
    decision = decide(
        own_channels(subscribe=(IS_OWNER,)), Grants.of({"sub": 7}), "subscribe", "own.7"
    )
    assert (True, "a rule allows it", "own.{user}", RULE) == decision


def test_a_grant_decides_and_is_named() -> None:
    """Where no rule fits, the token's own grant is named as the token has it."""
    book = own_channels(subscribe=(IS_OWNER,))
    decision = decide(book, Grants.of({"sub": 8, "channels": ["own.*"]}), "subscribe", "own.7")
    assert (True, "a grant of the token allows it", "own.*", None) == decision


def test_nothing_allows_unless_something_says_so_p9() -> None:
    """An entry without rules is closed, and the refusal names the pattern."""
    decision = decide(own_channels(), Grants.of({"sub": 7}), "subscribe", "own.7")
    assert (False, "no rule and no grant of the token allows it", "own.{user}", NAME) == decision


def test_a_rule_for_one_action_says_nothing_of_the_other_p9() -> None:
    """Rules for reading do not let publish, nor the other way round."""
    grants = Grants.of({"sub": 7})
    reading, writing = own_channels(subscribe=(IS_OWNER,)), own_channels(publish=(IS_OWNER,))
    assert not decide(reading, grants, "publish", "own.7").allowed
    assert not decide(writing, grants, "subscribe", "own.7").allowed
    assert decide(writing, grants, "publish", "own.7").allowed


def test_a_public_channel_needs_no_token_to_read_p9() -> None:
    """And no token to publish is not enough."""
    book = own_channels(public=True)
    assert decide(book, None, "subscribe", "own.7").allowed
    assert decide(book, Grants.of({}), "subscribe", "own.7").allowed
    assert not decide(book, None, "publish", "own.7").allowed
    assert not decide(book, Grants.of({}), "publish", "own.7").allowed


def test_a_rule_for_any_token_still_needs_one_p9() -> None:
    """`{}` is not `public`."""
    book = own_channels(subscribe=(Rule((), RULE),))
    assert decide(book, Grants.of({}), "subscribe", "own.7").allowed
    assert (False, "the channel needs a token", "own.{user}", NAME) == decide(
        book, None, "subscribe", "own.7"
    )


def test_a_grant_makes_no_channel_p9() -> None:
    """A channel that no pattern matches is refused even to a token that grants everything."""
    grants = Grants.of({"channels": {"subscribe": ["*"], "publish": ["*"]}})
    assert (False, "no pattern matches the channel", "", None) == decide(
        own_channels(), grants, "subscribe", "other.7"
    )


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
_CLAIM_NAMES = st.sampled_from(["sub", "tenant", "jti", "iat", "exp", "channels"]) | st.text()


@given(st.dictionaries(_CLAIM_NAMES, _JSON))
def test_arbitrary_claims_are_grants_or_an_error(claims: dict[str, object]) -> None:
    """Nothing but errors of the tree is raised, and a decision can be made."""
    try:
        grants = Grants.of(claims)
    except BrokerError:
        return
    decision = decide(own_channels(subscribe=(IS_OWNER,)), grants, "subscribe", "own.7")
    assert decision.allowed is (claims.get("sub") in ("7", 7))
