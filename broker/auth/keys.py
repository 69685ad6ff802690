"""Keys that verify tokens, each bound to the algorithms it is made for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
import binascii
import json
import re

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate
import jwt

Material = bytes | RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey | Ed448PublicKey

SECRET_BYTES = {"HS256": 32, "HS384": 48, "HS512": 64}
"""Bytes that a secret needs for each algorithm (RFC 7518, section 3.2)."""

RSA_BITS = (2048, 8192)
"""Shortest and longest RSA key: below it can be broken, above it is slow (RFC 7518, 3.3)."""

RSA_ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
EDDSA = frozenset({"EdDSA"})
ALGORITHMS = frozenset({*SECRET_BYTES, *RSA_ALGORITHMS, *CURVES.values(), *EDDSA})
"""Every algorithm that some key may be bound to; `none` is not one."""

MAX_KEY_FILE_BYTES = 1024 * 1024
MAX_KEYS = 100
"""Keys of one document: providers publish two or three."""

MAX_KID_CHARACTERS = 256

_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.+?-----END \1-----", re.DOTALL)
_MALFORMED = (
    jwt.PyJWTError,
    KeyError,  # of a member that is missing
    ValueError,
    TypeError,
    binascii.Error,
    UnsupportedAlgorithm,
)
_READERS = {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA", "oct": "HS256"}


class UnusableKey(ValueError):
    """A key cannot be used; the text says which and why, and holds nothing of it."""


@dataclass(frozen=True, slots=True)
class Key:
    """
    A key that verifies tokens.

    Attributes:
        kid: Its id, as the header of a token may name it, or empty.
        algorithms: What it verifies; the token only chooses among these.
        material: The secret or public key itself.
    """

    kid: str
    algorithms: frozenset[str]
    material: Material = field(repr=False)


def secret_key(secret: str | bytes, kid: str = "") -> Key:
    """
    Make a key of a shared secret.

    Args:
        secret: At least 32 bytes; HS384 needs 48 and HS512 64.
        kid: Its id, or empty.

    Raises:
        UnusableKey: It is too short, or it is a key in PEM form.
    """
    material = secret.encode() if isinstance(secret, str) else secret
    algorithms = frozenset(name for name, size in SECRET_BYTES.items() if len(material) >= size)
    if not algorithms:
        raise UnusableKey(
            f"the secret has {len(material)} bytes and can be guessed; at least"
            f" {min(SECRET_BYTES.values())} are needed, for example from: openssl rand -hex 32"
        )
    try:
        jwt.get_algorithm_by_name("HS256").prepare_key(material)
    except jwt.PyJWTError as exc:
        raise UnusableKey(
            "the secret is a key in PEM, DER or SSH form, which everybody may know; name its file"
            " among the key files instead"
        ) from exc
    return Key(kid, algorithms, material)


def read_key_file(path: Path) -> list[Key]:
    """
    Read the keys of a file: public keys or certificates in PEM form, a JWKS or a JWK.

    Raises:
        UnusableKey: The file cannot be read, or one of its keys cannot be used.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_KEY_FILE_BYTES + 1)
    except OSError as exc:
        raise UnusableKey(f"{path}: {exc.strerror or 'cannot be read'}") from exc
    try:
        is_json = content.lstrip().startswith(b"{")
        return parse_jwks(content, secrets=True) if is_json else list(_parse_pem(content))
    except UnusableKey as exc:
        raise UnusableKey(f"{path}: {exc}") from exc


