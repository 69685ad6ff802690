"""The encoder: how one wire dialect writes messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from broker.core.cursor import START, Cursor
from broker.core.message import Message

INTERNAL = "internal"
"""`Encoder.transport` of operators who look at a channel: they are nobody's subscribers."""


class Gap(NamedTuple):
    """
    Messages that a subscriber does not get: they are no longer kept (P3), or were left out.

    Attributes:
        channel: Where they are missing.
        after: The subscriber's cursor; the last message it is known to have.
        first: First cursor from which on nothing is missing.
        last: Cursor of the last message that is missing; no dialect tells it.
        skipped: How many were left out, because the channel is conflated for slow readers; 0
            where messages are no longer kept, of which nobody knows how many there were.
    """

    channel: str
    after: Cursor
    first: Cursor
    last: Cursor = START
    skipped: int = 0

    def told(self) -> dict[str, object]:
        """Return what a notice says of it, beside the channel."""
        told: dict[str, object] = {"after": str(self.after), "first": str(self.first)}
        return told | {"skipped": self.skipped} if self.skipped else told


class Encoder(Protocol):
    """
    One dialect on one kind of transport. Shared by all its sessions and compared by identity.

    Attributes:
        once: Whether one write answers a session (polls), instead of one in a row.
        transport: What it writes to, as metrics name it.
    """

    once: bool
    transport: str

    def message(self, message: Message) -> bytes:
        """Encode one message; called once per message, whatever the number of sessions."""

    def join(self, frames: Sequence[bytes], cursor: Cursor, gap: Cursor | None) -> bytes:
        """
        Make the bytes of one write; called once for all sessions that stand at one position.

        Args:
            frames: What `message` and `gap` made, in order.
            cursor: Where the session stands once it has these bytes.
            gap: `Gap.first` of what is missing before the frames, or None.
        """

    def gap(self, gap: Gap) -> bytes:
        """Encode a gap notice; empty where the dialect says it in `join`."""

    def heartbeat(self, cursor: Cursor) -> bytes:
        """
        Return what keeps a silent connection open and clients drop; empty where none need be.

        Args:
            cursor: That of every reader who is sent it.
        """
