"""What one verified token may do, and the decision that the server and `explain` share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol
import math

from broker.core.channels import check_channel
from broker.core.errors import BadChannel, ChannelForbidden, TokenMalformed
from broker.core.rules import Action, Match, Place
from broker.core.tenants import MAIN_TENANT, is_tenant

MAX_GRANTS = 256
"""Channel grants in one token: several hundred bytes of names would be slow to search."""

MAX_GRANT_BYTES = 512
"""Bytes in one channel grant: longer than any channel name."""

WILDCARD = "*"

_TIMES = ("exp", "iat", "nbf")
_UNKEPT = frozenset({*_TIMES, "channels"})


class ChannelGrant(NamedTuple):
    """
    Channels that a token names itself.

    A `*` stands alone between two dots. As the last segment it covers one or more segments,
    anywhere else exactly one: `conversation.100.*` covers `conversation.100.7` and
    `conversation.100.7.x`, not `conversation.100`; `conversation.*.7` covers
    `conversation.100.7` only.

    Attributes:
        text: The grant as the token has it.
        segments: Its parts between the dots.
    """

    text: str
    segments: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> ChannelGrant:
        """
        Read one grant.

        Raises:
            ValueError: It is no channel name with `*` for whole segments.
        """
        segments = tuple(text.split("."))
        for segment in segments:
            if not segment:
                raise ValueError("a segment is empty")
            if WILDCARD in segment and segment != WILDCARD:
                raise ValueError("an asterisk must stand alone between two dots")
        try:
            check_channel(text.replace(WILDCARD, "x"), MAX_GRANT_BYTES)
        except BadChannel as exc:
            raise ValueError("it is no channel name") from exc
        return cls(text, segments)

    def covers(self, parts: Sequence[str]) -> bool:
        """Tell whether a channel, given as its parts between the dots, is granted."""
        mine = self.segments
        if len(parts) < len(mine) or (len(parts) > len(mine) and mine[-1] != WILDCARD):
            return False
        if not all(parts):
            return False
        return all(own in (WILDCARD, part) for own, part in zip(mine, parts, strict=False))


class GrantSet:
    """
    The grants of a token for one action.

    Args:
        grants: The grants; those without `*` are found by name.
    """

    __slots__ = ("_exact", "_open")

    def __init__(self, grants: Sequence[ChannelGrant] = ()) -> None:
        self._exact = frozenset(grant.text for grant in grants if WILDCARD not in grant.segments)
        self._open = tuple(grant for grant in grants if WILDCARD in grant.segments)

    def find(self, channel: str) -> str | None:
        """Return the grant that covers a channel, as the token has it, or None."""
        if channel in self._exact:
            return channel
        if not self._open:
            return None
        parts = channel.split(".")
        return next((grant.text for grant in self._open if grant.covers(parts)), None)


NO_GRANTS = GrantSet()
"""Of a token that names no channels."""


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Grants:
    """
    What one verified token may do; shared by all its connections.

    Attributes:
        subject: Claim `sub`, or empty.
        tenant: Claim `tenant`, or the default one.
        jti: Claim `jti`, the token's own id, or None.
        issued_at: Claim `iat` in seconds since the epoch, or None.
        expires_at: When the broker stops to honour it: claim `exp` plus the leeway, in seconds
            since the epoch; None when it never expires.
        claims: Every other claim, as rules ask for them.
        subscribe: Channels that the token itself lets its bearer read.
        publish: Channels that the token itself lets its bearer publish to.

    Source: `design.md` section 8.
    """

    subject: str
    tenant: str
    jti: str | None
    issued_at: float | None
    expires_at: float | None
    claims: Mapping[str, object] = field(repr=False)
    subscribe: GrantSet
    publish: GrantSet

    @classmethod
    def of(cls, claims: Mapping[str, object], leeway_s: float = 0) -> Grants:
        """
        Read the claims of a token whose signature holds.

        `channels` is a list of channels to read, or an object with the lists `subscribe` and
        `publish`; see `ChannelGrant`.

        Args:
            claims: The token's payload.
            leeway_s: How long it is honoured past its expiry.

        Raises:
            TokenMalformed: A claim has the wrong type; the text names it.
        """
        expires_at = read_time(claims, "exp")
        channels = claims.get("channels")
        return cls(
            subject=_name(claims, "sub") or "",
            tenant=_tenant(claims),
            jti=_name(claims, "jti"),
            issued_at=read_time(claims, "iat"),
            expires_at=None if expires_at is None else expires_at + leeway_s,
            claims={name: value for name, value in claims.items() if name not in _UNKEPT},
            subscribe=_grants(channels, "subscribe"),
            publish=_grants(channels, "publish"),
        )

    def granted(self, action: Action) -> GrantSet:
        """Return the token's own grants for an action."""
        return self.subscribe if action == "subscribe" else self.publish


