"""`broker migrate`: makes channel rules and settings of a configuration of nginx."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
import argparse
import json
import sys

from broker.cli.options import add_verb
from broker.cli.verbs import Refused
from broker.migration.configuration import read_configuration
from broker.migration.draft import Draft, Fate, Finding
from broker.migration.errors import BadConfiguration
from broker.migration.migrate import migrate
from broker.migration.proxying import LOCATIONS_FILE, locations
from broker.migration.writing import (
    RULES_FILE,
    SETTINGS_FILE,
    SUBSCRIBERS_OF,
    rules,
    settings,
)

EXIT_LEFT_OVER = 1
EXIT_UNREADABLE = 3

_EXAMPLES = f"""\
examples:
  broker migrate /etc/nginx/nginx.conf               writes three files, here
  broker migrate --dry-run nginx.conf                only says what would become of each line
  broker migrate --out new --access token nginx.conf

Writes {RULES_FILE} and {SETTINGS_FILE} for the broker, and {LOCATIONS_FILE} for
the nginx in front of it, as deploy/nginx has it.

Reads the directives of the push-stream module and of nchan, with everything that is included, and
says of each one what it became, or why it has no counterpart: file:line:column: directive: fate.
The fates are same, changed (it differs as told), nginx (keep it in front) and none. Of what nginx
does itself, what concerns those locations is named too.
exit codes: 0 everything has a counterpart, 1 written, but something has none, 2 wrong usage, a
file is in the way, or there is nothing to carry over, 3 the configuration cannot be read
"""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = add_verb(subparsers, "migrate", _EXAMPLES)
    parser.add_argument("file", type=Path, help="configuration of nginx, or a part of one")
    parser.add_argument(
        "--out", type=Path, default=Path(), metavar="PATH", help="where to write (default: here)"
    )
    parser.add_argument(
        "--access",
        choices=tuple(SUBSCRIBERS_OF),
        default="public",
        help="who may read: anybody, as with the modules, or whoever has a token"
        " (default: %(default)s)",
    )
    parser.add_argument("--force", action="store_true", help="overwrite files")
    parser.add_argument("--dry-run", action="store_true", help="write nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Migrate; return 1 where something has no counterpart, 3 where nothing can be read."""
    try:
        draft = migrate(read_configuration(args.file))
    except BadConfiguration as exc:
        _print_unreadable(exc, as_json=args.json)
        return EXIT_UNREADABLE
    if not draft.mounts:
        raise Refused(
            f"{args.file} has no location of push-stream or nchan, nor has what it includes; "
            "nothing is written"
        )
    texts = {
        RULES_FILE: rules(draft, str(args.file), args.access),
        SETTINGS_FILE: settings(draft, str(args.file)),
        LOCATIONS_FILE: locations(draft, str(args.file)),
    }
    written = [] if args.dry_run else _write(texts, args.out, force=args.force)
    fates = Counter(finding.fate for finding in draft.findings)
    if args.json:
        print(json.dumps(_told(draft, written, fates)))
    else:
        _print(draft, written, fates)
    return EXIT_LEFT_OVER if fates[Fate.NONE] else 0


def _write(texts: dict[str, str], directory: Path, *, force: bool) -> list[Path]:
    files = {directory / name: text for name, text in texts.items()}
    in_the_way = [str(file) for file in files if file.exists() and not force]
    if in_the_way:
        verb = "exist" if len(in_the_way) > 1 else "exists"
        raise Refused(f"{', '.join(in_the_way)} {verb}; --force overwrites, --out goes elsewhere")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for file, text in files.items():
            file.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise Refused(f"{exc.filename} cannot be written: {exc.strerror}") from exc
    return list(files)


def _print_unreadable(exc: BadConfiguration, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"problems": [exc.place._asdict() | {"message": exc.fault}]}))
    else:
        print(exc, file=sys.stderr)


def _print(draft: Draft, written: list[Path], fates: Counter[Fate]) -> None:
    for finding in draft.findings:
        print(finding)
    counts = ", ".join(f"{fates[fate]} {fate.value}" for fate in Fate)
    print(f"\n{len(draft.mounts)} mounts; of {fates.total()} directives: {counts}")
    if written:
        print(f"written: {', '.join(map(str, written))}")


def _told(draft: Draft, written: list[Path], fates: Counter[Fate]) -> dict[str, object]:
    return {
        "findings": [_finding(finding) for finding in draft.findings],
        "fates": {fate.value: fates[fate] for fate in Fate},
        "mounts": [
            {"path": mount.path, "mode": mount.mode, "place": str(mount.place)}
            for mount in draft.mounts
        ],
        "written": [str(file) for file in written],
        "problems": [],
    }


def _finding(finding: Finding) -> dict[str, object]:
    return finding.place._asdict() | {
        "directive": finding.directive,
        "fate": finding.fate.value,
        "became": finding.became,
        "why": finding.why,
    }
