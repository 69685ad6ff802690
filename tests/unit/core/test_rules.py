"""Patterns, and the claims that rules ask for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
import pytest

from broker.core.rules import BadPattern, Claim, Pattern, Place, Rule, find_claim

PLACE = Place("channels.yaml", 3, 7)


def test_a_place_reads_as_compilers_write_it() -> None:
    """Editors find the place by it."""
    assert "channels.yaml:3:7" == str(PLACE)


@pytest.mark.parametrize(
    ("pattern", "channel", "expected"),
    [
        ("ping", "ping", {}),
        ("ping", "pings", None),
        ("ping", "ping.1", None),
        ("a.{x}", "a.1", {"x": "1"}),
        ("a.{x}", "a.", None),
        ("a.{x}", "a", None),
        ("a.{x}", "a.1.2", None),
        ("a.{x}", "b.1", None),
        ("a.{x}", "aa1", None),
        ("a.{x}.{y}", "a.1.2", {"x": "1", "y": "2"}),
        ("{kind}.7", "news.7", {"kind": "news"}),
        ("user-{id}", "user-7", {"id": "7"}),
        ("user-{id}", "user-", None),
        ("user-{id}", "user_7", None),
        ("{id}-in.x", "7-in.x", {"id": "7"}),
        ("a+b.{x}", "aab.1", None),
        ("a+b.{x}", "a+b.1", {"x": "1"}),
        ("a.{x}", "a.1\n", {"x": "1\n"}),
    ],
)
def test_a_variable_stands_for_one_segment(
    pattern: str, channel: str, expected: dict[str, str] | None
) -> None:
    """Never for a dot, never for nothing; everything else is literal."""
    assert expected == Pattern(pattern).match(channel)


@pytest.mark.parametrize(
    ("pattern", "fault"),
    [
        ("", "empty segment"),
        ("a..b", "empty segment"),
        ("a.", "empty segment"),
        ("a.{}", "a name in braces"),
        ("a.{1x}", "a name in braces"),
        ("a.{x", "a name in braces"),
        ("a.x}", "a name in braces"),
        ("a.{{x}}", "a name in braces"),
        ("a.{x}{y}", "can hold one variable"),
        ("a.{x}.{x}", "names each variable once"),
    ],
)
def test_a_malformed_pattern_says_why(pattern: str, fault: str) -> None:
    """Every way to write a pattern wrongly has its sentence."""
    with pytest.raises(BadPattern, match=fault):
        Pattern(pattern)


@pytest.mark.parametrize(
    ("wide", "narrow", "expected"),
    [
        ("a.{x}", "a.{y}", True),
        ("a.{x}", "a.b", True),
        ("a.b", "a.{x}", False),
        ("{k}.{x}", "a.{x}", True),
        ("a.{x}", "{k}.{x}", False),
        ("a.{x}", "a.{x}.{y}", False),
        ("a.{x}.c", "a.b.{y}", False),
        ("{x}", "user-{x}", True),
        ("user-{x}", "{x}", False),
        ("user-{x}", "user-a{x}", True),
        ("user-{x}", "user-7", True),
        ("user-{x}", "user-", False),
        ("{x}-in", "a-{x}-in", True),
        ("a{x}a", "a", False),
        ("a{x}a", "aa", False),
        ("a{x}a", "aba", True),
    ],
)
def test_covering_is_about_every_channel(wide: str, narrow: str, expected: bool) -> None:
    """A pattern covers another exactly when no channel matches only the other."""
    assert expected is Pattern(wide).covers(Pattern(narrow))


_SEGMENT = st.sampled_from(["a", "b", "ab", "{v}", "a{v}", "{v}b", "a{v}b"])
_PATTERN = st.lists(_SEGMENT, min_size=1, max_size=3).map(
    lambda parts: ".".join(part.replace("v", f"v{place}") for place, part in enumerate(parts))
)
_CHANNEL = st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=3).map(".".join)


@given(_PATTERN, _PATTERN, _CHANNEL)
def test_a_covered_pattern_matches_nothing_of_its_own(wide: str, narrow: str, channel: str) -> None:
    """Whatever matches the covered pattern matches the covering one."""
    if Pattern(wide).covers(Pattern(narrow)) and Pattern(narrow).match(channel) is not None:
        assert Pattern(wide).match(channel) is not None


@given(st.text("a.{}x*", max_size=12))
def test_arbitrary_text_is_a_pattern_or_an_error(text: str) -> None:
    """Nothing but `BadPattern` is raised, and a pattern matches its own text with values in it."""
    try:
        pattern = Pattern(text)
    except BadPattern:
        return
    channel = text.translate({ord("{"): None, ord("}"): None})
    assert set(pattern.variables) == set(pattern.match(channel) or {})


@pytest.mark.parametrize(
    ("have", "wanted", "expected"),
    [
        ("100", "100", True),
        (100, "100", True),
        (100.0, "100", True),
        ("0100", "100", False),
        (" 100", "100", False),
        (100.5, "100.5", False),
        (2.0**60, "1152921504606846976", False),
        (float("nan"), "nan", False),
        (True, True, True),
        (False, True, False),
        (True, "true", False),
        (True, "True", False),
        (True, "1", False),
        (1, True, False),
        ("true", True, False),
        ("true", "true", True),
        (None, "None", False),
        (None, "null", False),
        ([], "[]", False),
        (["a", "b"], "b", True),
        (["a", "b"], "c", False),
        ([1, 2], "2", True),
        ([True], True, True),
        ([True], "True", False),
        ([["a"]], "a", False),
        ({"a": 1}, "a", False),
        ("operator", "Operator", False),
    ],
    ids=repr,
)
def test_claims_compare_as_text_p9(have: object, wanted: str | bool, expected: bool) -> None:
    """Numbers and text are one, booleans only themselves, and a list holds by one member."""
    assert expected is Claim("c", wanted).holds({"c": have}, {})


def test_a_claim_takes_the_value_of_a_variable() -> None:
    """Variables of the pattern stand in the value, alone or within text."""
    claim = Claim("scope", "app:{app_id}:read", ("app_id",))
    assert claim.holds({"scope": ["x", "app:7:read"]}, {"app_id": "7"})
    assert not claim.holds({"scope": ["app:8:read"]}, {"app_id": "7"})


def test_braces_in_a_channel_are_not_variables() -> None:
    """What a subscriber sends is put in, never read as a template."""
    claim = Claim("sub", "{user_id}", ("user_id",))
    assert claim.holds({"sub": "{app_id}"}, {"user_id": "{app_id}", "app_id": "7"})
    assert not claim.holds({"sub": "7"}, {"user_id": "{app_id}", "app_id": "7"})


def test_dots_lead_into_nested_claims() -> None:
    """Identity providers nest roles; a claim with that very name wins."""
    nested = {"realm_access": {"roles": ["operator"]}}
    assert ["operator"] == find_claim(nested, "realm_access.roles")
    assert "flat" == find_claim({**nested, "realm_access.roles": "flat"}, "realm_access.roles")
    assert None is find_claim(nested, "realm_access.roles.operator")
    assert None is find_claim(nested, "realm_access.groups")


def test_a_rule_needs_all_its_claims() -> None:
    """One claim that fails fails the rule, and `unmet` names it."""
    app, role = Claim("app_id", "{app_id}", ("app_id",)), Claim("role", "operator")
    rule = Rule((app, role), PLACE)
    variables = {"app_id": "100"}
    assert rule.allows({"app_id": 100, "role": "operator"}, variables)
    assert not rule.allows({"app_id": 100}, variables)
    assert (role,) == rule.unmet({"app_id": 100}, variables)


def test_a_rule_without_claims_takes_any_token() -> None:
    """That is what `{}` says."""
    assert Rule((), PLACE).allows({}, {})


def test_a_rule_covers_one_that_asks_for_more() -> None:
    """The order of claims does not matter."""
    first, second = Claim("a", "1"), Claim("b", "2")
    assert Rule((), PLACE).covers(Rule((first,), PLACE))
    assert Rule((first,), PLACE).covers(Rule((second, first), PLACE))
    assert not Rule((first, second), PLACE).covers(Rule((first,), PLACE))