class Decision(NamedTuple):
    """
    Whether something is allowed, and by what.

    Attributes:
        allowed: The decision.
        reason: One sentence; it names no claim and no value, so it may go to the client.
        rule: The pattern or the token's grant that decided, or empty.
        place: Where the rule stands, or the pattern where no rule decided; None for a grant and
            where nothing matches.
    """

    allowed: bool
    reason: str
    rule: str = ""
    place: Place | None = None


class Rulebook(Protocol):
    """Where `decide` finds the rules of a channel; the catalogue is one."""

    def match(self, channel: str) -> Match | None:
        """Return the first entry whose pattern matches the channel, or None."""


def decide(rulebook: Rulebook, grants: Grants | None, action: Action, channel: str) -> Decision:
    """
    Decide whether a token may do something with a channel; no unless something says yes.

    A channel that no pattern matches is refused, whatever the token grants.

    Args:
        rulebook: The rules.
        grants: What the token may do, or None without a token.
        action: What is asked for.
        channel: The channel, checked by `check_channel`.

    Source: P9; `design.md` section 8.
    """
    match = rulebook.match(channel)
    if match is None:
        return Decision(False, "no pattern matches the channel")
    entry = match.entry
    pattern = entry.pattern.text
    if action == "subscribe" and entry.public:
        return Decision(True, "the channel is public", pattern, entry.place)
    if grants is None:
        return Decision(False, "the channel needs a token", pattern, entry.place)
    for rule in entry.rules(action):
        if rule.allows(grants.claims, match.variables):
            return Decision(True, "a rule allows it", pattern, rule.place)
    grant = grants.granted(action).find(channel)
    if grant is not None:
        return Decision(True, "a grant of the token allows it", grant)
    return Decision(False, "no rule and no grant of the token allows it", pattern, entry.place)


def objection(
    rulebook: Rulebook, grants: Grants | None, action: Action, channels: Iterable[str]
) -> ChannelForbidden | None:
    """
    Return the refusal of the first channel that is not allowed; None when all of them are.

    Args:
        rulebook: The rules.
        grants: What the token may do, or None without a token.
        action: What is asked for.
        channels: The channels, each checked by `check_channel`.
    """
    for channel in channels:
        decision = decide(rulebook, grants, action, channel)
        if not decision.allowed:
            detail = f"a channel is not allowed; {channel}: {decision.reason}"
            return ChannelForbidden(detail, field="channels")
    return None


def read_time(claims: Mapping[str, object], name: str) -> float | None:
    """
    Read a claim that is a time, in seconds since the epoch; None when the token has none.

    Raises:
        TokenMalformed: It is no number.

    Source: RFC 7519, section 2 (NumericDate).
    """
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not _finite(value):
        raise TokenMalformed(
            f"the token's claim {name} must be a number of seconds since 1970", field=name
        )
    return value


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond every float
        return False


def _name(claims: Mapping[str, object], name: str) -> str | None:
    value = claims.get(name)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise TokenMalformed(f"the token's claim {name} must be text or a number", field=name)


def _tenant(claims: Mapping[str, object]) -> str:
    tenant = _name(claims, "tenant")
    if tenant is None:
        return MAIN_TENANT
    if not is_tenant(tenant):
        raise TokenMalformed("the token's claim tenant is no name of a tenant", field="tenant")
    return tenant


def _grants(channels: object, action: Action) -> GrantSet:
    if isinstance(channels, dict):
        unknown = set(channels) - {"subscribe", "publish"}
        if unknown:
            raise _bad_grants("must hold the lists subscribe and publish, and nothing else")
        channels = channels.get(action)
    elif action == "publish":
        return NO_GRANTS
    if channels is None:
        return NO_GRANTS
    if not isinstance(channels, list):
        raise _bad_grants("must be a list of channels, or an object with subscribe and publish")
    if len(channels) > MAX_GRANTS:
        raise _bad_grants(f"lists {len(channels)} channels, the limit is {MAX_GRANTS}")
    return GrantSet([_grant(text, place) for place, text in enumerate(channels, 1)])


def _grant(text: object, place: int) -> ChannelGrant:
    if not isinstance(text, str):
        raise _bad_grants(f"has a member that is no text, number {place}")
    try:
        return ChannelGrant.parse(text)
    except ValueError as exc:
        raise _bad_grants(f"has a malformed member, number {place}: {exc}") from exc


def _bad_grants(fault: str) -> TokenMalformed:
    return TokenMalformed(f"the token's claim channels {fault}", field="channels")
