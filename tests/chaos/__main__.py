"""`python -m tests.chaos`: break everything, one after the other, and report what was noticed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
import argparse
import asyncio
import json
import sys
import time

from benchmarks.processes import raise_open_files
from tests.chaos.campaign import run_one
from tests.chaos.facts import at_the_beginning
from tests.chaos.matrix import MATRIX, Scenario, select
from tests.chaos.outcome import Outcome
from tests.chaos.report import line, markdown
from tests.chaos.stand import Setup

RESULTS = Path(__file__).parent / "results"

NO_TIME = "no time left"

LIMIT_S = 12 * 60.0
"""After this much time no further scenario begins."""


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument(
        "scenarios", nargs="*", metavar="WORD", help="only scenarios with this in their name"
    )
    parser.add_argument(
        "--results", type=Path, default=RESULTS, metavar="DIR", help="where the report goes"
    )
    parser.add_argument("--list", action="store_true", help="name the scenarios")
    return parser.parse_args(words)


def main(words: Sequence[str]) -> int:
    """Run scenarios as the command line says; return the exit code."""
    options = parse(words)
    if options.list:
        for scenario in MATRIX:
            print(f"{scenario.name:20} {scenario.title}")
        return 0
    try:
        scenarios = select(options.scenarios)
    except LookupError as error:
        print(error.args[0], file=sys.stderr)
        return 2
    raise_open_files()
    setup, facts = Setup(), at_the_beginning()
    outcomes, not_run = _run_all(scenarios, setup)
    _write(options.results, outcomes, not_run, setup, facts)
    return int(NO_TIME in not_run.values() or any(outcome.wrong for outcome in outcomes))


def _run_all(scenarios: Sequence[Scenario], setup: Setup) -> tuple[list[Outcome], dict[str, str]]:
    """Return outcomes, and why which scenario was not run."""
    outcomes: list[Outcome] = []
    not_run: dict[str, str] = {}
    ends = time.monotonic() + LIMIT_S
    for scenario in scenarios:
        reason = scenario.missing() or (NO_TIME if time.monotonic() > ends else "")
        if reason:
            not_run[scenario.title] = reason
            print(f"{scenario.name:18} not run: {reason}", flush=True)
            continue
        logs = StringIO()
        with redirect_stdout(logs):
            outcome = asyncio.run(run_one(scenario, setup))
        outcomes.append(outcome)
        print(line(outcome), flush=True)
        if outcome.wrong:
            print(logs.getvalue(), file=sys.stderr)
    return outcomes, not_run


def _write(
    directory: Path,
    outcomes: Sequence[Outcome],
    not_run: Mapping[str, str],
    setup: Setup,
    facts: Mapping[str, str],
) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    details = {
        "facts": dict(facts),
        "not run": dict(not_run),
        "outcomes": [outcome.as_json() for outcome in outcomes],
    }
    (directory / "chaos.md").write_text(markdown(outcomes, not_run, setup, facts))
    (directory / "chaos.json").write_text(json.dumps(details, indent=1) + "\n")
    print(f"report: {directory / 'chaos.md'}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
