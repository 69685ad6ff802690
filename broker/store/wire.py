"""The words of a Redis command and of its answer."""

from __future__ import annotations

from typing import Any, cast

from hiredis import pack_command

Word = bytes | str | int
"""What a command is made of."""

Reply = Any
"""What a command answers: numbers, byte strings, None, and lists of these."""


def pack(words: tuple[Word, ...]) -> bytes:
    """Return a command as it is sent."""
    return cast("bytes", pack_command(words))  # type: ignore[arg-type]  # typed as of one word
