"""Test tokens verify with the public half of their key, in every algorithm."""

from __future__ import annotations

import jwt
import pytest

from tests.support.tokens import (
    SigningKey,
    ec_key,
    ed25519_key,
    forged,
    hmac_key,
    jwks,
    rsa_key,
)

KEYS = [hmac_key(kid="h"), rsa_key("r"), ec_key("e"), ec_key("e5", "ES512"), ed25519_key("d")]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.algorithm)
def test_a_token_verifies(key: SigningKey) -> None:
    """What a key signs, its public half verifies, and its JWK too."""
    token = key.mint(sub="7")

    assert jwt.decode(token, key.public, [key.algorithm])["sub"] == "7"
    assert jwt.decode(token, jwt.PyJWK(key.jwk()), [key.algorithm])["sub"] == "7"
    assert jwt.get_unverified_header(token)["kid"] == key.kid


def test_a_negative_ttl_makes_an_expired_token() -> None:
    """A token of the past is refused as expired."""
    with pytest.raises(jwt.ExpiredSignatureError):
        jwt.decode(hmac_key().mint(-1), hmac_key().public, ["HS256"])


def test_a_forged_token_is_refused() -> None:
    """A token put together by hand has the right form and the wrong signature."""
    token = forged({"alg": "HS256", "typ": "JWT"}, {"sub": "7"}, b"no signature")
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token, hmac_key().public, ["HS256"])


def test_a_jwks_document_holds_every_key() -> None:
    """A JWKS document is read back with all ids."""
    assert {key.kid for key in KEYS} == {
        key.key_id for key in jwt.PyJWKSet.from_json(jwks(KEYS)).keys
    }
