"""From a token to what it may do."""

from __future__ import annotations

from collections.abc import Callable
import gc
import json
import sys

from hypothesis import given
from hypothesis import strategies as st
import jwt
import pytest

from broker.auth import Expectations, KeyRing, Verifier
from broker.auth.keyring import RETRY_S, RemoteKeys
from broker.auth.keys import secret_key
from broker.auth.token import UnknownKey
from broker.core.errors import (
    BrokerError,
    TokenExpired,
    TokenMalformed,
    TokenMissing,
    TokenRevoked,
    Unavailable,
)
from broker.core.grants import Grants
from tests.support.tokens import SECRET, SigningKey, ec_key, hmac_key, jwks, rsa_key

NOW = 1_000_000.0
HMAC = hmac_key()


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


class Provider:
    """A provider that publishes keys, or does not answer."""

    def __init__(self, *keys: SigningKey) -> None:
        self.keys = keys
        self.asked = 0

    async def fetch(self, url: str) -> bytes:
        self.asked += 1
        if not self.keys:
            raise ConnectionError(url)
        return jwks(self.keys).encode()


def signed(claims: object) -> str:
    """Sign claims that no careful library would."""
    return jwt.PyJWS().encode(json.dumps(claims).encode(), HMAC.private, HMAC.algorithm)


@pytest.fixture
def clock() -> Clock:
    """Return a clock that is moved by hand."""
    return Clock()


@pytest.fixture
def verifier(clock: Clock) -> Verifier:
    """Return a verifier of one secret."""
    return verifier_with(clock)


def verifier_with(
    clock: Clock,
    revoked: Callable[[Grants], bool] = lambda _: False,
    cached: int = 100,
    audience: str = "",
    issuer: str = "",
    leeway_s: float = 0,
    max_token_bytes: int = 8192,
) -> Verifier:
    """Return a verifier of one secret, with options."""
    expectations = Expectations(audience, issuer, leeway_s, max_token_bytes)
    return Verifier(KeyRing([secret_key(SECRET)]), clock, expectations, revoked, cached)


def accepts(verifier: Verifier, token: str) -> bool:
    """Tell that a token is accepted; raises when it is not."""
    return isinstance(verifier.verify(token), Grants)


def published_by(provider: Provider, clock: Clock) -> Verifier:
    """Return a verifier of what a provider publishes, and of one secret."""
    remote = RemoteKeys("https://id.example/jwks", provider.fetch, clock)
    return Verifier(KeyRing([secret_key(SECRET)], [remote]), clock)


def test_a_token_becomes_grants(verifier: Verifier) -> None:
    """With its claims."""
    grants = verifier.verify(HMAC.mint(None, sub="7", app_id=100, tenant="acme", exp=NOW + 60))
    assert ("7", "acme", NOW + 60) == (grants.subject, grants.tenant, grants.expires_at)
    assert 100 == grants.claims["app_id"]


@pytest.mark.parametrize("token", [None, ""])
def test_a_missing_token_is_missing(verifier: Verifier, token: str | None) -> None:
    """And not malformed."""
    with pytest.raises(TokenMissing):
        verifier.verify(token)


def test_connections_with_one_token_share_its_grants(verifier: Verifier) -> None:
    """The same object, verified once."""
    token = HMAC.mint(None, sub="7")
    first, second = verifier.verify(token), verifier.verify(token)
    assert first is second


def test_the_cache_is_bounded(clock: Clock) -> None:
    """A token that no connection holds any more is forgotten, and verified again."""
    verifier = verifier_with(clock, cached=1)
    token, other = HMAC.mint(None, sub="7"), HMAC.mint(None, sub="8")
    claims = verifier.verify(token).claims
    assert claims is verifier.verify(token).claims
    verifier.verify(other)
    gc.collect()
    assert claims is not verifier.verify(token).claims


def test_no_token_is_kept(verifier: Verifier) -> None:
    """Only its hash is, in the cache as in the grants."""
    token = HMAC.mint(None, sub="7")
    before = sys.getrefcount(token)
    held = [verifier.verify(token), verifier.verify(token)]
    assert before == sys.getrefcount(token)
    assert token not in repr(held)


def test_a_token_expires_at_its_second(verifier: Verifier, clock: Clock) -> None:
    """Not before, and remembered tokens too."""
    token = HMAC.mint(None, exp=NOW + 10)
    clock.now = NOW + 9.999
    assert accepts(verifier, token)
    clock.now = NOW + 10
    for _ in range(2):
        with pytest.raises(TokenExpired):
            verifier.verify(token)


