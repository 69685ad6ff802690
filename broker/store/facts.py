"""What a server says of itself when a connection is made."""

from __future__ import annotations

from typing import Final, NamedTuple

from broker.core.errors import StoreUnavailable
from broker.store.topology import ServerAway

_OLDEST: Final = (6, 2)
"""The first version with EXAT, MINID and everything else that the scripts use."""
_OLDEST_SHARDED: Final = (7, 0)
"""The first version with announcements that stay within a shard."""


class Facts(NamedTuple):
    """
    The facts that matter to a store.

    Attributes:
        version: Version of Redis that it is compatible with.
        is_master: Whether it takes writes; a replica's answers may be old.
        is_sharded: Whether it is part of a cluster.
        life: Name of this run of its process; no other run, here or elsewhere, has it.
        evicts: Its policy, where it throws keys away when memory is full; else empty.
        replicas: Replicas that are connected to it.
    """

    version: str
    is_master: bool
    is_sharded: bool
    life: bytes
    evicts: str
    replicas: int

    @classmethod
    def read(cls, text: bytes) -> Facts:
        """Read the answer of INFO."""
        lines = text.decode(errors="replace").splitlines()
        facts = dict(line.split(":", 1) for line in lines if ":" in line)
        policy = facts.get("maxmemory_policy", "noeviction")
        is_bounded = facts.get("maxmemory", "0") != "0"
        return cls(
            facts.get("redis_version", "0"),
            facts.get("role", "master") == "master",
            facts.get("cluster_enabled", "0") == "1",
            facts.get("run_id", "").encode(),
            policy if is_bounded and policy != "noeviction" else "",
            int(facts.get("connected_slaves", "0")),
        )

    def check(self, name: str, is_sharded: bool) -> None:
        """
        Make sure that the server can be used.

        Args:
            name: Its address, for errors.
            is_sharded: Whether it ought to be part of a cluster.

        Raises:
            StoreUnavailable: it is too old, or part of a cluster though it ought not to be.
            ServerAway: it is a replica.
        """
        oldest = _OLDEST_SHARDED if is_sharded else _OLDEST
        if tuple(map(int, self.version.split(".")[:2])) < oldest:
            needed = ".".join(map(str, oldest))
            raise StoreUnavailable(
                f"the store at {name} is Redis {self.version}; {needed} or newer is needed"
            )
        if self.is_sharded and not is_sharded:
            raise StoreUnavailable(
                f"the store at {name} is part of a cluster; its URL must be redis+cluster://…"
            )
        if not self.is_master:
            raise ServerAway(f"{name} is a replica")
