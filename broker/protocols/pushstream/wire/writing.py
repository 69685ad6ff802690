"""Writing: what bytes a mount makes of messages, beside the framing of its mode."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import orjson

from broker.core.cursor import Cursor
from broker.core.message import Message
from broker.core.mounts import SubscriberMount, Texts
from broker.core.notices import PING_ID, TIMEOUT_ID
from broker.core.templates import Template
from broker.protocols.pushstream.envelope import envelope
from broker.protocols.pushstream.wire.rendering import Render, renderer

_CHARSET = "; charset=utf-8"


class Writing(NamedTuple):
    """
    How messages are written; mounts that write alike share bytes.

    Attributes:
        template: What is written for a message; the envelope where there is none.
        header: What comes first.
        footer: What comes last.
        separator: What follows every message of a poll or stream.
        content_type: Of polls and streams.
        texts: What the broker itself says.
        jsonp: Whether polls may be asked for as a script.
        parts: Whether several messages of a poll are parts of their own.
        timeout_body: Whether a hold that is over is answered with a message.
    """

    template: Template | None = None
    header: bytes = b""
    footer: bytes = b""
    separator: bytes = b"\n"
    content_type: str = "text/plain; charset=utf-8"
    texts: Texts = Texts()
    jsonp: bool = False
    parts: bool = False
    timeout_body: bool = False

    @classmethod
    def of(cls, mount: SubscriberMount) -> Writing:
        """Return how a mount writes."""
        kind = mount.content_type
        return cls(
            template=mount.template,
            header=mount.header.encode(),
            footer=mount.footer.encode(),
            separator=mount.separator.encode(),
            content_type=kind + _CHARSET if kind.startswith("text/") else kind,
            texts=mount.texts,
            jsonp=mount.jsonp,
            parts=mount.nchan,
            timeout_body=mount.timeout_body,
        )

    @property
    def render(self) -> Render:
        """What makes the bytes of a message."""
        return _render(self.template)

    def ping(self, cursor: Cursor) -> bytes:
        """Return a sign of life that looks like a message; its cursor is the reader's own."""
        return self.render(_notice(PING_ID, self.texts.ping, cursor))

    def timeout(self, cursor: Cursor) -> bytes:
        """Return what says that a hold is over; its cursor is the reader's own."""
        return self.render(_notice(TIMEOUT_ID, self.texts.timeout, cursor))


STANDARD = Writing()
"""Envelopes, a line each."""


@lru_cache(maxsize=256)
def _render(template: Template | None) -> Render:
    return envelope if template is None else renderer(template)


def _notice(number: int, text: str, cursor: Cursor) -> Message:
    return Message(number, "", orjson.dumps(text), cursor, cursor)