def test_an_expired_token_is_expired_at_first_sight(verifier: Verifier) -> None:
    """That it was valid once tells the client to get a new one."""
    with pytest.raises(TokenExpired):
        verifier.verify(HMAC.mint(None, exp=NOW - 1))


def test_a_wrong_signature_comes_before_expiry(verifier: Verifier) -> None:
    """Nobody is told of the content of a token that is not ours."""
    with pytest.raises(TokenMalformed):
        verifier.verify(hmac_key("x" * 32).mint(None, exp=NOW - 1))


def test_leeway_stretches_both_ends(clock: Clock) -> None:
    """Clocks differ; the connection then ends at the same moment as the token."""
    verifier = verifier_with(clock, leeway_s=5)
    assert NOW + 1 == verifier.verify(HMAC.mint(None, exp=NOW - 4)).expires_at
    assert accepts(verifier, HMAC.mint(None, nbf=NOW + 5))
    with pytest.raises(TokenExpired):
        verifier.verify(HMAC.mint(None, exp=NOW - 5))
    with pytest.raises(TokenMalformed, match="not valid yet"):
        verifier.verify(HMAC.mint(None, nbf=NOW + 5.001))


def test_a_token_that_is_not_valid_yet_becomes_so(verifier: Verifier, clock: Clock) -> None:
    """A refusal is not remembered."""
    token = HMAC.mint(None, nbf=NOW + 10)
    with pytest.raises(TokenMalformed, match="not valid yet"):
        verifier.verify(token)
    clock.now = NOW + 10
    assert accepts(verifier, token)


@pytest.mark.parametrize("claims", [{"nbf": "now"}, {"exp": "x"}, {"sub": []}, {"channels": 7}])
def test_a_malformed_claim_is_named(verifier: Verifier, claims: dict[str, object]) -> None:
    """A signature makes no claim readable."""
    with pytest.raises(TokenMalformed, match=f"claim {next(iter(claims))} "):
        verifier.verify(HMAC.mint(None, **claims))


@pytest.mark.parametrize("audience", ["broker", ["broker"], ["other", "broker"]])
def test_the_audience_is_accepted(clock: Clock, audience: object) -> None:
    """Alone or among others."""
    assert accepts(verifier_with(clock, audience="broker"), HMAC.mint(None, aud=audience))


@pytest.mark.parametrize("audience", [None, "", "Broker", "broker2", ["other"], [], {"broker": 1}])
def test_another_audience_is_refused(clock: Clock, audience: object) -> None:
    """A token without one included."""
    with pytest.raises(TokenMalformed, match="audience"):
        verifier_with(clock, audience="broker").verify(HMAC.mint(None, aud=audience))


@pytest.mark.parametrize("issuer", [None, "", "other", ["id"], "ID"])
def test_another_issuer_is_refused(clock: Clock, issuer: object) -> None:
    """A token without one included."""
    verifier = verifier_with(clock, issuer="id")
    assert accepts(verifier, HMAC.mint(None, iss="id"))
    with pytest.raises(TokenMalformed, match="issuer"):
        verifier.verify(signed({"iss": issuer}))


def test_audience_and_issuer_are_checked_only_when_set(verifier: Verifier) -> None:
    """A token may have them all the same."""
    assert accepts(verifier, HMAC.mint(None, aud="somebody", iss="somebody"))


def test_a_token_may_be_as_long_as_the_limit(clock: Clock) -> None:
    """One byte more is refused unread, with the limit."""
    token = HMAC.mint(None, sub="7")
    assert accepts(verifier_with(clock, max_token_bytes=len(token)), token)
    with pytest.raises(TokenMalformed, match=f"longer than {len(token) - 1} bytes") as caught:
        verifier_with(clock, max_token_bytes=len(token) - 1).verify(token)
    assert len(token) - 1 == caught.value.limit


def test_a_revoked_token_is_refused_though_remembered(clock: Clock) -> None:
    """Revocation is asked every time, with what the token says of itself."""
    revoked: set[str | None] = set()
    verifier = verifier_with(clock, revoked=lambda grants: grants.jti in revoked)
    token, other = HMAC.mint(None, jti="a"), HMAC.mint(None, jti="b")
    assert accepts(verifier, token)
    revoked.add("a")
    with pytest.raises(TokenRevoked):
        verifier.verify(token)
    assert accepts(verifier, other)


@given(st.text() | st.binary().map(lambda raw: raw.decode("utf-8", "surrogateescape")))
def test_arbitrary_text_is_refused(token: str) -> None:
    """Nothing but errors of the tree is raised."""
    with pytest.raises(BrokerError):
        verifier_with(Clock()).verify(token)


