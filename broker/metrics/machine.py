"""What the kernel tells of this process."""

from __future__ import annotations

from pathlib import Path
import resource
import sys
import time

from broker.metrics.meters import Processes

LOOK_S = 15.0
"""How long a count of open files is good for, where the kernel does not keep one."""

_STATM = Path("/proc/self/statm")
_FDS = Path("/proc/self/fd")


class Machine:
    """
    Memory, CPU time and open files of this process.

    Args:
        processes: Where they are told.
    """

    def __init__(self, processes: Processes) -> None:
        self._descriptors = 0
        self._counted_at = -LOOK_S
        began = time.time()
        processes.started.follow(lambda: began)
        processes.cpu.follow(time.process_time)
        processes.resident.follow(resident_bytes)
        processes.descriptors.follow(self.descriptors)
        processes.most_descriptors.follow(_most_descriptors)

    def descriptors(self) -> int:
        """Return how many files and sockets this process has open; 0 where nobody tells."""
        try:
            known = _FDS.stat().st_size  # Linux from 6.2 on
        except OSError:
            return 0
        now = time.monotonic()
        if not known and now - self._counted_at >= LOOK_S:
            self._descriptors = sum(1 for _ in _FDS.iterdir())
            self._counted_at = now
        return known or self._descriptors


def resident_bytes() -> int:
    """Return the resident memory of this process; where nobody tells, the most it ever was."""
    try:
        pages = int(_STATM.read_text(encoding="ascii").split()[1])
    except OSError:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024
    return pages * resource.getpagesize()


def _most_descriptors() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
