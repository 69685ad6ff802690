"""Keys and tokens made for tests."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
import json
import time

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
import jwt

SECRET = "a secret for tests, longer than thirty-two bytes"
"""Shared secret of HS256 tokens."""


@dataclass(frozen=True)
class SigningKey:
    """
    A key that signs tokens, and what a verifier is given of it.

    Attributes:
        algorithm: Name in the token's header, as `HS256` or `ES256`.
        private: Secret, or private key in PEM form.
        public: What verifies: the same secret, or the public key in PEM form.
        kid: Key id in the token's header; empty for none.
    """

    algorithm: str
    private: bytes
    public: bytes
    kid: str = ""

    def mint(self, ttl_s: float | None = 3600, /, **claims: Any) -> str:
        """
        Sign a token.

        Args:
            ttl_s: Seconds until it expires, from the wall clock; negative for an expired token,
                None for one without `exp`.
            **claims: The payload; an explicit `exp` wins over `ttl_s`.
        """
        payload = dict(claims)
        if ttl_s is not None:
            payload.setdefault("exp", int(time.time() + ttl_s))
        headers = {"kid": self.kid} if self.kid else None
        return jwt.encode(payload, self.private, self.algorithm, headers)

    def jwk(self) -> dict[str, Any]:
        """Return the verifying key as a member of a JWKS document."""
        maker = jwt.get_algorithm_by_name(self.algorithm)
        jwk: dict[str, Any] = json.loads(maker.to_jwk(maker.prepare_key(self.public)))
        return {**jwk, "alg": self.algorithm, "use": "sig"} | (
            {"kid": self.kid} if self.kid else {}
        )


def hmac_key(secret: str = SECRET, algorithm: str = "HS256", kid: str = "") -> SigningKey:
    """Return a key that shares a secret with the verifier."""
    return SigningKey(algorithm, secret.encode(), secret.encode(), kid)


@cache
def rsa_key(kid: str = "", algorithm: str = "RS256") -> SigningKey:
    """Return an RSA key, one per id."""
    return _from_private(algorithm, rsa.generate_private_key(65537, 2048), kid)


@cache
def ec_key(kid: str = "", algorithm: str = "ES256") -> SigningKey:
    """Return an elliptic-curve key, one per id."""
    curves: dict[str, ec.EllipticCurve] = {
        "ES256": ec.SECP256R1(),
        "ES384": ec.SECP384R1(),
        "ES512": ec.SECP521R1(),
    }
    return _from_private(algorithm, ec.generate_private_key(curves[algorithm]), kid)


@cache
def ed25519_key(kid: str = "") -> SigningKey:
    """Return an Ed25519 key, one per id."""
    return _from_private("EdDSA", ed25519.Ed25519PrivateKey.generate(), kid)


def jwks(keys: Iterable[SigningKey]) -> str:
    """Return the JWKS document of some keys."""
    return json.dumps({"keys": [key.jwk() for key in keys]})


def forged(header: Mapping[str, object], claims: Mapping[str, object], signature: bytes) -> str:
    """Put a token together by hand, whatever its parts: what an attacker sends."""
    parts = (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    return ".".join(urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def _from_private(
    algorithm: str,
    private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey,
    kid: str,
) -> SigningKey:
    private_pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public_pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return SigningKey(algorithm, private_pem, public_pem, kid)
