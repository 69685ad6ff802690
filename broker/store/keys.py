"""The names of keys and announcement channels in Redis."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

_PREFIX = "broker"

REVOKED_TAG = "@revoked"
"""Hash tag of all revocations; no tenant's name begins with `@`."""


class RevocationKeys(NamedTuple):
    """
    Every name that the store uses for revocations.

    Those of all tenants carry one hash tag, so that a node finds them, and hears of them, in one
    place.

    Attributes:
        database: Number of the Redis database.
    """

    database: int = 0

    @property
    def tenants(self) -> str:
        """The tenants that have any, each with the end of its last one."""
        return f"{_PREFIX}:{{{REVOKED_TAG}}}:tenants"

    def of(self, tenant: str) -> str:
        """Return the revocations of a tenant, each with its end."""
        return f"{_PREFIX}:{{{REVOKED_TAG}}}:of:{tenant}"

    @property
    def life(self) -> str:
        """What changes whenever some may have been lost."""
        return f"{_PREFIX}:{{{REVOKED_TAG}}}:life"

    @property
    def announcements(self) -> str:
        """The announcement channel of all revocations."""
        return f"{_PREFIX}:{{{REVOKED_TAG}}}:new@{self.database}"


class Keys(NamedTuple):
    """
    Every name that the store uses for one tenant.

    All keys carry the hash tag `{tenant}`, so that a tenant is one slot of a cluster.
    Announcements are not confined to a database of Redis, keys are: their names carry its number.

    Attributes:
        tenant: Name of the tenant.
        database: Number of the Redis database.
    """

    tenant: str
    database: int = 0

    @property
    def clock(self) -> str:
        """The tenant's clock."""
        return f"{_PREFIX}:{{{self.tenant}}}:clock"

    @property
    def records(self) -> str:
        """What the keys of all channel records begin with."""
        return f"{_PREFIX}:{{{self.tenant}}}:channel:"

    @property
    def rings(self) -> str:
        """What the keys of all rings begin with."""
        return f"{_PREFIX}:{{{self.tenant}}}:ring:"

    @property
    def once(self) -> str:
        """What the keys of all idempotency keys begin with."""
        return f"{_PREFIX}:{{{self.tenant}}}:once:"

    @property
    def receipts(self) -> str:
        """What the keys of all receipts begin with."""
        return f"{_PREFIX}:{{{self.tenant}}}:receipt:"

    @property
    def announcements(self) -> str:
        """What the names of all announcement channels begin with."""
        return f"{_PREFIX}:{{{self.tenant}}}:new@{self.database}:"

    def of_channels(self, channels: Iterable[str]) -> list[str]:
        """Return the clock, then ring and record of each channel, as the scripts take them."""
        rings, records = self.rings, self.records
        keys = [self.clock]
        for channel in channels:
            keys += (rings + channel, records + channel)
        return keys

    def ticks(self, node: str) -> str:
        """Return the name of the channel that carries the ticks of one node."""
        return f"{_PREFIX}:{{{self.tenant}}}:tick@{self.database}:{node}"
