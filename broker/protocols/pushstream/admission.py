"""Admission: from a request to what its sender may read, or the refusal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from broker.core.errors import ChannelForbidden, Forbidden, TokenMissing
from broker.core.grants import Grants, Rulebook, decide, objection
from broker.core.tenants import MAIN_TENANT
from broker.protocols.pushstream.request import Subscription


class Verifier(Protocol):
    """Tells what a token may do; `broker.auth` has one."""

    @property
    def version(self) -> int:
        """A number that grows whenever its keys are others than before."""

    async def authenticate(self, token: str) -> Grants:
        """
        Check a token.

        Raises:
            Unauthorized: it is bad, expired or revoked.
        """

    def verify(self, token: str) -> Grants:
        """
        Check a token with the keys as they are.

        Raises:
            Unauthorized: it is bad, expired or revoked, or its key is not known yet.
        """

    def recall(self, grants: Grants) -> None:
        """
        Check a token again that was verified with the keys of this `version`.

        Raises:
            Unauthorized: it has expired or was revoked.
        """

    def check(self, grants: Grants) -> None:
        """
        Refuse what a verified token may do if that is over by now.

        Raises:
            Unauthorized: it has expired or was revoked.
        """


Share = Callable[[Grants | None, str], None]
"""Raises `TooMany` for a token, or a client behind a proxy, that has its share already."""


class Admitted(NamedTuple):
    """
    A request that may be served.

    Attributes:
        tenant: Whose channels.
        channels: Those of the requested channels that are allowed, in order.
        grants: What the token allows, or None without one.
        rulebook: The rules by which it was decided.
        client: Who is behind a proxy; see `Subscription`.
        version: That of the keys with which the token was verified.
    """

    tenant: str
    channels: tuple[str, ...]
    grants: Grants | None
    rulebook: Rulebook
    client: str = ""
    version: int = 0


class Admission:
    """
    Decides who may read what.

    Args:
        verifier: Checks tokens.
        rulebook: Gives the present channel rules.
        strict: Whether a list that is not allowed as a whole is refused.
        share: Refuses those who have their share of subscriptions already.

    Attributes:
        strict: The same.
    """

    def __init__(
        self,
        verifier: Verifier,
        rulebook: Callable[[], Rulebook],
        *,
        strict: bool,
        share: Share = lambda _grants, _client: None,
    ) -> None:
        self._share = share
        self._verifier = verifier
        self._rulebook = rulebook
        self.strict = strict

    async def admit(self, request: Subscription) -> Admitted:
        """
        Return the allowed part of what is asked for.

        Raises:
            Unauthorized: the token is bad, or there is none and nothing is public.
            ChannelForbidden: no channel is allowed, or one is not and lists are strict.
            TooMany: its subject or client has its share of subscriptions already.

        Source: dashly-rts 2.1 (partial grants); `design.md` section 8.
        """
        grants = await self._verifier.authenticate(request.token) if request.token else None
        return self._admit(grants, request)

    def admit_again(self, request: Subscription, before: Admitted | None) -> Admitted:
        """
        Do the same for a request that was admitted before, without waiting for keys.

        Args:
            request: What is asked for.
            before: What it was admitted to last, if it was; holds while rules and keys are those.

        Raises:
            Unauthorized: as `admit`, or the token's key is not known yet.
            ChannelForbidden: as `admit`.
            TooMany: as `admit`.
        """
        if before is not None and before.rulebook is self._rulebook():
            grants = before.grants
            if grants is None or before.version == self._verifier.version:
                if grants is not None:
                    self._verifier.recall(grants)
                self._share(grants, request.client)
                return before
        grants = self._verifier.verify(request.token) if request.token else None
        return self._admit(grants, request)

    def confirm(self, admitted: Admitted) -> None:
        """
        Refuse what was admitted if that has changed since, while something was waited for.

        Raises:
            Unauthorized: the token has expired or was revoked meanwhile.
            ChannelForbidden: there are other rules by now, and they do not allow every channel.
            TooMany: its subject or client has got its share meanwhile.
        """
        _, channels, grants, before, client, _ = admitted
        self._share(grants, client)
        if grants is not None:
            self._verifier.check(grants)
        rulebook = self._rulebook()
        if rulebook is not before:
            error = objection(rulebook, grants, "subscribe", channels)
            if error is not None:
                raise error

    async def renew(self, token: str, before: Grants | None, channels: Sequence[str]) -> Grants:
        """
        Return what a new token allows, if it can take the place of the one before.

        Args:
            token: The new token.
            before: What the one before allows; None without one.
            channels: Channels that it must allow, every one.

        Raises:
            Unauthorized: it is bad, expired or revoked.
            Forbidden: it is for another tenant or subject, or does not allow every channel.
            Unavailable: its key cannot be fetched.
        """
        grants = await self._verifier.authenticate(token)
        if before is None:
            raise Forbidden("the session began without a token", field="auth_token")
        if (grants.tenant, grants.subject) != (before.tenant, before.subject):
            raise Forbidden("the token is for another tenant or subject", field="auth_token")
        error = objection(self._rulebook(), grants, "subscribe", channels)
        if error is not None:
            raise error
        return grants

    def _admit(self, grants: Grants | None, request: Subscription) -> Admitted:
        tenant = MAIN_TENANT if grants is None else grants.tenant
        rulebook = self._rulebook()
        allowed = self._allowed(rulebook, grants, request.channels)
        self._share(grants, request.client)
        version = self._verifier.version
        return Admitted(tenant, allowed, grants, rulebook, request.client, version)

    def _allowed(
        self, rulebook: Rulebook, grants: Grants | None, channels: Sequence[str]
    ) -> tuple[str, ...]:
        decisions = [decide(rulebook, grants, "subscribe", channel) for channel in channels]
        allowed = tuple(
            channel
            for channel, decision in zip(channels, decisions, strict=True)
            if decision.allowed
        )
        if allowed and (len(allowed) == len(channels) or not self.strict):
            return allowed
        if grants is None and not allowed:
            raise TokenMissing(
                "a token is needed: send auth_token in the query or Authorization: Bearer",
                field="auth_token",
            )
        refused, decision = next(
            pair for pair in zip(channels, decisions, strict=True) if not pair[1].allowed
        )
        which = "no requested channel is allowed" if not allowed else "a channel is not allowed"
        raise ChannelForbidden(f"{which}; {refused}: {decision.reason}", field="channels")
