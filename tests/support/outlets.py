"""Outlets that record what they are sent, and a dialect that is easy to read back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from broker.core.cursor import Cursor
from broker.core.encoder import Gap
from broker.core.errors import BrokerError
from broker.core.message import Message
from broker.core.session import Session


class LineEncoder:
    """
    One line per message, and one per write that says where it ends.

    Args:
        once: Whether one write answers a session.

    Attributes:
        encoded: Messages encoded so far.
    """

    transport = "lines"

    def __init__(self, *, once: bool = False) -> None:
        self.once = once
        self.encoded = 0

    def message(self, message: Message) -> bytes:
        """Return `channel id cursor body`."""
        self.encoded += 1
        head = f"{message.channel} {message.id} {message.cursor} "
        return head.encode() + message.body + b"\n"

    def join(self, frames: Sequence[bytes], cursor: Cursor, gap: Cursor | None) -> bytes:
        """Return the lines and `@ cursor`, in a poll with `? cursor` for a gap."""
        missing = [f"? {gap}\n".encode()] if self.once and gap is not None else []
        return b"".join([*missing, *frames, f"@ {cursor}\n".encode()])

    def gap(self, gap: Gap) -> bytes:
        """Return `! channel after first skipped`."""
        return f"! {gap.channel} {gap.after} {gap.first} {gap.skipped}\n".encode()

    def heartbeat(self, cursor: Cursor) -> bytes:
        """Return a dot on a line of its own; in a poll nothing."""
        return b"" if self.once else b".\n"


@dataclass(frozen=True)
class Frame:
    """A message as a client reads it."""

    channel: str
    id: int
    cursor: Cursor
    body: str


@dataclass(frozen=True)
class End:
    """Where a write ended."""

    cursor: Cursor


def read_lines(data: bytes) -> list[Frame | Gap | End]:
    """Return what a stream of `LineEncoder` says; a line that is cut off is left out."""
    events: list[Frame | Gap | End] = []
    for line in data.decode().split("\n")[:-1]:
        words = line.split(" ")
        if words[0] == ".":
            continue
        if words[0] == "@":
            events.append(End(Cursor.parse(words[1])))
        elif words[0] == "!":
            after, first = map(Cursor.parse, words[2:4])
            events.append(Gap(words[1], after, first, skipped=int(words[4])))
        elif words[0] == "?":
            events.append(Gap("", Cursor(0, 0), Cursor.parse(words[1])))
        else:
            events.append(Frame(words[0], int(words[1]), Cursor.parse(words[2]), words[3]))
    return events


@dataclass(eq=False)
class RecordingOutlet:
    """
    An outlet whose client takes everything, until it is blocked.

    Attributes:
        fd: As in `Outlet`.
        room: Bytes that the client still takes; None for any number.
        taken: What the client has read.
        buffered: What waits for the client.
        answers: Cursors of answers, for polls.
        ends: Goodbyes: error and cursor.
    """

    fd: int = -1
    room: int | None = None
    taken: bytearray = field(default_factory=bytearray)
    buffered: bytearray = field(default_factory=bytearray)
    answers: list[Cursor] = field(default_factory=list)
    ends: list[tuple[BrokerError | None, Cursor]] = field(default_factory=list)
    session: Session | None = None
    ending: bool = False
    writes: int = 0

    def bind(self, session: Session) -> None:
        self.session = session
        if self.buffered:
            session.stalled()

    def write(self, data: bytes) -> bool:
        self.writes += 1
        if self.ending:
            return False
        if not self.buffered:
            count = len(data) if self.room is None else min(self.room, len(data))
            self._take(data[:count])
            data = data[count:]
        if data:
            self.spill(data)
        return not self.buffered

    def spill(self, rest: bytes | memoryview) -> None:
        was_empty = not self.buffered
        self.buffered += rest
        if was_empty and self.session is not None:
            self.session.stalled()

    def answered(self, cursor: Cursor) -> None:
        self.answers.append(cursor)

    def end(self, error: BrokerError | None, cursor: Cursor, retry_after_s: float | None) -> None:
        self.ending = True
        self.ends.append((error, cursor))

    # --- what the client does ------------------------------------------------------------

    @property
    def events(self) -> list[Frame | Gap | End]:
        """What the client has read."""
        return read_lines(bytes(self.taken))

    @property
    def frames(self) -> list[Frame]:
        """The messages that the client has read."""
        return [event for event in self.events if isinstance(event, Frame)]

    @property
    def ids(self) -> list[tuple[str, int]]:
        """Channel and id of the messages that the client has read."""
        return [(frame.channel, frame.id) for frame in self.frames]

    @property
    def gaps(self) -> list[Gap]:
        """The gaps that the client was told."""
        return [event for event in self.events if isinstance(event, Gap)]

    @property
    def cursor(self) -> Cursor | None:
        """Where the last write that the client has read ended."""
        ends = [event.cursor for event in self.events if isinstance(event, End)]
        return ends[-1] if ends else None

    def block(self, room: int = 0) -> None:
        """Take only so many bytes from now on."""
        self.room = room

    def drain(self, room: int | None = None) -> None:
        """Take what waits, and so many bytes from now on."""
        had = bool(self.buffered)
        self.room = room
        self._take(bytes(self.buffered))
        self.buffered.clear()
        if had and self.session is not None and not self.ending:
            self.session.drained()

    def hang_up(self) -> None:
        """Be gone."""
        self.ending = True
        if self.session is not None:
            self.session.lost()

    def _take(self, data: bytes) -> None:
        self.taken += data
        if self.room is not None:
            self.room -= len(data)
