"""A token taken apart, and checked against the keys that may have signed it."""

from __future__ import annotations

from typing import NamedTuple, NoReturn
import binascii
import json
import re

import jwt

from broker.auth.keyring import KeyRing
from broker.auth.keys import ALGORITHMS, MAX_KID_CHARACTERS, Key
from broker.core.errors import TokenMalformed

MAX_TRIES = 8
"""Keys that are tried for a token without a key id; each may cost a signature check."""

_JWS = jwt.PyJWS(sorted(ALGORITHMS))
_PARTS = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
_KID = re.compile(rf"[\x20-\x7e]{{1,{MAX_KID_CHARACTERS}}}", re.ASCII)


class UnknownKey(TokenMalformed):
    """No key of the broker goes with the token; a provider may have a new one."""


class Header(NamedTuple):
    """
    What counts of a token's header; everything else in it is looked at by nobody.

    Attributes:
        algorithm: How the token says it is signed.
        kid: Id of the key, or empty.
    """

    algorithm: str
    kid: str


def read_claims(token: str, keys: KeyRing) -> dict[str, object]:
    """
    Return the claims of a token whose signature holds.

    The key decides which algorithms count; the token's header only chooses among those. Keys that
    a token brings or points to (`jwk`, `jku`, `x5c`, `x5u`) are never used.

    Args:
        token: The token.
        keys: The keys that may have signed it.

    Raises:
        UnknownKey: There is no key for it.
        TokenMalformed: It cannot be read, or its signature does not hold.

    Source: RFC 7515, RFC 8725 (best practices).
    """
    header = _read_header(token)
    fitting = [key for key in keys.find(header.kid) if header.algorithm in key.algorithms]
    for key in fitting[:MAX_TRIES]:
        payload = _open(token, key, header.algorithm)
        if payload is not None:
            return _parse_payload(payload)
    if not keys.knows(header.kid):
        raise UnknownKey("no key of the broker goes with the token")
    if not fitting:
        raise TokenMalformed("the token's algorithm does not go with the key that it names")
    raise TokenMalformed("the token's signature does not hold")


def _read_header(token: str) -> Header:
    if not _PARTS.fullmatch(token):
        raise TokenMalformed("the token is no JWT: expected are three parts between dots")
    encoded = token.partition(".")[0]
    try:
        header = json.loads(binascii.a2b_base64(_padded(encoded)))
    except (ValueError, RecursionError) as exc:
        raise TokenMalformed("the token's header is not JSON in base64url") from exc
    if not isinstance(header, dict):
        raise TokenMalformed("the token's header is no JSON object")
    if "crit" in header or "b64" in header:
        raise TokenMalformed("the token's header asks for extensions that the broker has not")
    algorithm, kid = header.get("alg"), header.get("kid", "")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise TokenMalformed("the token's algorithm is not taken; unsigned tokens never are")
    if kid != "" and not (isinstance(kid, str) and _KID.fullmatch(kid)):
        raise TokenMalformed(
            f"the token's key id is no printable text of up to {MAX_KID_CHARACTERS} characters"
        )
    return Header(algorithm, kid)


def _padded(encoded: str) -> bytes:
    text = encoded.replace("-", "+").replace("_", "/")
    return (text + "=" * (-len(text) % 4)).encode()


def _open(token: str, key: Key, algorithm: str) -> bytes | None:
    try:
        opened = _JWS.decode_complete(token, key.material, [algorithm])
    except jwt.InvalidSignatureError:
        return None
    except jwt.PyJWTError as exc:
        raise TokenMalformed("the token cannot be read") from exc
    payload: bytes = opened["payload"]
    return payload


def _parse_payload(payload: bytes) -> dict[str, object]:
    try:
        claims = json.loads(payload, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as exc:
        raise TokenMalformed("the token's claims are not JSON") from exc
    if not isinstance(claims, dict):
        raise TokenMalformed("the token's claims are no JSON object")
    return claims


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)
