"""Revocations against a model that looks at every one of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
import pytest

from broker.core.grants import Grants
from broker.core.revocations import Revocation, Revocations

TENANTS = st.sampled_from(["main", "shop"])
NAMES = st.sampled_from(["", "7", "8", "seven"])
MOMENTS = st.integers(0, 12)
ISSUED = st.none() | MOMENTS | st.floats(0, 12)


@st.composite
def revocations(draw: st.DrawFn) -> Revocation:
    """Draw a revocation of any kind: of an id, a subject, a tenant; all tokens or early ones."""
    kind = draw(st.sampled_from(["jti", "sub", "tenant"]))
    jti = draw(NAMES) if kind == "jti" else ""
    sub = draw(NAMES) if kind == "sub" else ""
    before = None if kind == "jti" else draw(st.none() | MOMENTS)
    return Revocation(draw(TENANTS), draw(MOMENTS), jti, sub, before)


@st.composite
def tokens(draw: st.DrawFn) -> Grants:
    """Draw a token, with or without an id, a subject and a moment of issue."""
    claims: dict[str, object] = {"tenant": draw(TENANTS), "sub": draw(NAMES)}
    claims |= {"jti": draw(st.none() | NAMES), "iat": draw(ISSUED)}
    return Grants.of(claims)


def concerns(revocation: Revocation, grants: Grants) -> bool:
    """Tell whether a revocation is about a token, as its attributes say."""
    tenant, _, jti, sub, before = revocation
    return (
        grants.tenant == tenant
        and (not jti or grants.jti == jti)
        and (not sub or grants.subject == sub)
        and (before is None or grants.issued_at is None or grants.issued_at < before)
    )


@given(st.lists(revocations(), max_size=40), st.integers(1, 9), MOMENTS)
def test_pages_hold_all_that_hold(given: list[Revocation], size: int, now: int) -> None:
    """Each once, of every tenant, about so many at a time."""
    known = Revocations()
    for each in given:
        known.add(each, 0)
    pages = list(known.pages(now, size))
    found = [each for page in pages for each in page]
    holding = [each for tenant in ("main", "shop") for each in known.of(tenant, now)]
    assert sorted(holding, key=repr) == sorted(found, key=repr)
    assert all(len(page) >= size for page in pages[:-1])


def test_a_revocation_is_about_the_tokens_that_it_names_p9() -> None:
    """Each kind refuses its own tokens until its end, and no other one."""
    grants = Grants.of({"sub": "7", "jti": "a", "iat": 100})
    for revocation, covered in (
        (Revocation("main", 500, jti="a"), True),
        (Revocation("main", 500, jti="b"), False),
        (Revocation("main", 500, sub="7"), True),
        (Revocation("main", 500, sub="a"), False),
        (Revocation("main", 500), True),
        (Revocation("shop", 500), False),
        (Revocation("main", 500, issued_before=101), True),
        (Revocation("main", 500, issued_before=100), False),
        (Revocation("main", 500, sub="7", issued_before=101), True),
        (Revocation("main", 500, sub="7", issued_before=100), False),
        (Revocation("main", 500, sub="8", issued_before=101), False),
    ):
        known = Revocations()
        known.add(revocation, 200)
        assert covered == known.covers(grants, 499.9), revocation
        assert not known.covers(grants, 500), revocation


def test_a_token_without_a_moment_of_issue_counts_as_old_p9() -> None:
    """What says nothing of when it was issued is refused with what was issued before."""
    known = Revocations()
    known.add(Revocation("main", 500, issued_before=1), 200)
    assert known.covers(Grants.of({"sub": "7"}), 200)


def test_the_same_again_with_another_end_takes_its_place() -> None:
    """The last end counts, be it later or earlier; the same end again is nothing new."""
    known, grants = Revocations(), Grants.of({"sub": "7"})
    for until, is_new in ((500, True), (500, False), (600, True), (300, True)):
        assert is_new == known.add(Revocation("main", until, sub="7"), 200)
    assert (True, False) == (known.covers(grants, 299), known.covers(grants, 300))


@given(st.lists(revocations(), max_size=20), st.lists(tokens(), max_size=5), MOMENTS)
def test_a_look_up_finds_what_a_scan_finds_p9(
    given_revocations: list[Revocation], given_tokens: list[Grants], now: int
) -> None:
    """Whatever there is, a token is refused exactly if some revocation is about it and holds."""
    known = Revocations()
    last: dict[Revocation, Revocation] = {}
    for revocation in given_revocations:
        # One of an empty id or subject is one of the whole tenant.
        known.add(revocation, now)
        last[revocation._replace(until=0)] = revocation
    holding = [each for each in last.values() if each.until > now]
    for grants in given_tokens:
        expected = any(concerns(each, grants) for each in holding)
        assert expected == known.covers(grants, now)
    for tenant in ("main", "shop"):
        assert {each for each in holding if each.tenant == tenant} == set(known.of(tenant, now))


class Time(RuleBasedStateMachine):
    """A table through time, beside a plain list."""

    def __init__(self) -> None:
        super().__init__()
        self.known = Revocations()
        self.model: dict[Revocation, Revocation] = {}
        self.now = 0

    @rule(revocation=revocations(), lasts=st.integers(-2, 5))
    def revoke(self, revocation: Revocation, lasts: int) -> None:
        """Add one that ends soon, or has ended."""
        revocation = revocation._replace(until=self.now + lasts)
        self.known.add(revocation, self.now)
        self.model[revocation._replace(until=0)] = revocation

    @rule(seconds=st.integers(1, 3))
    def wait(self, seconds: int) -> None:
        """Let time pass."""
        self.now += seconds

    @rule(grants=tokens())
    def ask(self, grants: Grants) -> None:
        """Ask for a token, twice: asking changes nothing."""
        held = [each for each in self.model.values() if each.until > self.now]
        expected = any(concerns(each, grants) for each in held)
        assert expected == self.known.covers(grants, self.now)
        assert expected == self.known.covers(grants, self.now)

    @invariant()
    def is_listed(self) -> None:
        """What holds is listed, and nothing else."""
        held = {each for each in self.model.values() if each.until > self.now}
        listed = {*self.known.of("main", self.now), *self.known.of("shop", self.now)}
        assert held == listed
        assert len(held) <= len(self.known)


test_p9_revocations_come_and_go = Time.TestCase


@pytest.mark.parametrize("asked", [False, True], ids=["unasked", "asked"])
def test_what_has_ended_is_forgotten(asked: bool) -> None:
    """A table through which ten thousand revocations went holds about those that still hold."""
    known = Revocations()
    for now in range(10_000):
        known.add(Revocation("main", now + 10, sub=str(now)), now)
        if asked:
            known.covers(Grants.of({"sub": str(now - 10)}), now)
    assert len(known) <= 2 * 10 + 65
    assert len(known._cuts) <= 2 * 10 + 65
