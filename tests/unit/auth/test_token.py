"""Signatures: the key decides the algorithm, and nothing in the token does."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from typing import Any
import json

from hypothesis import example, given
from hypothesis import strategies as st
import jwt
import pytest

from broker.auth.keyring import KeyRing
from broker.auth.keys import parse_jwks
from broker.auth.token import UnknownKey, read_claims
from broker.core.errors import BrokerError, TokenMalformed
from tests.support.tokens import (
    SECRET,
    SigningKey,
    ec_key,
    ed25519_key,
    forged,
    hmac_key,
    jwks,
    rsa_key,
)

HMAC = hmac_key(SECRET * 2, kid="h")
RSA, EC, ED = rsa_key("r"), ec_key("e"), ed25519_key("d")
ATTACKER = rsa_key("attacker")
CLAIMS = {"sub": "7"}


def ring_of(*keys: SigningKey) -> KeyRing:
    """Return a key ring that verifies what some keys sign."""
    return KeyRing(parse_jwks(jwks(keys).encode(), secrets=True))


RING = ring_of(HMAC, RSA, EC, ED)


def signed(key: SigningKey, header: dict[str, Any], algorithm: str = "") -> str:
    """Sign claims with a key under a header of choice."""
    return jwt.encode(CLAIMS, key.private, algorithm or key.algorithm, header)


def with_public_as_secret(key: SigningKey, kid: str) -> str:
    """Sign with a public key as if it were a secret: the classic confusion."""
    header = {"alg": "HS256", "typ": "JWT", "kid": kid}
    unsigned = forged(header, CLAIMS, b"x").rpartition(".")[0].encode()
    signature = jwt.get_algorithm_by_name("HS256").sign(unsigned, key.public)
    return f"{unsigned.decode()}.{encoded(signature)}"


def encoded(content: bytes) -> str:
    """Return base64url without padding."""
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def with_header(text: str) -> str:
    """Return a token whose header is any text."""
    return f"{encoded(text.encode())}.{encoded(b'{}')}.{encoded(b'x')}"


@pytest.mark.parametrize("key", [HMAC, RSA, EC, ED], ids=lambda key: key.algorithm)
def test_a_token_of_a_known_key_is_read(key: SigningKey) -> None:
    """Every family of algorithms, found by key id."""
    assert CLAIMS == read_claims(key.mint(None, **CLAIMS), RING)


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        *((HMAC, name) for name in ("HS256", "HS384", "HS512")),
        *((RSA, name) for name in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")),
        (ec_key("e384", "ES384"), "ES384"),
        (ec_key("e512", "ES512"), "ES512"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_key_without_an_algorithm_takes_those_of_its_kind(
    key: SigningKey, algorithm: str
) -> None:
    """A PEM file or secret names none; its kind does."""
    jwk = {name: value for name, value in key.jwk().items() if name != "alg"}
    ring = KeyRing(parse_jwks(json.dumps(jwk).encode(), secrets=True))
    assert CLAIMS == read_claims(signed(key, {"kid": key.kid}, algorithm), ring)


def test_a_token_without_a_key_id_is_tried_with_every_key() -> None:
    """Those of its algorithm."""
    ring = ring_of(rsa_key("r1"), rsa_key("r2"), RSA, EC)
    assert CLAIMS == read_claims(signed(RSA, {}), ring)


def test_a_key_without_an_id_takes_tokens_with_any() -> None:
    """Providers name keys in tokens even where the broker was given a plain PEM file."""
    ring = ring_of(SigningKey(RSA.algorithm, RSA.private, RSA.public), EC)
    assert CLAIMS == read_claims(signed(RSA, {"kid": "2026-11"}), ring)


@pytest.mark.parametrize("kid", ["h\n", "h\0", "\u04bb", "h" * 257])
def test_a_strange_key_id_is_not_looked_for_p9(kid: str) -> None:
    """No issuer is asked for keys of that name: it cannot be one."""
    with pytest.raises(TokenMalformed) as refusal:
        read_claims(signed(HMAC, {"kid": kid}), RING)
    assert not isinstance(refusal.value, UnknownKey)


NONE = {"alg": "none", "typ": "JWT"}
CONFUSIONS = {
    "none": forged(NONE, CLAIMS, b""),
    "none with a signature": forged(NONE, CLAIMS, b"x"),
    "None": forged({**NONE, "alg": "None"}, CLAIMS, b"x"),
    "nOnE": forged({**NONE, "alg": "nOnE"}, CLAIMS, b"x"),
    "none for a known key": forged({**NONE, "kid": "r"}, CLAIMS, b"x"),
    "algorithm missing": forged({"typ": "JWT"}, CLAIMS, b"x"),
    "algorithm null": forged({"alg": None}, CLAIMS, b"x"),
    "algorithm a list": forged({"alg": ["HS256"]}, CLAIMS, b"x"),
    "algorithm unknown": forged({"alg": "HS1"}, CLAIMS, b"x"),
    "algorithm in lower case": forged({"alg": "hs256", "kid": "h"}, CLAIMS, b"x"),
    "RSA key as secret": with_public_as_secret(RSA, "r"),
    "RSA key as secret, no id": with_public_as_secret(RSA, ""),
    "EC key as secret": with_public_as_secret(EC, "e"),
    "Ed25519 key as secret": with_public_as_secret(ED, "d"),
    "RSA under the id of EC": signed(RSA, {"kid": "e"}),
    "EC under the id of RSA": signed(EC, {"kid": "r"}),
    "secret under the id of RSA": signed(HMAC, {"kid": "r"}),
    "PS256 where the key says RS256": signed(RSA, {"kid": "r"}, "PS256"),
    "HS512 where the key says HS256": signed(HMAC, {"kid": "h"}, "HS512"),
    "another RSA key": signed(ATTACKER, {"kid": "r"}),
    "another RSA key, no id": signed(ATTACKER, {}),
    "embedded jwk": signed(ATTACKER, {"jwk": ATTACKER.jwk()}),
    "embedded jwk with a known id": signed(ATTACKER, {"jwk": ATTACKER.jwk(), "kid": "r"}),
    "jku": signed(ATTACKER, {"jku": "https://attacker.example/jwks", "kid": "r"}),
    "x5u": signed(ATTACKER, {"x5u": "https://attacker.example/cert", "kid": "r"}),
    "x5c": signed(ATTACKER, {"x5c": ["MIIB"], "kid": "r"}),
    "critical extension": signed(RSA, {"kid": "r", "crit": ["exp"], "exp": 1}),
    "critical extension, empty": forged({"alg": "RS256", "kid": "r", "crit": []}, CLAIMS, b"x"),
    "payload not encoded": forged({"alg": "HS256", "b64": False}, CLAIMS, b"x"),
    "key id a path": signed(HMAC, {"kid": "../../../../dev/null"}, "HS512"),
    "key id a query": signed(HMAC, {"kid": "h' OR '1'='1"}, "HS512"),
    "key id with a line feed": signed(HMAC, {"kid": "h\n"}),
    "key id with NUL": signed(HMAC, {"kid": "h\0"}),
    "key id not ASCII": signed(HMAC, {"kid": "\u04bb"}),
    "key id endless": signed(HMAC, {"kid": "h" * 257}),
    "key id a number": forged({"alg": "HS256", "kid": 7}, CLAIMS, b"x"),
    "key id null": forged({"alg": "HS256", "kid": None}, CLAIMS, b"x"),
    "key id a list": forged({"alg": "HS256", "kid": ["h"]}, CLAIMS, b"x"),
    "ECDSA signature of zeros": forged({"alg": "ES256", "kid": "e"}, CLAIMS, bytes(64)),
    "ECDSA signature in DER": forged({"alg": "ES256", "kid": "e"}, CLAIMS, b"0\x06\x02\x01\x00"),
    "header a list": with_header("[]"),
    "header no JSON": with_header("alg"),
    "header bottomless": with_header("[" * 5000),
    "header with an endless number": with_header('{"alg": ' + "9" * 5000 + "}"),
    "payload cut": f"{RSA.mint(None).partition('.')[0]}.a.abcd",
    "signature cut": f"{RSA.mint(None).rpartition('.')[0]}.a",
    "empty": "",
    "one part": "abc",
    "two parts": "abc.abc",
    "four parts": f"{RSA.mint(None)}.abc",
    "five parts": "a.b.c.d.e",
    "empty parts": "..",
    "padded": f"{RSA.mint(None)}=",
    "spaces around": f" {RSA.mint(None)} ",
    "line feed behind": f"{RSA.mint(None)}\n",
    "not base64url": "a+/.b.c",
    "not ASCII": "é.é.é",
    "Bearer before": f"Bearer {RSA.mint(None)}",
}


@pytest.mark.parametrize("token", CONFUSIONS.values(), ids=CONFUSIONS.keys())
def test_a_confused_token_is_refused_p9(token: str) -> None:
    """By every trick known against JWT, with a text that holds nothing of the token."""
    with pytest.raises(TokenMalformed) as caught:
        read_claims(token, RING)
    assert not any(part in str(caught.value) for part in token.split(".") if len(part) > 4)


@pytest.mark.parametrize("extension", [{"crit": ["exp"]}, {"crit": []}, {"b64": False}], ids=repr)
def test_an_extension_is_refused_by_name(extension: dict[str, object]) -> None:
    """Whether the signature would hold or not: nothing is tried."""
    with pytest.raises(TokenMalformed, match="asks for extensions"):
        read_claims(forged({"alg": "RS256", "kid": "r", **extension}, CLAIMS, b"x"), RING)


def test_a_header_that_points_elsewhere_is_not_followed() -> None:
    """A token that a known key did sign is read; what it brings along is not looked at."""
    header = {"kid": "r", "jwk": ATTACKER.jwk(), "jku": "https://attacker.example/", "x5c": 7}
    assert CLAIMS == read_claims(signed(RSA, header), RING)


@pytest.mark.parametrize("place", [0, 1, 2], ids=["header", "payload", "signature"])
@pytest.mark.parametrize("key", [HMAC, RSA, EC, ED], ids=lambda key: key.algorithm)
def test_an_altered_part_breaks_the_signature(key: SigningKey, place: int) -> None:
    """Whichever part it is, with whichever algorithm."""
    parts, others = key.mint(None, sub="7").split("."), key.mint(None, sub="8").split(".")
    others[0] = encoded(json.dumps({"alg": key.algorithm, "kid": key.kid, "x": 1}).encode())
    parts[place] = others[place]
    with pytest.raises(TokenMalformed):
        read_claims(".".join(parts), RING)


def test_a_key_id_that_nobody_has_may_become_known() -> None:
    """A provider may have a new key, so this refusal is one of its own."""
    with pytest.raises(UnknownKey):
        read_claims(ATTACKER.mint(None), RING)


def test_a_wrong_signature_of_a_known_key_stays_wrong() -> None:
    """No new key can help, so nobody is asked for one."""
    with pytest.raises(TokenMalformed) as caught:
        read_claims(signed(ATTACKER, {"kid": "r"}), RING)
    assert not isinstance(caught.value, UnknownKey)


def test_a_token_without_a_key_id_costs_a_bounded_number_of_checks() -> None:
    """The ninth key of one algorithm is not tried."""
    ring = ring_of(*(ec_key(f"e{number}") for number in range(8)), EC)
    with pytest.raises(UnknownKey):
        read_claims(signed(EC, {}), ring)
    assert CLAIMS == read_claims(signed(EC, {"kid": "e"}), ring)


NO_CLAIMS = [b"", b"[]", b"7", b"null", b"{", b"\xff", b'{"exp": NaN}', b'{"exp": -Infinity}']
TOO_MUCH = [b"[" * 5000, b'{"exp": ' + b"9" * 5000 + b"}"]


@pytest.mark.parametrize("payload", NO_CLAIMS + TOO_MUCH, ids=lambda payload: repr(payload[:20]))
def test_claims_that_are_no_object_are_refused(payload: bytes) -> None:
    """Even well signed."""
    token = jwt.PyJWS().encode(payload, HMAC.private, "HS256", {"kid": "h"})
    with pytest.raises(TokenMalformed):
        read_claims(token, RING)


@given(st.text())
@example("eyJhbGciOiJIUzI1NiJ9.e30.")
def test_arbitrary_text_is_no_token(text: str) -> None:
    """Nothing but errors of the tree is raised."""
    with pytest.raises(BrokerError):
        read_claims(text, RING)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
_HEADER_NAMES = st.sampled_from(["alg", "kid", "crit", "b64", "jwk", "typ"]) | st.text()
_HEADER_VALUES = st.sampled_from(["HS256", "RS256", "none", "h", "r", "e"]) | _JSON


@given(st.dictionaries(_HEADER_NAMES, _HEADER_VALUES), st.binary())
def test_an_arbitrary_header_is_no_token(header: dict[str, object], signature: bytes) -> None:
    """Nothing but errors of the tree is raised, whatever the header says."""
    with pytest.raises(BrokerError):
        read_claims(forged(header, CLAIMS, signature), RING)
