"""`python -m tests.chaos.shows`: stalled subscribers, a resume storm, a long run, measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, Protocol
import argparse
import asyncio
import json
import sys

from benchmarks.processes import raise_open_files
from tests.chaos.facts import at_the_beginning
from tests.chaos.slow import stall
from tests.chaos.soak import soak
from tests.chaos.storm import resume_storm

RESULTS = Path(__file__).parent / "results"


TITLES = {
    "slow": "Stalled subscribers beside healthy ones",
    "storm": "Everybody comes back at once to a node that was just started",
    "soak": "Mixed load for a long time",
}


class Result(Protocol):
    """What a measurement gives."""

    @property
    def faults(self) -> Sequence[str]:
        """What must not be."""

    @property
    def figures(self) -> Mapping[str, str]:
        """What is to be told of it."""

    def as_json(self) -> dict[str, Any]:
        """Return it for a report."""


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.shows", description=__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="DIR")
    verbs = parser.add_subparsers(dest="verb", required=True)
    slow = verbs.add_parser("slow", help="stalled subscribers beside healthy ones")
    slow.add_argument("--healthy", type=int, default=1000)
    slow.add_argument("--stalled", type=int, default=1000)
    slow.add_argument("--rate", type=float, default=200.0, help="messages a second")
    slow.add_argument("--seconds", type=float, default=120.0)
    storm = verbs.add_parser("storm", help="everybody comes back at once")
    storm.add_argument("--returners", type=int, default=10_000)
    storm.add_argument("--channels", type=int, default=50)
    storm.add_argument("--missed", type=int, default=200, help="messages")
    long = verbs.add_parser("soak", help="mixed load for a long time")
    long.add_argument("--minutes", type=float, default=120.0)
    return parser.parse_args(words)


async def measure(options: argparse.Namespace) -> Result:
    """Measure what the command line names."""
    if options.verb == "slow":
        return await stall(options.healthy, options.stalled, options.rate, options.seconds)
    if options.verb == "storm":
        return await resume_storm(options.returners, options.channels, options.missed)
    return await soak(options.minutes)


def page(title: str, result: Result, facts: Mapping[str, str]) -> str:
    """Return a report in Markdown."""
    lines = [f"# {title}", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in result.figures.items()]
    lines += ["", "## What is wrong", ""]
    lines += [f"- {fault}" for fault in result.faults] or ["Nothing."]
    lines += ["", "## Where it was measured", ""]
    lines += [f"- {name}: {value}" for name, value in facts.items()]
    return "\n".join([*lines, ""])


def main(words: Sequence[str]) -> int:
    """Measure, write the result and return the exit code."""
    options = parse(words)
    raise_open_files()
    facts = at_the_beginning()
    logs = StringIO()
    with redirect_stdout(logs):
        result = asyncio.run(measure(options))
    options.results.mkdir(parents=True, exist_ok=True)
    path = options.results / f"{options.verb}.md"
    path.write_text(page(TITLES[options.verb], result, facts))
    details = {"facts": facts, **result.as_json()}
    path.with_suffix(".json").write_text(json.dumps(details, indent=1) + "\n")
    for fault in result.faults:
        print(f"wrong: {fault}")
    if result.faults:
        print(logs.getvalue(), file=sys.stderr)
    print(f"result: {path}")
    return int(bool(result.faults))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
