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
        How many public connections a process may have: its part of `max_connections`, or what is
        left of the files that it may have open, at least half of them.
    """
    share = -(-settings.max_connections // settings.workers)
    beside = settings.max_internal_connections + 2 * MOST_TURNED_AWAY + OWN_DESCRIPTORS
    wanted = share + beside
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return share
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    connections = min(share, max(allowed // 2, allowed - beside))
    if connections < share:
        _log.warning(
            "only %d files may be open, so a process takes %d connections, not %d; raise the limit "
            "to %d (ulimit -n, LimitNOFILE=), or lower max_connections",
            allowed,
            connections,
            share,
            wanted,
        )
    return connections
