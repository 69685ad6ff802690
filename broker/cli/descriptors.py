"""Open files: as many as the connections need, or as many connections as they allow."""

from __future__ import annotations

import logging
import resource

from broker.settings import Settings
from broker.transports.gate import MOST_TURNED_AWAY

OWN_DESCRIPTORS = 256
"""Files that a process has open beside connections of clients."""

_log = logging.getLogger(__name__)


def allow_connections(settings: Settings) -> int:
    """
    Raise the limit of open files to what the connections need, as far as that is allowed.

    Returns:
        How many public connections a process may have: `max_connections`, or what is left of the
        files that it may have open, at least half of them.
    """
    beside = settings.max_internal_connections + 2 * MOST_TURNED_AWAY + OWN_DESCRIPTORS
    wanted = settings.max_connections + beside
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return settings.max_connections
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    connections = min(settings.max_connections, max(allowed // 2, allowed - beside))
    if connections < settings.max_connections:
        _log.warning(
            "only %d files may be open, so a process takes %d connections, not %d; raise the limit "
            "(ulimit -n)",
            allowed,
            connections,
            settings.max_connections,
        )
    return connections
