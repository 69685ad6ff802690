"""Keys from secrets, PEM files and JWKS."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
import json

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa, x25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import example, given
from hypothesis import strategies as st
import pytest

from broker.auth.keys import (
    MAX_KEY_FILE_BYTES,
    RSA_ALGORITHMS,
    UnusableKey,
    parse_jwks,
    read_key_file,
    secret_key,
)
from tests.support.tokens import SigningKey, ec_key, ed25519_key, hmac_key, jwks, rsa_key

RSA = rsa_key("r")


def file_of(folder: Path, *contents: str | bytes) -> Path:
    """Write a key file."""
    path = folder / "keys"
    path.write_bytes(b"".join(c.encode() if isinstance(c, str) else c for c in contents))
    return path


def pem_of(public: Any) -> bytes:
    """Return a public key in PEM form."""
    pem: bytes = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem


def without(key: SigningKey, *names: str, **more: object) -> bytes:
    """Return a JWK with members left out and others put in."""
    jwk = {name: value for name, value in key.jwk().items() if name not in names}
    return json.dumps(jwk | more).encode()


@pytest.mark.parametrize(
    ("size", "algorithms"),
    [
        (32, {"HS256"}),
        (47, {"HS256"}),
        (48, {"HS256", "HS384"}),
        (64, {"HS256", "HS384", "HS512"}),
    ],
)
def test_a_secret_takes_the_algorithms_that_it_is_long_enough_for(
    size: int, algorithms: set[str]
) -> None:
    """As RFC 7518 asks."""
    assert algorithms == secret_key("s" * size).algorithms


@pytest.mark.parametrize("size", [0, 1, 31])
def test_a_short_secret_is_refused(size: int) -> None:
    """With its length, what is needed, and how to get one; never with the secret."""
    with pytest.raises(UnusableKey, match=f"has {size} bytes .* at least 32") as caught:
        secret_key("$" * size)
    assert "$" not in str(caught.value)


def test_the_length_of_a_secret_is_in_bytes() -> None:
    """Not in characters."""
    assert {"HS256"} == secret_key("é" * 16).algorithms


@pytest.mark.parametrize("pem", [RSA.public, RSA.private, ec_key().public], ids=["1", "2", "3"])
def test_a_public_key_is_no_secret(pem: bytes) -> None:
    """Whoever has it could sign."""
    with pytest.raises(UnusableKey, match="is a key in PEM"):
        secret_key(pem)


def test_a_key_shows_nothing_of_itself() -> None:
    """Keys may end up in a traceback."""
    assert "ssss" not in repr(secret_key("s" * 32))


@pytest.mark.parametrize(
    ("pem", "algorithms"),
    [
        (RSA.public, RSA_ALGORITHMS),
        (ec_key("a").public, {"ES256"}),
        (ec_key("b", "ES384").public, {"ES384"}),
        (ec_key("c", "ES512").public, {"ES512"}),
        (ed25519_key("d").public, {"EdDSA"}),
        (pem_of(ed448.Ed448PrivateKey.generate().public_key()), {"EdDSA"}),
    ],
    ids=["rsa", "p256", "p384", "p521", "ed25519", "ed448"],
)
def test_a_pem_file_gives_a_key_of_its_kind(
    tmp_path: Path, pem: bytes, algorithms: set[str]
) -> None:
    """The kind of the key decides what it verifies; it has no id."""
    (key,) = read_key_file(file_of(tmp_path, pem))
    assert ("", algorithms) == (key.kid, set(key.algorithms))


def test_a_pem_file_may_hold_several_keys(tmp_path: Path) -> None:
    """The old and the new one, while they are changed."""
    keys = read_key_file(file_of(tmp_path, "old\n", RSA.public, "new\n", ec_key("a").public))
    assert [RSA_ALGORITHMS, {"ES256"}] == [key.algorithms for key in keys]


def test_a_certificate_gives_its_key(tmp_path: Path) -> None:
    """Some providers hand out nothing else."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "issuer")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, private.public_key(), 1, now, now + timedelta(1))
        .sign(private, SHA256())
        .public_bytes(Encoding.PEM)
    )
    (key,) = read_key_file(file_of(tmp_path, certificate))
    assert private.public_key() == key.material


WEAK = rsa.generate_private_key(65537, 1024).public_key()  # noqa: S505 - that is the point
FAULTY = {
    "empty": (b"", "neither a key in PEM form nor a JWKS"),
    "some text": (b"hello", "neither a key in PEM form nor a JWKS"),
    "private key": (RSA.private, "holds a private key; give the broker the public one"),
    "damaged key": (RSA.public.replace(b"A", b"!"), "malformed"),
    "no key": (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "malformed"),
    "no certificate": (b"-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----", "malformed"),
    "weak key": (pem_of(WEAK), "1024 bits are not from 2048"),
    "odd curve": (
        pem_of(ec.generate_private_key(ec.SECP256K1()).public_key()),
        "keys of this kind sign no tokens",
    ),
    "key for agreeing": (
        pem_of(x25519.X25519PrivateKey.generate().public_key()),
        "keys of this kind sign no tokens",
    ),
    "huge": (b" " * (MAX_KEY_FILE_BYTES + 1), "larger than 1048576 bytes"),
    "no JSON": (b"{", "not JSON"),
    "no JWKS": (b'{"keys": 7}', "no JWKS"),
}


