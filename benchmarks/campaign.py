"""Runs workloads on peers in alternation, and keeps every result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.figures import OTHERS_SHARE, disturbance, faults
from benchmarks.peers.base import Interface, Peer, Running
from benchmarks.processes import NotServing, generator_cpu
from benchmarks.program import Failed, LoadProgram
from benchmarks.workloads import Publishing, Transport, Workload

RUN_LIMIT_S = 120.0
"""Longest time of one measurement."""

ATTEMPTS = 3
"""Measurements made at most until one was undisturbed and sound."""

Results = dict[str, dict[str, list[dict[str, Any]]]]
"""Results by workload and peer."""

GENERATOR_TRANSPORTS = {
    Transport.WEBSOCKET: "websocket",
    Transport.SSE: "stream",
    Transport.LONGPOLL: "longpoll",
    Transport.SHORTPOLL: "shortpoll",
}


def arguments(workload: Workload, interface: Interface) -> list[str]:
    """Return the load generator's arguments for a workload on a running server."""
    words = ["--label", workload.name, "--size", str(workload.payload_bytes)]
    words += _channels(workload, interface)
    words += _subscribers(workload, interface)
    words += _publishers(workload.publishing, workload, interface)
    for pid in interface.pids:
        words += ["--server", str(pid)]
    if workload.pinned:
        words += ["--spin", "--cpu", str(generator_cpu())]
    return [*words, *interface.extra]


def _channels(workload: Workload, interface: Interface) -> list[str]:
    return [
        *("--channels", str(workload.channels)),
        *("--channel", interface.channel),
        *("--per-subscriber", str(workload.per_subscriber)),
        *("--listing", workload.listing),
        *("--separator", interface.separator),
    ]


def _subscribers(workload: Workload, interface: Interface) -> list[str]:
    words = [
        *("--transport", GENERATOR_TRANSPORTS[workload.transport]),
        *("--subscribe", interface.subscribe),
        *("--subscribers", str(workload.subscribers)),
        *("--settle", f"{workload.settle_s:g}"),
    ]
    if workload.storm and interface.storm:
        words += ["--storm", interface.storm, "--storm-subscribers", str(workload.storm)]
    for line in interface.subscribe_headers:
        words += ["--subscribe-header", line]
    return words


def _publishers(
    publishing: Publishing | None, workload: Workload, interface: Interface
) -> list[str]:
    if publishing is None:
        return ["--idle", f"{workload.seconds:g}"]
    words = [
        *("--publish", interface.publish),
        *("--body", interface.body),
        *("--publishers", str(publishing.publishers)),
        *("--depth", str(publishing.depth)),
        *("--batch", str(publishing.batch)),
        *("--rate", f"{publishing.rate:g}"),
        *("--window", str(publishing.window)),
        *("--messages", str(publishing.messages)),
        *("--warmup", f"{workload.warmup_s:g}"),
        *("--seconds", f"{workload.seconds:g}"),
    ]
    for line in interface.publish_headers:
        words += ["--publish-header", line]
    return words


class Campaign:
    """
    A series of measurements.

    Args:
        program: The load generator.
        peers: The servers, the broker among them.
        repetitions: Measurements of each workload on each peer.
        tell: Takes a line about progress.
    """

    def __init__(
        self,
        program: LoadProgram,
        peers: Sequence[Peer],
        repetitions: int,
        tell: Callable[[str], None],
    ) -> None:
        self._program = program
        self._peers = peers
        self._repetitions = repetitions
        self._tell = tell
        self.failures: list[str] = []

    def run(self, workloads: Sequence[Workload]) -> Results:
        """Measure everything: for each workload and repetition, one peer after the other."""
        results: Results = {}
        for workload in workloads:
            by_peer = results.setdefault(workload.name, {})
            for repetition in range(self._repetitions):
                for peer in self._peers:
                    if not peer.supports(workload):
                        continue
                    self._tell(
                        f"{workload.name}  {repetition + 1}/{self._repetitions}  {peer.name}"
                    )
                    result = self._measure(workload, peer)
                    if result is not None:
                        by_peer.setdefault(peer.name, []).append(result)
        return results

    def _measure(self, workload: Workload, peer: Peer) -> dict[str, Any] | None:
        """Measure once; again where other programs or a fault spoiled it."""
        result = None
        for _ in range(ATTEMPTS):
            try:
                result = self._once(workload, peer)
            except (NotServing, Failed) as exc:
                self._tell(f"  failed: {exc}")
                self.failures.append(f"{workload.name} on {peer.name}: {exc}")
                return None
            wrong = faults(result)
            if not wrong and disturbance(result) < OTHERS_SHARE:
                break
            for fault in wrong:
                self._tell(f"  fault: {fault}")
            if not wrong:
                self._tell(f"  disturbed: others took {disturbance(result):.0%} of a CPU")
        return result

    def _once(self, workload: Workload, peer: Peer) -> dict[str, Any]:
        with (
            TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as directory,
            _serving(peer, workload, Path(directory)) as running,
        ):
            words = arguments(workload, running.interface)
            return self._program.run(words, RUN_LIMIT_S)


@contextmanager
def _serving(peer: Peer, workload: Workload, directory: Path) -> Iterator[Running]:
    running = peer.start(workload, directory)
    try:
        yield running
    finally:
        running.stop()
