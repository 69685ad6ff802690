"""`python -m benchmarks`: measure, and write the report with its plots."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
import argparse
import json
import sys

from benchmarks.campaign import Campaign, Results
from benchmarks.machine import describe
from benchmarks.peers.base import Peer
from benchmarks.peers.broker import Broker
from benchmarks.peers.elsewhere import BadDescription, Elsewhere
from benchmarks.peers.nchan import Nchan
from benchmarks.peers.sockets import Websockets, socket_io, ws
from benchmarks.processes import raise_open_files
from benchmarks.program import LoadProgram, Unbuildable
from benchmarks.report import Setting, markdown, plots
from benchmarks.workloads import WORKLOADS, Workload, select

RESULTS = Path(__file__).parent / "results"
PROFILES = "profiles.md"
"""A page beside the report, written by hand."""

REPETITIONS = 3

PEERS: tuple[Peer, ...] = (Broker(), Nchan(), Websockets(), ws(), socket_io())
"""Every peer that this can start by itself."""


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "workloads", nargs="*", metavar="WORD", help="only workloads with this in their name"
    )
    parser.add_argument("--quick", action="store_true", help="few workloads, short runs, once")
    parser.add_argument("--repetitions", type=int, metavar="N", help=f"default {REPETITIONS}")
    parser.add_argument(
        "--peers", metavar="A,B", help="only these; default: all that are installed"
    )
    parser.add_argument(
        "--also",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="measure a running server that this JSON file describes; repeatable",
    )
    parser.add_argument(
        "--results", type=Path, default=RESULTS, metavar="DIR", help="where the report goes"
    )
    parser.add_argument("--list", action="store_true", help="name the workloads and peers")
    return parser.parse_args(words)


def main(words: Sequence[str]) -> int:
    """Measure as the command line says; return the exit code."""
    options = parse(words)
    if options.list:
        _list()
        return 0
    try:
        workloads = select(options.workloads, quick=options.quick)
        peers, absent = choose(options.peers)
        peers += [Elsewhere.read(path) for path in options.also]
    except (LookupError, BadDescription, OSError) as exc:
        return _refuse(exc)
    repetitions = options.repetitions or (1 if options.quick else REPETITIONS)
    raise_open_files()
    with TemporaryDirectory(prefix="bench-build-") as build:
        try:
            program = LoadProgram.build(Path(build))
        except Unbuildable as exc:
            return _refuse(exc)
        campaign = Campaign(program, peers, repetitions, _tell)
        results = campaign.run(workloads)
    setting = Setting(
        machine=describe(),
        versions={peer.name: peer.version() for peer in peers},
        repetitions=repetitions,
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        quick=options.quick,
        absent=absent,
    )
    write(options.results, workloads, results, setting)
    return 1 if campaign.failures else 0


def choose(names: str | None) -> tuple[list[Peer], dict[str, str]]:
    """
    Return the peers to measure, and those left out with the reason.

    Raises:
        LookupError: A name is unknown, or a peer asked for by name is not installed.
    """
    wanted = names.split(",") if names else [peer.name for peer in PEERS]
    unknown = set(wanted) - {peer.name for peer in PEERS}
    if unknown:
        known = ", ".join(peer.name for peer in PEERS)
        message = f"no peer is called {', '.join(sorted(unknown))}; there are {known}"
        raise LookupError(message)
    reasons = {peer.name: peer.missing() for peer in PEERS if peer.name in wanted}
    absent = {name: reason for name, reason in reasons.items() if reason}
    if names and absent:
        raise LookupError("; ".join(f"{name}: {reason}" for name, reason in absent.items()))
    return [peer for peer in PEERS if peer.name in wanted and peer.name not in absent], absent


def write(
    directory: Path, workloads: Sequence[Workload], results: Results, setting: Setting
) -> None:
    """Write report, plots and every single result into a directory."""
    directory.mkdir(parents=True, exist_ok=True)
    text = markdown(workloads, results, setting)
    if (directory / PROFILES).exists():
        text += f"\nWhere time goes in what was missed: [profiles]({PROFILES}).\n"
    (directory / "README.md").write_text(text)
    for name, drawing in plots(workloads, results).items():
        (directory / name).write_text(drawing)
    (directory / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    _tell(f"written: {directory / 'README.md'}")


def _list() -> None:
    for workload in WORKLOADS:
        print(f"{workload.name:24} {workload.title}")
    for peer in PEERS:
        print(f"{peer.name:24} {peer.missing() or peer.version()}")


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _refuse(reason: Exception) -> int:
    _tell(str(reason))
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
