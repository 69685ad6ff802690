"""
Joining history to live, and channel to channel: pure functions, so that they can be tested whole.

A subscriber's stream is the union of its channels in cursor order. Every piece it is sent comes
out of here, so this file is where "once, in order, nothing missing" (P1, P2) is decided.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from operator import itemgetter
from typing import Generic, NamedTuple, TypeVar

from broker.core.cursor import Cursor
from broker.core.message import Message
from broker.core.ring import History

T = TypeVar("T")


class Joined(NamedTuple):
    """
    History and what was announced meanwhile, as one run.

    Attributes:
        messages: Every message after the history's start, once, in order, up to the hole.
        hole: Cursor after which announcements are missing; None when there is no hole.
    """

    messages: list[Message]
    hole: Cursor | None


class Span(NamedTuple, Generic[T]):
    """
    A stretch of a stream: what to send, and where each item stands.

    Attributes:
        cursors: Cursor of each item, ascending.
        items: Messages, or their encoded form; as many as cursors.
        complete: Whether nothing after the last item is known to exist.
    """

    cursors: Sequence[Cursor]
    items: Sequence[T]
    complete: bool = True


def join(history: History, live: Sequence[Message]) -> Joined:
    """
    Join what the store kept to what was announced while it was read.

    Args:
        history: The store's answer; complete, that is up to the channel's head at the read.
        live: Announcements of the channel since listening began, in order; some may already be
            part of the history.

    Returns:
        One run without repeats. `hole` is set where an announcement's predecessor is neither in
        the history nor announced; the messages behind it are left out.
    """
    messages = list(history.messages)
    head = history.head
    for message in live:
        if message.cursor <= head:
            continue
        if message.prev > head:
            return Joined(messages, head)
        messages.append(message)
        head = message.cursor
    return Joined(messages, None)


def merge(spans: Sequence[Span[T]]) -> Span[T]:
    """
    Merge the spans of several channels in cursor order.

    A span that was cut short says nothing about what follows its last item, so nothing later than
    the earliest such end is taken: the result never jumps over a message (P2).
    """
    filled = [span for span in spans if span.cursors]
    if len(filled) == 1 and all(span.complete or span.cursors for span in spans):
        return filled[0]
    cut = [span.cursors[-1] if span.cursors else None for span in spans if not span.complete]
    if None in cut:
        return Span((), (), complete=False)
    pairs = [pair for span in filled for pair in zip(span.cursors, span.items, strict=True)]
    pairs.sort(key=itemgetter(0))
    if cut:
        bound = min(end for end in cut if end is not None)
        del pairs[bisect_right(pairs, bound, key=itemgetter(0)) :]
    return Span([pair[0] for pair in pairs], [pair[1] for pair in pairs], complete=not cut)


def clip(span: Span[bytes], limit_bytes: int) -> Span[bytes]:
    """Return the longest beginning of the span within the limit, but at least one item."""
    ends = list(accumulate(map(len, span.items)))
    if not ends or ends[-1] <= limit_bytes:
        return span
    count = max(1, bisect_right(ends, limit_bytes))
    if count == len(ends):
        return span  # one item, larger than the limit
    return Span(span.cursors[:count], span.items[:count], complete=False)
