"""Where and when something was measured, and what else the machine did meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime
import os

from benchmarks.machine import describe
from tests.chaos.topology import choose_binary


def at_the_beginning() -> dict[str, str]:
    """Return what a report says of the machine; to be asked before the measurement."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return {
        "began": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "store": choose_binary().name,
        **describe(),
        "load average before, over 1, 5 and 15 minutes": f"{load}; more than 0 is work of others",
    }
