"""Settings of the write path: buffers, cohorts, slices, rest."""

from __future__ import annotations

from dataclasses import dataclass

from broker.settings.declare import setting
from broker.settings.kinds import Choice
from broker.settings.measures import Bytes, Milliseconds, Seconds, Whole


@dataclass(frozen=True, kw_only=True)
class Delivering:
    """The write path."""

    write_buffer_bytes: int = setting(
        Bytes(4096, 64 * 2**20),
        65_536,
        doc="Bytes written at once to a subscriber that catches up, and buffered for it at most "
        "on top of one message.",
        why="Enough to fill a line, little enough for thousands of slow readers.",
    )
    send_buffer_bytes: int = setting(
        Bytes(4096, 64 * 2**20),
        65_536,
        doc="Bytes that the kernel buffers for one subscriber (`SO_SNDBUF`).",
        why="40 stalled readers take 5 MB instead of 158, and the others are served sooner.",
    )
    slow_reader_s: float = setting(
        Seconds(0.1, 3600.0),
        10.0,
        doc="Time for which a subscriber may be behind on a channel with `slow_reader: close`; "
        "then its connection is closed, with its cursor.",
        why="A page in the background is back by then; who is not had better begin anew.",
    )
    cohort_size: int = setting(
        Whole(1, 65_536, "subscribers"),
        128,
        doc="Subscribers that share one position in their feed.",
        why="Bytes are joined once for so many, and a cohort is written in under a millisecond.",
    )
    slice_writes: int = setting(
        Whole(1, 65_536, "writes"),
        256,
        doc="Writes after which the process looks for new publishes and announcements; one to a "
        "subscriber that catches up counts as eight.",
        why="About a millisecond of work.",
    )
    io_uring: str = setting(
        Choice(("auto", "on", "off")),
        "auto",
        doc="Whether many subscribers are written to in one system call, by Linux's io_uring. "
        "`auto`: where the kernel lets this process; `on`: or do not start.",
        why="Saves a third of the CPU time of a delivery; containers often forbid it.",
    )
    max_rest_ms: float = setting(
        Milliseconds(0.0, 1000.0),
        5.0,
        doc="Longest pause between two rounds of writing under load, so that more is written "
        "at once.",
        why="Costs a median of 4 ms above 300 messages a second, and saves half the work.",
    )
