"""The machine on which a measurement was made, described."""

from __future__ import annotations

from pathlib import Path
import os
import platform


def describe() -> dict[str, str]:
    """Return what matters about this machine, by name."""
    return {
        "processor": f"{len(os.sched_getaffinity(0))} x {_processor()}",
        "memory": _memory(),
        "system": f"{_system()}, Linux {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "clock source": _read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
    }


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return "unknown"


def _field(text: str, name: str) -> str:
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "unknown"


def _processor() -> str:
    return _field(_read("/proc/cpuinfo"), "model name")


def _memory() -> str:
    kib = _field(_read("/proc/meminfo"), "MemTotal").removesuffix(" kB")
    return f"{int(kib) / 2**20:.1f} GiB" if kib.isdigit() else kib


def _system() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    except OSError:
        return "Linux"
