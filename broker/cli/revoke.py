"""`broker revoke`: revokes tokens."""

from __future__ import annotations

from contextlib import closing
from typing import Any
import argparse
import json
import os
import sys
import time

from broker.cli.internal import DEFAULT_URL, URL_VARIABLE, Internal, Unreachable
from broker.cli.options import KEY_VARIABLE, add_verb
from broker.cli.verbs import Refused
from broker.core.cursor import MAX_TIME, http_date, parse_time
from broker.core.units import parse_duration

EXIT_REFUSED = 1
EXIT_UNREACHABLE = 4

TIMEOUT_S = 10.0
"""Seconds that the broker may be silent: longer than it waits for its store."""

NOW = "now"
NEVER = "never"

_EXAMPLES = f"""\
examples:
  broker revoke --jti 8Yq0Zc1x                     one token, by its claim jti
  broker revoke --sub 7                            every token of a subject, later ones too
  broker revoke --sub 7 --issued-before {NOW}        the tokens that it has; it may get new ones
  broker revoke --issued-before {NOW}                every token of the tenant that there is
  broker revoke --tenant shop --until 1h           every token of a tenant, for an hour
  broker revoke --jti 8Yq0Zc1x --until {NEVER}       for good: a token without an expiry

Connections with such a token are closed on every node, and later requests are refused. A TIME is
{NOW}, seconds since 1970, an HTTP date or ISO 8601; for --until also a duration (90s, 30m, 1h, 7d)
or {NEVER}. Without --until it holds for max_token_ttl_s. The same command with another --until
takes the place of the first, and so can end it.

The address is --url or {URL_VARIABLE}: http://HOST:PORT, HOST:PORT or unix:PATH.
exit codes: 0 revoked, 1 refused, 2 wrong usage, 4 not reachable
"""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = add_verb(subparsers, "revoke", _EXAMPLES)
    parser.add_argument("--jti", metavar="ID", help="the token with this id")
    parser.add_argument("--sub", metavar="NAME", help="tokens of this subject")
    parser.add_argument(
        "--tenant", metavar="NAME", help="tokens of this tenant (default: the key's, or main)"
    )
    parser.add_argument(
        "--issued-before", metavar="TIME", help="only tokens from before, or that do not say when"
    )
    parser.add_argument("--until", metavar="TIME", help="when it ends")
    parser.add_argument("--url", metavar="URL", help=f"internal listener (default: {DEFAULT_URL})")
    parser.add_argument("--key", metavar="KEY", help=f"API key; better in {KEY_VARIABLE}")
    parser.add_argument("--json", action="store_true", help="print the broker's answer")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """
    Revoke.

    Raises:
        Refused: The command line cannot be used.
    """
    members = _members(args)
    internal = Internal(
        args.url or os.environ.get(URL_VARIABLE) or DEFAULT_URL,
        args.key or os.environ.get(KEY_VARIABLE, ""),
        TIMEOUT_S,
    )
    headers = {"Content-Type": "application/json"}
    try:
        with closing(internal.connect()) as connection:
            reply = internal.post(connection, "/revoke", json.dumps(members).encode(), headers)
    except Unreachable as exc:
        print(f"broker revoke: {exc}", file=sys.stderr)
        return EXIT_UNREACHABLE
    if args.json:
        print(json.dumps(reply.body))
    if reply.refusal:
        print(f"broker revoke: {reply.refusal}", file=sys.stderr)
        return EXIT_REFUSED
    if not args.json:
        print(_sentence(reply.body.get("revoked")))
    return 0


def _members(args: argparse.Namespace) -> dict[str, Any]:
    given = {
        "jti": args.jti,
        "sub": args.sub,
        "tenant": args.tenant,
        "issued_before": _issued_before(args.issued_before),
    }
    members = {name: value for name, value in given.items() if value is not None}
    if not members:
        raise Refused("one of --jti, --sub, --tenant and --issued-before is needed")
    until = _until(args.until)
    return members if until is None else {**members, "until": until}


def _issued_before(text: str | None) -> int | None:
    if text == NOW:
        return int(time.time()) + 1  # tokens of this very second, too
    return None if text is None else _time(text, "--issued-before")


def _until(text: str | None) -> int | None:
    if text is None:
        return None
    if text == NEVER:
        return MAX_TIME
    try:
        return int(time.time()) + parse_duration(text)
    except ValueError:
        return _time(text, "--until")


def _time(text: str, option: str) -> int:
    seconds = parse_time(text)
    if seconds is None:
        raise Refused(f"{option} {text}: not a time; see broker revoke --help")
    return seconds


def _sentence(row: object) -> str:
    """Say what was revoked, and until when."""
    if not isinstance(row, dict):
        return "revoked"
    until = row.pop("until", MAX_TIME)
    if "issued_before" in row:
        row["issued_before"] = http_date(row["issued_before"])
    which = ", ".join(f"{name} {value}" for name, value in row.items())
    return f"revoked {'for good' if until == MAX_TIME else f'until {http_date(until)}'}: {which}"
