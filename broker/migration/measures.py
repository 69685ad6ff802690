"""Times, sizes and numbers as nginx writes them."""

from __future__ import annotations

import math
import re

_UNITS = {
    "ms": 0.001,
    "s": 1,
    "m": 60,
    "h": 3600,
    "d": 86_400,
    "w": 604_800,
    "M": 2_592_000,
    "y": 31_536_000,
}
_PART = re.compile(r"(\d{1,12})(ms|[smhdwMy]?)\s*", re.ASCII)
_SIZE = re.compile(r"(\d{1,12})([kKmMgG]?)", re.ASCII)
_BYTES = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


class BadMeasure(ValueError):
    """A value is none of the kind that is expected; the text says so."""


def read_time_s(text: str) -> int:
    """
    Read a time: `90`, `30s`, `1h30m`.

    Returns:
        Whole seconds, rounded up.

    Raises:
        BadMeasure: It is none.
    """
    parts = list(_PART.finditer(text))
    if not parts or "".join(part[0] for part in parts) != text:
        raise BadMeasure(f"{text!r} is no time")
    return math.ceil(sum(int(part[1]) * _UNITS[part[2] or "s"] for part in parts))


def read_size_bytes(text: str) -> int:
    """
    Read a size: `4096`, `32k`, `1m`.

    Returns:
        Bytes.

    Raises:
        BadMeasure: It is none.
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        raise BadMeasure(f"{text!r} is no size")
    return int(match[1]) * _BYTES[match[2].lower()]


def read_number(text: str) -> int:
    """
    Read a whole number.

    Raises:
        BadMeasure: It is none.
    """
    if not (text.isascii() and text.isdigit()):
        raise BadMeasure(f"{text!r} is no whole number")
    return int(text)
