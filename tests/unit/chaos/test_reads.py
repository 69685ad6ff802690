"""Counting reads of histories among the commands of a node."""

from __future__ import annotations

import pytest

from broker.store.scripts import PUBLISH, READ
from tests.chaos.reads import ReadCounter
from tests.chaos.resp import words


def command(*parts: str) -> bytes:
    """Return a command as clients send it."""
    texts = [part.encode() for part in parts]
    return b"*%d\r\n" % len(texts) + b"".join(
        b"$%d\r\n%b\r\n" % (len(text), text) for text in texts
    )


def read(script: str, *cursors: str, run: str = "EVALSHA") -> bytes:
    """Return a reading command with a lookup for each cursor."""
    fixed = ("1", "2", "60", "1000", "4194304")
    keys = ["clock", *(f"{kind}:{cursor}" for cursor in cursors for kind in ("ring", "record"))]
    return command(run, script, str(len(keys)), *keys, *fixed, *cursors, "life")


@pytest.mark.parametrize("script", READ)
def test_every_channel_of_a_call_counts(script: object) -> None:
    """A call that reads two histories is two reads, by digest or in full."""
    counter = ReadCounter(behind=(5, 9))
    for text in (script.digest, script.text):  # type: ignore[attr-defined]
        counter.command(words(read(text, "5-9", "4-12")))
    assert (4, 2) == (counter.reads, counter.calls)


def test_a_look_at_the_end_is_no_read() -> None:
    """Lookups behind the cursor, and other scripts and commands, do not count."""
    counter = ReadCounter(behind=(5, 9))
    counter.command(words(read(READ.whole.digest, "5-10", "6-1")))
    counter.command(words(read(PUBLISH.whole.digest, "5-9")))
    counter.command(words(command("PING")))
    assert (0, 0) == (counter.reads, counter.calls)
