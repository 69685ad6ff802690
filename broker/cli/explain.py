"""`broker explain`: says whether a token may do something, and which rule says so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
import argparse
import asyncio
import json
import os
import sys
import time

from broker.auth import UnusableKey, keys_of, verifier_of
from broker.auth.secret import SECRET_FILE
from broker.catalog import Catalog
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
from broker.core.grants import Decision, Grants, decide
from broker.core.rules import Action, Claim, find_claim
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
    answers = [_Answer(catalog, grants, args.action, channel) for channel in args.channel]
    if args.json:
        told = {"token": _told(grants), "channels": [answer.told() for answer in answers]}
        print(json.dumps(told))
    else:
        for line in (_bearer(grants), *(line for answer in answers for line in answer.lines())):
            print(line)
    return 0 if all(answer.decision.allowed for answer in answers) else EXIT_DENIED


class _Answer:
    """The decision on one channel, and what led to it."""

    def __init__(
        self, catalog: Catalog, grants: Grants | None, action: Action, channel: str
    ) -> None:

        self.channel = channel
        self.action = action
        self.decision: Decision = decide(catalog, grants, action, channel)
        self._match = catalog.match(channel)
        self._grants = grants
        self._nearest = None if self._match else catalog.nearest(channel)

    def told(self) -> dict[str, Any]:
        """Return it for a program."""
        allowed, reason, rule, place = self.decision
        return {
            "channel": self.channel,
            "action": self.action,
            "allowed": allowed,
            "reason": reason,
            "rule": rule or None,
            "place": place._asdict() if place else None,
            "pattern": self._match.entry.pattern.text if self._match else None,
            "variables": dict(self._match.variables) if self._match else {},
            "unmet": [
                {"place": str(place), "claim": claim.name, "wanted": wanted, "token_has": has}
                for place, claim, wanted, has in self._unmet()
            ],
            "nearest": self._nearest,
        }

    def lines(self) -> Iterator[str]:
        """Return it for a person."""
        verdict = "allowed" if self.decision.allowed else "denied"
        yield f"{self.channel}: {self.action} {verdict}, {self.decision.reason}"
        if self._match is None:
            if self._nearest:
                yield f"  the nearest pattern is {self._nearest}"
            return
        entry = self._match.entry
        variables = " ".join(f"{name}={value}" for name, value in self._match.variables.items())
        yield f"  {entry.place}: pattern {entry.pattern.text} {variables}".rstrip()
        if self.decision.allowed and self.decision.place is None:
            yield f"  grant of the token: {self.decision.rule}"
        elif self.decision.allowed and self.decision.place != entry.place:
            yield f"  {self.decision.place}: rule that allows it"
        for place, claim, wanted, has in self._unmet():
            yield f"  {place}: rule needs {claim.name}={json.dumps(wanted)}, the token has {has}"

    def _unmet(self) -> Iterator[tuple[object, Claim, str | bool, str]]:

        if self._match is None or self._grants is None or self.decision.allowed:
            return
        claims, variables = self._grants.claims, self._match.variables
        for rule in self._match.entry.rules(self.action):
            for claim in rule.unmet(claims, variables):
                has = "none" if find_claim(claims, claim.name) is None else "another value"
                yield rule.place, claim, claim.wanted(variables), has


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


def _told(grants: Grants | None) -> dict[str, Any] | None:
    if grants is None:
        return None
    return {
        "sub": grants.subject,
        "tenant": grants.tenant,
        "jti": grants.jti,
        "expires_at": grants.expires_at,
    }


def _bearer(grants: Grants | None) -> str:
    if grants is None:
        return "no token"
    ends = "never expires"
    if grants.expires_at is not None:
        ends = f"expires in {int(grants.expires_at - time.time())} s"
    return f"token of {grants.subject or 'nobody'}, tenant {grants.tenant}, {ends}"
