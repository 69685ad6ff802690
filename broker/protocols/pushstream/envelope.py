"""The envelope: a message as every subscriber of this dialect sees it."""

from __future__ import annotations

from functools import lru_cache

import orjson

from broker.core.cursor import http_date
from broker.core.encoder import Gap
from broker.core.message import Message
from broker.core.notices import as_shown

GAP_ID = -3
"""`id` of a gap notice; ids of messages count from 1."""


def envelope(message: Message) -> bytes:
    """
    Return the JSON object of a message: compact, without a line feed.

    Source: D18 to D22; push-stream reference, section 4.
    """
    if message.event_type:
        message = as_shown(message)
    time, tag = message.cursor
    return b'{"id":%d,"channel":%b,"message":%b,"tag":"%d","time":"%b"}' % (
        message.id,
        _quoted(message.channel),
        message.body,
        tag,
        _date(time),
    )


def gap_envelope(gap: Gap) -> bytes:
    """Return the JSON object that says what is missing."""
    return envelope(gap_message(gap))


def gap_message(gap: Gap) -> Message:
    """
    Return a message that says what is missing (P3).

    Its cursor is the subscriber's own, because a client may keep the cursor of whatever it reads
    (dashly-rts 2.3.13).
    """
    told = {"gap": gap.told()}
    return Message(GAP_ID, gap.channel, orjson.dumps(told), gap.after, gap.after)


@lru_cache(maxsize=65_536)
def _quoted(name: str) -> bytes:
    return orjson.dumps(name)


@lru_cache(maxsize=64)
def _date(time: int) -> bytes:
    return http_date(time).encode("ascii")
