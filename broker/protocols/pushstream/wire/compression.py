"""
Compression: gzip and deflate, such that bytes still are made once for everybody.

A stream's message is a run of whole deflate blocks that refers to nothing before it and ends on a
byte, so the same run fits into the stream of everyone, wherever each one began. zstd is left out:
Python has it from 3.14 on only, and no browser reads event streams with it that does not read gzip.

Source: RFC 1950 to 1952; RFC 9110, section 8.4.
"""

from __future__ import annotations

from collections.abc import Sequence
import zlib

MIN_BYTES = 256
"""Bodies from which on compression is worth its head."""

GZIP = "gzip"

CODINGS = (GZIP, "deflate")
"""What is spoken, best first."""

STREAM_START = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"
"""
What a compressed stream begins with: gzip, because deflate's end cannot be told from a fault.

Its checksum is never sent: it would be of what that one reader got, and the end of a stream is the
end of its connection.
"""

_LEVEL = 1
_WINDOW = {GZIP: 31, "deflate": 15}
_RAW = -15


def choose_coding(accepted: str, spoken: Sequence[str] = CODINGS) -> str:
    """
    Return the coding for a client; empty for none.

    Args:
        accepted: Its `Accept-Encoding`.
        spoken: Codings to choose from, best first.

    Source: RFC 9110, section 12.5.3.
    """
    weights: dict[str, bool] = {}
    for member in accepted.lower().split(","):
        name, _, parameter = member.partition(";")
        weights[name.strip()] = not _is_zero(parameter)
    for coding in spoken:
        if weights.get(coding, weights.get("*", False)):
            return coding
    return ""


def vary(others: str | None) -> str:
    """Return what an answer depends on that could have had another coding."""
    return f"{others}, Accept-Encoding" if others else "Accept-Encoding"


def compress(body: bytes, coding: str) -> bytes:
    """Return a whole body in a coding."""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW[coding])
    return packer.compress(body) + packer.flush()


def stream_piece(data: bytes) -> bytes:
    """Return a piece of a compressed stream that stands for itself; nothing gives nothing."""
    if not data:
        return b""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _RAW)
    return packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)


def _is_zero(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    if name.strip() != "q":
        return False
    try:
        return float(value) <= 0
    except ValueError:
        return True
