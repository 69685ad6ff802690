"""Shares: how many subscriptions one subject, or one client behind a proxy, may have open."""

from __future__ import annotations

from typing import NamedTuple

from broker.attendance import Attendance
from broker.core.errors import TooMany
from broker.core.grants import Grants


class ShareLimits(NamedTuple):
    """
    Bounds of one node; 0 for any number.

    Attributes:
        subject: Subscriptions of one subject at most (`max_subject_connections`).
        client: Subscriptions of one client behind a proxy at most (`max_address_connections`).
    """

    subject: int = 0
    client: int = 0


class Shares:
    """
    Refuses those who have their share already.

    Args:
        attendance: The sessions that there are.
        limits: Bounds.
    """

    def __init__(self, attendance: Attendance, limits: ShareLimits) -> None:
        self._attendance = attendance
        self._limits = limits

    def check(self, grants: Grants | None, client: str) -> None:
        """
        Refuse one subscription more than a share.

        Args:
            grants: What the token allows; without a token or a subject, nobody's share is used.
            client: Who is behind a proxy, or empty.

        Raises:
            TooMany: the subject or the client has its share already.
        """
        most, attendance = self._limits, self._attendance
        subject = grants if grants is not None and grants.subject else None
        if most.subject and subject and attendance.count_subject(subject) >= most.subject:
            raise TooMany(
                f"this token's subject has {most.subject} subscriptions open already "
                "(max_subject_connections)",
                field="sub",
                limit=most.subject,
                setting="max_subject_connections",
            )
        if most.client and client and attendance.count_client(client) >= most.client:
            raise TooMany(
                f"this address has {most.client} subscriptions open already "
                "(max_address_connections)",
                limit=most.client,
                setting="max_address_connections",
            )
