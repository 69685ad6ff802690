"""The list `mounts` of `channels.yaml`: what is served under which path."""

from __future__ import annotations

from broker.catalog.mounts.kinds import standard_mounts
from broker.catalog.mounts.reading import read_mounts

__all__ = ["read_mounts", "standard_mounts"]
