"""What every store checks of a publication in the same way, and how it says no."""

from __future__ import annotations

from typing import Final

from broker.core.cursor import Cursor, parse_tag
from broker.core.errors import (
    BadBody,
    BadCursor,
    IdempotencyMismatch,
    PreconditionFailed,
    TooManyRevocations,
)
from broker.store.base import Publication

_NO_CURSOR: Final = "none"
"""Wanted where the condition cannot be read: no message has it."""


def line_feed_refusal(publication: Publication) -> BadBody | None:
    """
    Refuse what cannot be announced: line feeds separate the messages of an announcement.

    Returns:
        Why the publication is refused, or None.
    """
    for _, body, event_id, event_type in publication.drafts:
        if b"\n" in body or "\n" in event_id or "\n" in event_type:
            return BadBody("a message, event id or event type must not hold a line feed")
    return None


def wanted_last(if_match: str) -> str:
    """Return the cursor or tag that the last message must have, in its one spelling; or empty."""
    if not if_match:
        return ""
    try:
        return str(Cursor.parse(if_match))
    except BadCursor:
        pass
    try:
        tag = parse_tag(if_match)
    except BadCursor:
        tag = None
    return _NO_CURSOR if tag is None else str(tag)


def precondition_failed() -> PreconditionFailed:
    """Return the refusal of an `if_match` that names another message than the last."""
    return PreconditionFailed(
        "the channel's last message is not the one that If-Match names", field="If-Match"
    )


def idempotency_mismatch() -> IdempotencyMismatch:
    """Return the refusal of an idempotency key that stands for another request."""
    return IdempotencyMismatch(
        "the idempotency key was used for another request", field="Idempotency-Key"
    )


def too_many_revocations(limit: int) -> TooManyRevocations:
    """Return the refusal of one revocation more than are kept of a tenant."""
    return TooManyRevocations(
        f"{limit} revocations of the tenant hold already (max_revocations); one with issued_before "
        "alone can stand for many",
        limit=limit,
        setting="max_revocations",
    )
