"""From a token to what it may do."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple

from broker.auth.cache import GrantsCache
from broker.auth.keyring import KeyRing
from broker.auth.token import UnknownKey, read_claims
from broker.core.errors import (
    TokenExpired,
    TokenMalformed,
    TokenMissing,
    TokenRevoked,
    Unavailable,
)
from broker.core.grants import Grants, read_time

MAX_TOKEN_BYTES = 8192
CACHED_TOKENS = 50_000


class Expectations(NamedTuple):
    """
    What a token must be beyond well signed.

    Attributes:
        audience: What its `aud` must hold; empty: not checked.
        issuer: What its `iss` must be; empty: not checked.
        leeway_s: How far clocks may differ at `exp` and `nbf`, in seconds.
        max_token_bytes: Its length at most.
    """

    audience: str = ""
    issuer: str = ""
    leeway_s: float = 0
    max_token_bytes: int = MAX_TOKEN_BYTES


def never_revoked(grants: Grants) -> bool:
    """Say of every token that it was not revoked."""
    del grants
    return False


class Verifier:
    """
    Verifies tokens and remembers those that were.

    Args:
        keys: The keys that may have signed them.
        clock: Seconds since the epoch.
        expectations: What else must hold.
        revoked: Tells whether a token was revoked; asked each time, of remembered tokens too.
        cached: Tokens remembered at most.

    Attributes:
        remembered: Times that a token was known from before.
        verified: Times that a token's signature was found to hold.

    Source: `design.md` section 8.
    """

    def __init__(
        self,
        keys: KeyRing,
        clock: Callable[[], float],
        expectations: Expectations = Expectations(),  # noqa: B008 - immutable
        revoked: Callable[[Grants], bool] = never_revoked,
        cached: int = CACHED_TOKENS,
    ) -> None:
        self._keys = keys
        self._clock = clock
        self._expectations = expectations
        self._revoked = revoked
        self._cache = GrantsCache(cached)
        self._keys_version = keys.version
        self.remembered = 0
        self.verified = 0

    @property
    def version(self) -> int:
        """A number that grows whenever the keys are others than before."""
        return self._keys.version

    def heed(self, revoked: Callable[[Grants], bool]) -> None:
        """Ask this one from now on whether a token was revoked."""
        self._revoked = revoked

    def verify(self, token: str | None) -> Grants:
        """
        Return what a token may do; the same object for the same token.

        Takes the keys as they are. Where they may change, use `authenticate`.

        Raises:
            TokenMissing: There is no token.
            TokenMalformed: It cannot be read, or a signature or claim does not hold.
            UnknownKey: There is no key for it, yet (a `TokenMalformed`).
            TokenExpired: It was valid once.
            TokenRevoked: It was revoked.
        """
        if not token:
            raise TokenMissing("a token is needed: parameter auth_token or header Authorization")
        limit = self._expectations.max_token_bytes
        if len(token) > limit:
            raise TokenMalformed(f"the token is longer than {limit} bytes", limit=limit)
        digest = sha256(token.encode("utf-8", "replace")).digest()
        if self._keys_version != self._keys.version:
            self._keys_version = self._keys.version
            self._cache.clear()
        grants = self._cache.get(digest)
        if grants is None:
            grants = self._read(token)
            self._cache.put(digest, grants)
            self.verified += 1
        else:
            self.remembered += 1
        try:
            self.check(grants)
        except TokenExpired:
            self._cache.drop(digest)
            raise
        return grants

    def recall(self, grants: Grants) -> None:
        """
        Check a token again that was verified with the keys of this version; it need not be read.

        Raises:
            TokenExpired: It was valid once.
            TokenRevoked: It was revoked.
        """
        self.remembered += 1
        self.check(grants)

    def check(self, grants: Grants) -> None:
        """
        Refuse what a verified token may do if that is over by now.

        Raises:
            TokenExpired: It was valid once.
            TokenRevoked: It was revoked.
        """
        if grants.expires_at is not None and grants.expires_at <= self._clock():
            raise TokenExpired("the token has expired")
        if self._revoked(grants):
            raise TokenRevoked("the token was revoked")

    async def authenticate(self, token: str | None) -> Grants:
        """
        Return what a token may do; where no key goes with it, fetch the published keys first.

        Raises:
            Unauthorized: As `verify`.
            Unavailable: The keys cannot be fetched, and never could.
        """
        try:
            return self.verify(token)
        except UnknownKey:
            if not self._keys.can_learn:
                raise
        await self._keys.refresh()
        try:
            return self.verify(token)
        except UnknownKey as exc:
            if self._keys.is_complete:
                raise
            raise Unavailable("the keys that tokens are verified with cannot be fetched") from exc

    def _read(self, token: str) -> Grants:
        claims = read_claims(token, self._keys)
        expected = self._expectations
        starts_at = read_time(claims, "nbf")
        if starts_at is not None and starts_at > self._clock() + expected.leeway_s:
            raise TokenMalformed("the token is not valid yet", field="nbf")
        if expected.issuer and claims.get("iss") != expected.issuer:
            raise TokenMalformed("the token's issuer is not the expected one", field="iss")
        if expected.audience and not _holds(claims.get("aud"), expected.audience):
            raise TokenMalformed("the token is for another audience", field="aud")
        return Grants.of(claims, expected.leeway_s)


def _holds(audience: object, wanted: str) -> bool:
    return audience == wanted or (isinstance(audience, list) and wanted in audience)
