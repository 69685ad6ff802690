"""Messages and cursors, made by hand."""

from __future__ import annotations

from broker.core.cursor import Cursor
from broker.core.message import Message


def at(tag: int, time: int = 1000) -> Cursor:
    """Return a cursor; those of one second differ in their tags."""
    return Cursor(time, tag)


def message(channel: str, tag: int, prev: int = 0, *, id: int = 1, time: int = 1000) -> Message:  # noqa: A002 - its name
    """Return a message of a channel; its body is its tag."""
    return Message(id, channel, b"%d" % tag, at(tag, time), at(prev, time))


def chain(channel: str, *tags: int, after: int = 0) -> list[Message]:
    """Return messages that follow one another."""
    prevs = (after, *tags[:-1])
    pairs = enumerate(zip(tags, prevs, strict=True), 1)
    return [message(channel, tag, prev, id=number) for number, (tag, prev) in pairs]
