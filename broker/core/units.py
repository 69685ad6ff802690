"""Durations and sizes as people write them: `90s`, `1h`, `64k`."""

from __future__ import annotations

import re

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_BYTES = {"": 1, "k": 1024, "m": 1024 * 1024}
_DURATION = re.compile(r"(\d{1,9})([smhd])", re.ASCII)
_SIZE = re.compile(r"(\d{1,9})([km]?)", re.ASCII)


def parse_duration(text: str) -> int:
    """
    Read a duration: a whole number and `s`, `m`, `h` or `d`.

    Returns:
        Seconds.

    Raises:
        ValueError: It has another form.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError("a duration is a whole number and a unit (s, m, h, d), for example 30m")
    return int(match[1]) * _SECONDS[match[2]]


def parse_size(text: str) -> int:
    """
    Read a size: a whole number of bytes, or of KiB with `k`, or of MiB with `m`.

    Returns:
        Bytes.

    Raises:
        ValueError: It has another form.
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError("a size is a whole number of bytes, or one with k or m, for example 64k")
    return int(match[1]) * _BYTES[match[2]]


def format_duration(seconds: int) -> str:
    """Return seconds in the greatest unit that divides them."""
    unit = next(unit for unit in reversed(_SECONDS) if seconds % _SECONDS[unit] == 0)
    return f"{seconds // _SECONDS[unit]}{unit}"


def format_size(size: int) -> str:
    """Return bytes in the greatest unit that divides them."""
    unit = next(unit for unit in reversed(_BYTES) if size % _BYTES[unit] == 0)
    return f"{size // _BYTES[unit]}{unit}"
