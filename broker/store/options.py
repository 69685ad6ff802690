"""What can be set of a store, whichever it is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreOptions:
    """
    Deadline, expiries and bounds.

    Attributes:
        timeout_s: Seconds in which every call ends.
        channel_ttl_s: Seconds for which the last id and cursor of a channel without messages are
            remembered; the same on every node of a store.
        idempotency_ttl_s: Seconds for which an idempotency key is remembered.
        max_connections: Connections for commands at most, per process and server.
        replicas: Replicas that must have a message, or revocation, before it counts as stored.
        max_revocations: Revocations of one tenant that may hold at a time.
    """

    timeout_s: float = 5.0
    channel_ttl_s: int = 30 * 86_400
    idempotency_ttl_s: int = 86_400
    max_connections: int = 16
    replicas: int = 0
    max_revocations: int = 100_000
