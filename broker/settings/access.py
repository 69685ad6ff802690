"""Settings of access: which tokens and keys are believed, and how refusals look."""

from __future__ import annotations

from dataclasses import dataclass

from broker.settings.declare import setting
from broker.settings.kinds import ApiKeys, Choice, Items, SecretText, Switch, Text
from broker.settings.measures import Bytes, Seconds, Whole, WholeSeconds
from broker.settings.values import ApiKey, Secret


@dataclass(frozen=True, kw_only=True)
class Access:
    """Tokens and keys."""

    jwt_secret: Secret = setting(
        SecretText(32),
        Secret(""),
        shown="made on first start, kept in the data directory",
        doc="Secret of tokens signed with HS256; with 48 bytes also HS384, with 64 also HS512 "
        "(RFC 7518, section 3.2).",
        why="No installation shares a secret with another one.",
    )
    jwt_keys: tuple[str, ...] = setting(
        Items(),
        (),
        shown="none",
        doc="Further keys of tokens: PEM files, JWKS files and JWKS addresses (https, http).",
        why="Only those who have an issuer of their own need them.",
    )
    jwt_audience: str = setting(
        Text(),
        "",
        shown="empty: not checked",
        doc="What the `aud` claim of every token must hold.",
        why="A secret of the broker's own is given to nobody else, so its tokens are for it.",
    )
    jwt_issuer: str = setting(
        Text(),
        "",
        shown="empty: not checked",
        doc="What the `iss` claim of every token must be.",
        why="The key already says who signed.",
    )
    jwt_leeway_s: float = setting(
        Seconds(0.0, 600.0),
        0.0,
        doc="Time by which the clocks of issuers may differ, at `exp` and `nbf`.",
        why="Clocks are kept in step today, and an expired token is expired.",
    )
    token_cookie: str = setting(
        Text(r"[!#$%&'*+.^_`|~0-9A-Za-z-]*", "a cookie's name"),
        "",
        shown="empty: none is read",
        doc="Cookie that may carry the token.",
        why="A cookie is sent by pages of other sites too; whoever wants it also sets "
        "`allowed_origins`, or the broker does not start.",
    )
    max_token_bytes: int = setting(
        Bytes(256, 65_536),
        8192,
        doc="Length of a token; a longer one is refused unread.",
        why="A signed token with grants takes one or two KiB; HTTP heads end about here.",
    )
    max_token_ttl_s: int = setting(
        WholeSeconds(60, 3650 * 86_400),
        30 * 86_400,
        doc="Longest life of the tokens that are given out: a revocation is remembered for as "
        "long, where it does not say otherwise.",
        why="Longer than most tokens live, and what was revoked is forgotten some day.",
    )
    token_cache_size: int = setting(
        Whole(0, 10_000_000, "tokens"),
        50_000,
        doc="Verified tokens that are remembered until they expire.",
        why="Everybody of a busy process comes back without a signature being checked again, "
        "for some 25 MiB.",
    )
    api_keys: tuple[ApiKey, ...] = setting(
        ApiKeys(),
        (),
        shown="none",
        doc="Keys of the internal listener; with none, everybody who reaches it may publish.",
        why="It listens to this machine alone.",
    )
    allowed_origins: tuple[str, ...] = setting(
        Items(r"\*|null|https?://[^/\s?#]+", "*, null or an origin as https://example.com"),
        ("*",),
        doc="Web pages that may subscribe, by origin; * for all.",
        why="What opens a channel is the token, which no page of another site has.",
    )
    strict_channels: bool = setting(
        Switch(),
        False,
        doc="Whether a list of channels is refused as a whole when one of them is not allowed.",
        why="Clients of this dialect expect the channels that are allowed.",
    )
    refuse_websocket: str = setting(
        Choice(("handshake", "close")),
        "handshake",
        doc="How a WebSocket is refused: by the status of its handshake, or accepted and closed "
        "with a code.",
        why="Cheaper, and every proxy and log sees the status; browsers' scripts see only a code.",
    )