REFUSED = {
    "expired": HMAC.mint(None, sub="very-secret-subject", exp=1),
    "signature": hmac_key("x" * 32).mint(None, sub="very-secret-subject"),
    "claim": HMAC.mint(None, sub=["very-secret-subject"]),
    "nonsense": "very-secret-subject",
    "long": "very-secret-subject" * 1000,
}


@pytest.mark.parametrize("token", REFUSED.values(), ids=REFUSED.keys())
def test_no_error_holds_the_token_p9(
    verifier: Verifier, token: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the token nor a part of it nor what it says, in the text, the body or the log."""
    caplog.set_level(0)
    with pytest.raises(BrokerError) as caught:
        verifier.verify(token)
    told = f"{caught.value!r} {caught.value.problem()} {caplog.text}"
    secrets = [*token.split("."), "very-secret-subject"]
    assert not [part for part in secrets if part in told]


async def test_a_new_key_is_fetched_when_a_token_names_it(clock: Clock) -> None:
    """The provider changes its keys, and nobody who comes with a new token is refused."""
    provider = Provider(rsa_key("old"))
    verifier = published_by(provider, clock)
    assert "1" == (await verifier.authenticate(rsa_key("old").mint(None, sub="1"))).subject
    provider.keys = (rsa_key("old"), ec_key("new"))
    clock.now += RETRY_S
    assert "2" == (await verifier.authenticate(ec_key("new").mint(None, sub="2"))).subject
    assert 2 == provider.asked


async def test_a_withdrawn_key_lets_nobody_in(clock: Clock) -> None:
    """Remembered tokens of that key included."""
    provider = Provider(rsa_key("old"))
    verifier = published_by(provider, clock)
    token = rsa_key("old").mint(None, sub="1")
    held = await verifier.authenticate(token)
    assert held is verifier.verify(token)
    provider.keys = (ec_key("new"),)
    clock.now += RETRY_S
    await verifier.authenticate(ec_key("new").mint(None))
    with pytest.raises(UnknownKey):
        verifier.verify(token)


async def test_made_up_key_ids_cause_no_storm(clock: Clock) -> None:
    """One fetch per interval, whatever comes."""
    provider = Provider(rsa_key("old"))
    verifier = published_by(provider, clock)
    for number in range(20):
        with pytest.raises(UnknownKey):
            await verifier.authenticate(ec_key(f"made up {number % 3}").mint(None))
    assert 1 == provider.asked
    clock.now += RETRY_S
    with pytest.raises(UnknownKey):
        await verifier.authenticate(ec_key("made up 1").mint(None))
    assert 2 == provider.asked


async def test_what_no_key_can_help_asks_nobody(clock: Clock) -> None:
    """Malformed, expired and missing tokens are refused without a fetch."""
    provider = Provider(rsa_key("old"))
    verifier = published_by(provider, clock)
    for token in (None, "x", HMAC.mint(None, exp=1), HMAC.mint(None, sub=[])):
        with pytest.raises(BrokerError):
            await verifier.authenticate(token)
    assert 0 == provider.asked


async def test_a_provider_that_never_answered_is_no_fault_of_the_token(clock: Clock) -> None:
    """The client is asked to come back, and tokens of other keys go on."""
    provider = Provider()
    verifier = published_by(provider, clock)
    token = rsa_key("old").mint(None)
    for _ in range(2):
        with pytest.raises(Unavailable):
            await verifier.authenticate(token)
    assert isinstance(await verifier.authenticate(HMAC.mint(None)), Grants)
    provider.keys = (rsa_key("old"),)
    clock.now += RETRY_S
    assert isinstance(await verifier.authenticate(token), Grants)


async def test_keys_stay_while_the_provider_is_away(clock: Clock) -> None:
    """Known keys verify, unknown ones are refused."""
    provider = Provider(rsa_key("old"))
    verifier = published_by(provider, clock)
    await verifier.authenticate(rsa_key("old").mint(None))
    provider.keys = ()
    clock.now += RETRY_S
    with pytest.raises(UnknownKey):
        await verifier.authenticate(ec_key("new").mint(None))
    assert accepts(verifier, rsa_key("old").mint(None, sub="2"))


async def test_without_a_provider_an_unknown_key_stays_unknown(verifier: Verifier) -> None:
    """Nothing is waited for."""
    with pytest.raises(UnknownKey):
        await verifier.authenticate(rsa_key("old").mint(None))
