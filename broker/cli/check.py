"""`broker check`: names every mistake in channel rules, or shows what they say."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
import argparse
import json
import sys

from broker.catalog import Catalog, CatalogError
from broker.catalog.mounts import standard_mounts
from broker.cli.options import add_setting, add_verb, load_settings
from broker.core.mounts import Mount
from broker.core.rules import Entry
from broker.core.units import format_duration, format_size

EXIT_MISTAKES = 1

_EXAMPLES = """\
examples:
  broker check                      the rules that a broker started here would use
  broker check channels.yaml        a file
  broker check --json channels.yaml

Every mistake is one line on standard error: file:line:column: what is wrong and what is right.
exit codes: 0 no mistake, 1 mistakes, 2 wrong usage
"""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = add_verb(subparsers, "check", _EXAMPLES)
    parser.add_argument("file", nargs="?", type=Path, help="channel rules (default: as configured)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_setting(parser, "config", "PATH", "channel rules, as the setting has it")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check a file; return 1 where it holds mistakes."""
    file: Path = args.file or load_settings(args).config
    try:
        catalog = Catalog.load(file)
    except CatalogError as exc:
        _print_problems(exc, file, as_json=args.json)
        return EXIT_MISTAKES
    if args.json:
        _print_json(file, catalog)
    else:
        _print_table(
            ("PATTERN", "HISTORY", "MESSAGE", "SLOW READER", "READ", "PUBLISH"),
            map(_row, catalog.entries),
        )
        told = f"{len(catalog.entries)} patterns"
        if catalog.mounts != standard_mounts():
            print()
            _print_table(("MOUNT", "MODE", "CHANNELS"), map(_mount_row, catalog.mounts))
            told += f", {len(catalog.mounts)} mounts"
        print(f"\n{file}: no mistakes, {told}")
    return 0


def _print_json(file: Path, catalog: Catalog) -> None:
    told = {
        "file": str(file),
        "problems": [],
        "left_out": 0,
        "patterns": [entry.pattern.text for entry in catalog.entries],
        "mounts": [{"path": mount.path, "mode": mount.mode} for mount in catalog.mounts],
    }
    print(json.dumps(told))


def _print_problems(exc: CatalogError, file: Path, *, as_json: bool) -> None:
    if not as_json:
        print(exc, file=sys.stderr)
        count = len(exc.problems) + exc.left_out
        print(f"\n{file}: {count} mistake{'s' if count > 1 else ''}", file=sys.stderr)
        return
    problems = [problem.place._asdict() | {"message": problem.message} for problem in exc.problems]
    print(json.dumps({"file": str(file), "problems": problems, "left_out": exc.left_out}))


def _row(entry: Entry) -> tuple[str, ...]:

    messages, age_s = entry.retention
    readers = "public" if entry.public else _count(len(entry.subscribe))
    return (
        entry.pattern.text,
        f"{messages} / {format_duration(age_s)}" if messages else "none",
        format_size(entry.max_message_bytes),
        entry.slow_reader.value,
        readers,
        _count(len(entry.publish)),
    )


def _mount_row(mount: Mount) -> tuple[str, ...]:
    if mount.fixed:
        return mount.path, mount.mode, " ".join(mount.fixed)
    return mount.path, mount.mode, f"?{mount.argument}=" if mount.argument else "in the path"


def _count(rules: int) -> str:
    if not rules:
        return "grants only"
    return f"{rules} rule{'s' if rules > 1 else ''}"


def _print_table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    table = [heads, *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())
