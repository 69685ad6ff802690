"""Every kind of mount there is."""

from __future__ import annotations

from broker.catalog.mounts.kind import MountKind
from broker.catalog.mounts.publishing import PUBLISHING
from broker.catalog.mounts.subscribing import SUBSCRIBING
from broker.core.mounts import Mount

KINDS: tuple[MountKind, ...] = (SUBSCRIBING, PUBLISHING)
"""The kinds; their modes have different names."""


def standard_mounts() -> tuple[Mount, ...]:
    """Return what is served where nothing else is said."""
    return tuple(mount for kind in KINDS for mount in kind.standard)