def parse_jwks(content: bytes, *, secrets: bool = False) -> list[Key]:
    """
    Read a JWKS, or a single JWK.

    Keys of other kinds and for other uses are left out, as RFC 7517, section 5, asks.

    Args:
        content: The JSON text.
        secrets: Whether symmetric keys are taken; never of what others can read.

    Raises:
        UnusableKey: It is no JWKS, holds a private key, or no key of it can be used.
    """
    _check_size(content)
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as exc:
        raise UnusableKey("it is not JSON") from exc
    members = document.get("keys", [document]) if isinstance(document, dict) else None
    if not isinstance(members, list):
        raise UnusableKey('it is no JWKS; expected is {"keys": [...]}')
    if len(members) > MAX_KEYS:
        raise UnusableKey(f"it holds {len(members)} keys, the limit is {MAX_KEYS}")
    keys: list[Key] = []
    faults: list[str] = []
    for number, jwk in enumerate(members, 1):
        try:
            keys.append(_parse_jwk(jwk, secrets=secrets))
        except UnusableKey as exc:
            faults.append(f"key {number}: {exc}")
    if not keys:
        raise UnusableKey("; ".join(["it holds no key that can be used", *faults]))
    return keys


def _check_size(content: bytes) -> None:
    if len(content) > MAX_KEY_FILE_BYTES:
        raise UnusableKey(f"it is larger than {MAX_KEY_FILE_BYTES} bytes")


def _parse_jwk(jwk: object, *, secrets: bool) -> Key:
    if not isinstance(jwk, dict):
        raise UnusableKey("it is no object")
    kind, kid = jwk.get("kty"), jwk.get("kid", "")
    if not isinstance(kind, str) or kind not in _READERS or (kind == "oct" and not secrets):
        raise UnusableKey("its kind (kty) is not taken here")
    if not isinstance(kid, str) or len(kid) > MAX_KID_CHARACTERS:
        raise UnusableKey(f"its id (kid) is no text of up to {MAX_KID_CHARACTERS} characters")
    if jwk.get("use", "sig") != "sig" or "verify" not in _operations(jwk):
        raise UnusableKey("it is not for signatures")
    if "d" in jwk:
        raise UnusableKey("it is a private key; give the broker the public one")
    try:
        material = jwt.get_algorithm_by_name(_READERS[kind]).from_jwk(jwk)
    except _MALFORMED as exc:
        raise UnusableKey("it is malformed") from exc
    key = secret_key(material, kid) if kind == "oct" else _public_key(material, kid)
    return _pinned(key, jwk.get("alg"))


def _operations(jwk: dict[str, object]) -> list[object]:
    operations = jwk.get("key_ops")
    return operations if isinstance(operations, list) else ["verify"]


def _pinned(key: Key, algorithm: object) -> Key:
    if algorithm is None:
        return key
    if not isinstance(algorithm, str) or algorithm not in key.algorithms:
        raise UnusableKey("its algorithm (alg) does not go with its kind")
    return Key(key.kid, frozenset({algorithm}), key.material)


def _parse_pem(content: bytes) -> Iterator[Key]:
    _check_size(content)
    blocks = list(_PEM.finditer(content.decode("ascii", "replace")))
    if not blocks:
        raise UnusableKey("it is neither a key in PEM form nor a JWKS")
    for block in blocks[:MAX_KEYS]:
        label, text = block[1], block[0].encode("ascii", "replace")
        if "PRIVATE" in label:
            raise UnusableKey("it holds a private key; give the broker the public one")
        try:
            if label == "CERTIFICATE":
                material: object = load_pem_x509_certificate(text).public_key()
            else:
                material = load_pem_public_key(text)
        except (ValueError, UnsupportedAlgorithm) as exc:
            raise UnusableKey("it is malformed, or of a kind that signs no tokens") from exc
        yield _public_key(material)


def _public_key(material: object, kid: str = "") -> Key:
    if isinstance(material, RSAPublicKey):
        low, high = RSA_BITS
        if not low <= material.key_size <= high:
            raise UnusableKey(f"its {material.key_size} bits are not from {low} to {high}")
        return Key(kid, RSA_ALGORITHMS, material)
    if isinstance(material, EllipticCurvePublicKey) and material.curve.name in CURVES:
        return Key(kid, frozenset({CURVES[material.curve.name]}), material)
    if isinstance(material, Ed25519PublicKey | Ed448PublicKey):
        return Key(kid, EDDSA, material)
    raise UnusableKey("keys of this kind sign no tokens here")
