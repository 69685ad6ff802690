"""Choosing the topology of a store by its URL."""

from __future__ import annotations

from broker.store.address import Address
from broker.store.cluster import Cluster
from broker.store.seeds import CLUSTER_SCHEMES, SENTINEL_SCHEMES, ClusterSeeds, SentinelSeeds
from broker.store.sentinel import Sentinels
from broker.store.topology import Fixed, Topology


def topology_of(url: str, timeout_s: float) -> Topology:
    """
    Return where the servers of a URL are; it is not open yet.

    Args:
        url: `redis://`, `rediss://` or `unix://`, or one of several servers: see `seeds`.
        timeout_s: Deadline of calls to the store.

    Raises:
        ValueError: the URL cannot be used; the text has no credentials.
    """
    if url.startswith(SENTINEL_SCHEMES):
        return Sentinels(SentinelSeeds.read(url), timeout_s)
    if url.startswith(CLUSTER_SCHEMES):
        return Cluster(ClusterSeeds.read(url), timeout_s)
    return Fixed(Address(url))
