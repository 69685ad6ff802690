"""What the benchmark asks of a server under measurement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from benchmarks.workloads import Transport, Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """
    How a running server is spoken to, in the terms of the load generator.

    Attributes:
        pids: Processes whose CPU time and memory count, children included.
        subscribe: `HOST:PORT/PATH` with `{channels}`, `{channel}` and `{n}`.
        publish: `HOST:PORT/PATH` with `{channel}`; None: this workload publishes nothing.
        storm: As `subscribe`, for subscribers that want the whole history, with `{date}`.
        channel: Template of a channel's name, with `{n}`.
        separator: Between the names in `{channels}`.
        body: One message, with `{payload}` and `{channel}`.
        subscribe_headers: Further header lines of a subscriber.
        publish_headers: Further header lines of a publisher.
        extra: Further arguments of the load generator.
    """

    pids: Sequence[int]
    subscribe: str
    publish: str
    storm: str | None = None
    channel: str = "bench.{n}"
    separator: str = "/"
    body: str = '"{payload}"'
    subscribe_headers: Sequence[str] = ()
    publish_headers: Sequence[str] = ()
    extra: Sequence[str] = field(default_factory=tuple)


class Running(Protocol):
    """A server that has been started for one measurement."""

    @property
    def interface(self) -> Interface:
        """How it is spoken to."""

    def stop(self) -> None:
        """End it and its children."""


class Peer(Protocol):
    """A make of server."""

    name: str

    def missing(self) -> str | None:
        """Return what is missing on this machine; None when it can be started."""

    def version(self) -> str:
        """Return name and version for the report."""

    def supports(self, workload: Workload) -> bool:
        """Whether it can do this kind of work."""

    def start(self, workload: Workload, directory: Path) -> Running:
        """
        Start it with nothing in it.

        Args:
            workload: What will be asked of it.
            directory: Empty; for its files.

        Raises:
            NotServing: It did not come up.
        """


SSE_HEADERS = {Transport.SSE: ("Accept: text/event-stream",)}
"""Header lines that a transport needs of every subscriber."""
