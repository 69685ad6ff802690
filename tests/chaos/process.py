"""What the kernel tells of a process."""

from __future__ import annotations

from pathlib import Path
import asyncio

SAMPLE_S = 0.5
_KIB = 1024


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * _KIB
    return 0


def descriptors(pid: int) -> int:
    """Return how many descriptors a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def peak_bytes(pid: int) -> int:
    """Look at the memory of a process until cancelled; return the most that it took."""
    peak = 0
    try:
        while True:
            peak = max(peak, resident_bytes(pid))
            await asyncio.sleep(SAMPLE_S)
    except asyncio.CancelledError:
        return peak
