"""The framing of the Redis protocol: where one reply ends and the next begins."""

from __future__ import annotations

_LINE_END = b"\r\n"
_BULKS = b"$=!"
_AGGREGATES = b"*~>"
_MAPS = b"%|"


def reply_end(data: bytes | bytearray, at: int = 0) -> int | None:
    """
    Return where the reply that begins at a place ends, or None while it is not whole.

    Args:
        data: What a server sent.
        at: Where a reply begins.

    Source: Redis serialization protocol specification, versions 2 and 3.
    """
    pending = 1
    while pending:
        line_end = data.find(_LINE_END, at)
        if line_end < 0:
            return None
        kind, place = data[at], line_end + 2
        if kind in _BULKS:
            size = int(data[at + 1 : line_end])
            place += size + 2 if size >= 0 else 0
            if place > len(data):
                return None
        elif kind in _AGGREGATES or kind in _MAPS:
            size = max(0, int(data[at + 1 : line_end]))
            pending += size * (2 if kind in _MAPS else 1)
        pending -= 1
        at = place
    return at


def words(command: bytes) -> list[bytes]:
    """Return the words of a whole command, as clients send it."""
    line_end = command.index(_LINE_END)
    at, found = line_end + 2, []
    for _ in range(int(command[1:line_end])):
        line_end = command.index(_LINE_END, at)
        start = line_end + 2
        stop = start + int(command[at + 1 : line_end])
        found.append(command[start:stop])
        at = stop + 2
    return found


def announcement_name(reply: bytes) -> bytes | None:
    """Return the channel of a published message, or None for any other reply."""
    parts = reply.split(_LINE_END, 5)
    is_message = len(parts) > 4 and parts[0] == b"*3" and parts[2] in (b"message", b"smessage")
    return parts[4] if is_message else None
