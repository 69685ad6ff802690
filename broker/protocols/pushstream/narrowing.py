"""Narrowing: what a mount allows less than the rules of channels do."""

from __future__ import annotations

from broker.core.channels import shown
from broker.core.errors import ChannelForbidden, Forbidden, TokenMissing
from broker.core.mounts import SubscriberMount
from broker.protocols.pushstream.admission import Admitted


def is_narrow(mount: SubscriberMount) -> bool:
    """Tell whether a mount looks at requests on its own."""
    return bool(mount.allow or mount.subscribe or mount.wildcard or mount.stored_only)


def is_wild(mount: SubscriberMount, channel: str) -> bool:
    """Tell whether a channel is of the class of which a request may name only some."""
    wildcard = mount.wildcard
    return wildcard is not None and channel.startswith(wildcard.prefix)


def narrow(mount: SubscriberMount, admitted: Admitted, *, strict: bool) -> Admitted:
    """
    Return what a mount leaves of what was admitted.

    Args:
        mount: Where the request came to.
        admitted: What the rules of channels allow.
        strict: Whether a list that is not allowed as a whole is refused.

    Raises:
        TokenMissing: only some tokens may use the mount, and there is none.
        Forbidden: the token may not use it.
        ChannelForbidden: no channel is served here, or one is not and lists are strict, or there
            are too many of the wildcard class.

    Source: push-stream reference, sections 5 and 11.
    """
    if not is_narrow(mount):
        return admitted
    _check_token(mount, admitted)
    channels = tuple(filter(mount.allows, admitted.channels))
    if not channels or (strict and len(channels) < len(admitted.channels)):
        refused = next(name for name in admitted.channels if not mount.allows(name))
        raise ChannelForbidden(
            f"the channel {shown(refused)} is not served under {mount.path}", field="channels"
        )
    _check_class(mount, channels)
    return admitted._replace(channels=channels)


def _check_token(mount: SubscriberMount, admitted: Admitted) -> None:
    if not mount.subscribe:
        return
    if admitted.grants is None:
        raise TokenMissing(
            "a token is needed here: send auth_token in the query or Authorization: Bearer",
            field="auth_token",
        )
    claims = admitted.grants.claims
    if not any(rule.allows(claims, {}) for rule in mount.subscribe):
        raise Forbidden(f"the token may not subscribe under {mount.path}", field="auth_token")


def _check_class(mount: SubscriberMount, channels: tuple[str, ...]) -> None:
    wildcard = mount.wildcard
    if wildcard is None:
        return
    count = sum(is_wild(mount, channel) for channel in channels)
    if count > wildcard.most or count == len(channels):
        raise ChannelForbidden(
            f"of channels that begin with {shown(wildcard.prefix)}, at most {wildcard.most} can be"
            " named, and others beside them",
            field="channels",
            limit=wildcard.most,
        )
