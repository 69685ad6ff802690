"""`broker explain`: says whether a token may do something, and which rule says so."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time

from broker.auth import UnusableKey, keys_of, verifier_of
from broker.auth.secret import SECRET_FILE
from broker.catalog.explanation import Explanation, bearer
from broker.cli.options import (
    TOKEN_VARIABLE,
    add_setting,
    add_verb,
    load_catalog,
    load_settings,
)
from broker.cli.verbs import Refused
from broker.core.channels import check_channel
from broker.core.errors import BadChannel, BrokerError
from broker.core.grants import Grants
from broker.settings import Settings

EXIT_DENIED = 1
EXIT_BAD_TOKEN = 3

_MAX_TOKEN_INPUT = 1024 * 1024

_EXAMPLES = """\
examples:
  broker explain --token "$TOKEN" --channel conversation.100.7
  broker token --sub 7 | broker explain --token - --channel ping
  BROKER_TOKEN=... broker explain --action publish --channel chat.1 --channel chat.2 --json
  broker explain --channel news      without a token: what anybody may read

The token is verified as the broker would, with the same settings and channel rules.
exit codes: 0 all allowed, 1 some denied, 2 wrong usage or rules, 3 the token is bad
"""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = add_verb(subparsers, "explain", _EXAMPLES)
    parser.add_argument(
        "--token", help=f"the token; - reads it from standard input (default: {TOKEN_VARIABLE})"
    )
    parser.add_argument(
        "--channel", action="append", required=True, help="a channel; may be repeated"
    )
    parser.add_argument("--action", choices=("subscribe", "publish"), default="subscribe")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_setting(parser, "config", "PATH", "channel rules")
    add_setting(parser, "data", "PATH", "directory with the secret")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Explain; return 1 where something is denied, 3 where the token is bad."""
    settings = load_settings(args)
    catalog = load_catalog(settings.config)
    _check_channels(args.channel, settings)
    try:
        grants = _grants(_token(args.token), settings)
    except BrokerError as exc:
        if args.json:
            print(json.dumps({"token": None, "error": exc.problem()}))
        print(f"broker explain: {exc}", file=sys.stderr)
        return EXIT_BAD_TOKEN
    answers = [Explanation(catalog, grants, args.action, channel) for channel in args.channel]
    if args.json:
        told = {"token": bearer(grants), "channels": [answer.told() for answer in answers]}
        print(json.dumps(told))
    else:
        for line in (_bearer(grants), *(line for answer in answers for line in answer.lines())):
            print(line)
    return 0 if all(answer.decision.allowed for answer in answers) else EXIT_DENIED


def _check_channels(channels: list[str], settings: Settings) -> None:

    for channel in channels:
        try:
            check_channel(channel, settings.max_channel_bytes)
        except BadChannel as exc:
            raise Refused(str(exc)) from exc


def _token(option: str | None) -> str:
    if option == "-":
        return sys.stdin.read(_MAX_TOKEN_INPUT).strip()
    return os.environ.get(TOKEN_VARIABLE, "") if option is None else option


def _grants(token: str, settings: Settings) -> Grants | None:

    if not token:
        return None
    secret = settings.jwt_secret.reveal()
    if not secret and not (settings.data / SECRET_FILE).exists():
        raise Refused(
            f"{settings.data} holds no secret to verify the token with; name the broker's data"
            " directory with --data, or set BROKER_JWT_SECRET"
        )
    try:
        keys = keys_of(settings)
    except UnusableKey as exc:
        raise Refused(str(exc)) from exc
    return asyncio.run(verifier_of(settings, keys).authenticate(token))


def _bearer(grants: Grants | None) -> str:
    if grants is None:
        return "no token"
    ends = "never expires"
    if grants.expires_at is not None:
        ends = f"expires in {int(grants.expires_at - time.time())} s"
    return f"token of {grants.subject or 'nobody'}, tenant {grants.tenant}, {ends}"