@pytest.mark.parametrize(("content", "fault"), FAULTY.values(), ids=FAULTY.keys())
def test_a_file_that_gives_no_key_is_refused(tmp_path: Path, content: bytes, fault: str) -> None:
    """With its name and the reason."""
    path = file_of(tmp_path, content)
    with pytest.raises(UnusableKey, match=fault) as caught:
        read_key_file(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """With the system's reason."""
    with pytest.raises(UnusableKey, match=r"absent: No such file or directory"):
        read_key_file(tmp_path / "absent")


def test_a_jwks_gives_its_keys(tmp_path: Path) -> None:
    """Each with its id, bound to the one algorithm that it names."""
    keys = [rsa_key("r"), ec_key("e"), ed25519_key("d"), hmac_key(kid="h")]
    read = read_key_file(file_of(tmp_path, jwks(keys)))
    assert [(key.kid, {key.algorithm}) for key in keys] == [
        (key.kid, set(key.algorithms)) for key in read
    ]


def test_a_single_jwk_will_do(tmp_path: Path) -> None:
    """Without the list around it."""
    (key,) = read_key_file(file_of(tmp_path, json.dumps(RSA.jwk())))
    assert "r" == key.kid


EC, ED = ec_key("e"), ed25519_key("d")
KIND, PIN = r"kind \(kty\) is not taken", r"algorithm \(alg\) does not go with its kind"
UNUSABLE = {
    "unknown kind": (b'{"kty": "XYZ"}', KIND),
    "kind a number": (b'{"kty": 7}', KIND),
    "no kind": (b"{}", KIND),
    "no object": (b'{"keys": [7]}', "is no object"),
    "no keys": (b'{"keys": []}', "holds no key that can be used$"),
    "secret published": (without(hmac_key(kid="h")), KIND),
    "id a number": (without(RSA, kid=7), r"id \(kid\) is no text"),
    "id endless": (without(RSA, kid="k" * 257), r"id \(kid\) is no text"),
    "for encryption": (without(RSA, use="enc"), "not for signatures"),
    "for signing": (without(RSA, key_ops=["sign"]), "not for signatures"),
    "private": (without(RSA, d="AQAB"), "private key"),
    "no modulus": (without(RSA, "n"), "malformed"),
    "modulus a number": (without(RSA, n=7), "malformed"),
    "modulus no base64": (without(RSA, n="!"), "malformed"),
    "modulus a list": (without(RSA, n=[]), "malformed"),
    "RSA as secret": (without(RSA, alg="HS256"), PIN),
    "RSA unsigned": (without(RSA, alg="none"), PIN),
    "algorithm a list": (without(RSA, alg=["RS256"]), PIN),
    "wrong hash": (without(EC, alg="ES384"), PIN),
    "wrong curve": (without(EC, crv="P-384"), "malformed"),
    "point too short": (without(EC, x="AAAA"), "malformed"),
    "point off the curve": (without(EC, x=EC.jwk()["y"]), "malformed"),
    "Ed25519 too short": (without(ED, x="AAAA"), "malformed"),
}


@pytest.mark.parametrize(("jwk", "fault"), UNUSABLE.values(), ids=UNUSABLE.keys())
def test_a_jwk_that_cannot_be_used_says_why(jwk: bytes, fault: str) -> None:
    """What is published can hold no secret, and a key goes only with algorithms of its kind."""
    with pytest.raises(UnusableKey, match=fault):
        parse_jwks(jwk)


def test_a_jwk_of_a_short_secret_is_refused() -> None:
    """Files are held to the same length."""
    with pytest.raises(UnusableKey, match="has 3 bytes"):
        parse_jwks(json.dumps({"kty": "oct", "k": "c3Nz"}).encode(), secrets=True)


def test_a_usable_key_makes_the_set_usable() -> None:
    """Kinds that the broker does not know stand beside those that it does."""
    document = json.dumps({"keys": [{"kty": "XYZ"}, RSA.jwk(), {"kty": "oct", "k": "c3Nz"}]})
    assert ["r"] == [key.kid for key in parse_jwks(document.encode())]


def test_a_set_has_a_limit() -> None:
    """So that looking a key up stays quick."""
    with pytest.raises(UnusableKey, match="holds 101 keys, the limit is 100"):
        parse_jwks(json.dumps({"keys": [{}] * 101}).encode())


@given(st.binary())
def test_arbitrary_bytes_are_no_keys(content: bytes) -> None:
    """Nothing but `UnusableKey` is raised."""
    with pytest.raises(UnusableKey):
        parse_jwks(content)


_JSON = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text())
_MEMBERS = st.sampled_from(["kty", "crv", "x", "y", "n", "e", "alg", "use", "key_ops", "kid", "d"])
_VALUES = st.sampled_from(["RSA", "EC", "OKP", "oct", "P-256", "Ed25519", "AQAB", "sig"]) | _JSON


@given(st.dictionaries(_MEMBERS, _VALUES))
@example({"kty": "oct"})
@example({"kty": "RSA", "n": "AQAB"})
def test_an_arbitrary_jwk_is_refused(jwk: dict[str, object]) -> None:
    """Nothing but `UnusableKey` is raised, whatever its members are."""
    with pytest.raises(UnusableKey):
        parse_jwks(json.dumps(jwk).encode(), secrets=True)
