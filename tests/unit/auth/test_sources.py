"""Where keys come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker.auth import UnusableKey, Verifier, load_keys
from broker.auth.mint import mint
from broker.auth.secret import SECRET_FILE
from broker.auth.sources import shared_secret
from tests.support.tokens import SECRET, SigningKey, ec_key, hmac_key, jwks, rsa_key

URL = "https://id.example/jwks"


async def fetch(url: str) -> bytes:
    """Answer as the provider would."""
    assert URL == url
    return jwks([ec_key("published")]).encode()


def verifier_of(tmp_path: Path, secret: str, *places: str) -> Verifier:
    """Return a verifier of keys from some places."""
    return Verifier(load_keys(secret, places, tmp_path, fetch, lambda: 0.0), lambda: 0.0)


async def test_keys_of_every_place_verify(tmp_path: Path) -> None:
    """The secret, PEM files, JWKS files and JWKS URLs side by side."""
    (tmp_path / "key.pem").write_bytes(rsa_key("pem").public)
    (tmp_path / "keys.json").write_text(jwks([rsa_key("file")]))
    places = [str(tmp_path / "key.pem"), str(tmp_path / "keys.json"), URL]
    verifier = verifier_of(tmp_path, SECRET, *places)
    keys: list[SigningKey] = [hmac_key(), rsa_key("pem"), rsa_key("file"), ec_key("published")]
    for key in keys:
        assert key.kid == (await verifier.authenticate(key.mint(None, sub=key.kid))).subject


def test_a_secret_that_was_set_is_used(tmp_path: Path) -> None:
    """And none is made."""
    assert SECRET == shared_secret(SECRET, tmp_path)
    assert "" == verifier_of(tmp_path, SECRET).verify(hmac_key().mint(None)).subject
    assert not list(tmp_path.iterdir())


def test_without_a_secret_one_is_made(tmp_path: Path) -> None:
    """Whoever reads it makes tokens that verify."""
    verifier = verifier_of(tmp_path, "")
    token = mint((tmp_path / SECRET_FILE).read_text().strip(), {"sub": "7"})
    assert "7" == verifier.verify(token).subject


@pytest.mark.parametrize("secret", ["short", "x" * 31])
def test_a_short_secret_is_refused_at_once(tmp_path: Path, secret: str) -> None:
    """Also where it is to sign."""
    with pytest.raises(UnusableKey, match="at least 32"):
        shared_secret(secret, tmp_path)


def test_everything_wrong_is_named_at_once(tmp_path: Path) -> None:
    """One line each, without the secret and without a URL's password."""
    (tmp_path / "broken.pem").write_text("hello")
    places = [str(tmp_path / "absent"), str(tmp_path / "broken.pem"), "https:///jwks", "http://[a"]
    with pytest.raises(UnusableKey) as caught:
        load_keys("the-secret", places, tmp_path, fetch, lambda: 0.0)
    lines = str(caught.value).splitlines()
    assert 5 == len(lines)
    assert lines[0].startswith("the secret has 10 bytes")
    assert f"{tmp_path}/absent: No such file or directory" == lines[1]
    assert lines[2].startswith(f"{tmp_path}/broken.pem: it is neither")
    assert ["a JWKS URL names no host"] * 2 == lines[3:]
    assert "the-secret" not in str(caught.value)
