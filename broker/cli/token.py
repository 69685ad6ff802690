"""`broker token`: makes a token."""

from __future__ import annotations

from typing import Any
import argparse
import json
import secrets
import sys
import time

from broker.auth.keys import UnusableKey
from broker.auth.mint import mint
from broker.auth.secret import SECRET_FILE
from broker.auth.sources import shared_secret
from broker.cli.options import add_setting, add_verb, load_settings
from broker.cli.verbs import Refused
from broker.core.errors import TokenMalformed
from broker.core.grants import Grants
from broker.core.units import parse_duration

DEFAULT_TTL = "1h"
_OWN_CLAIMS = ("sub", "tenant", "channels", "iat", "exp", "jti", "aud", "iss")
_JTI_BYTES = 12

_EXAMPLES = """\
examples:
  broker token --sub 7 --claim app_id=100                          a visitor
  broker token --sub op1 --claim app_id=100 --claim role=operator  an operator
  broker token --sub 7 --grant 'conversation.100.*' --ttl 7d       channels of its own
  broker token --sub 7 --claim 'beta:=true' --claim 'apps:=[1,2]'  claims that are no text
  export BROKER_TOKEN=$(broker token --sub 7)

The token stands alone on a line. It is signed with HS256 and BROKER_JWT_SECRET, else with the
secret in the data directory, which is made where there is none.

NAME=VALUE makes a claim of text, NAME:=JSON one of any kind. Rules compare numbers and text as
text, so app_id=100 and app_id:=100 do the same; true and false equal only themselves.
In a grant, * stands for one segment, at the end for one or more.
exit codes: 0 made, 2 wrong usage
"""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = add_verb(subparsers, "token", _EXAMPLES)
    parser.add_argument("--sub", required=True, metavar="NAME", help="whom it is for")
    parser.add_argument("--tenant", metavar="NAME", help="whose channels it is for (default: main)")
    parser.add_argument(
        "--claim",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a claim, as rules ask for it; may be repeated",
    )
    parser.add_argument(
        "--grant",
        action="append",
        default=[],
        metavar="CHANNEL",
        help="a channel that it may read whatever the rules say; may be repeated",
    )
    parser.add_argument(
        "--grant-publish",
        action="append",
        default=[],
        metavar="CHANNEL",
        help="a channel that it may publish to; may be repeated",
    )
    ends = parser.add_mutually_exclusive_group()
    ends.add_argument(
        "--ttl",
        default=DEFAULT_TTL,
        metavar="TIME",
        help="how long it is valid: 90s, 30m, 1h, 7d (default: %(default)s)",
    )
    ends.add_argument("--no-expiry", action="store_true", help="valid until it is revoked")
    parser.add_argument("--json", action="store_true", help="print the token with its claims")
    add_setting(parser, "data", "PATH", "directory with the secret")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print a token."""
    settings = load_settings(args)
    claims = _claims(args, settings.jwt_audience, settings.jwt_issuer)
    file = settings.data / SECRET_FILE
    try:
        is_new = not settings.jwt_secret.reveal() and not file.exists()
        secret = shared_secret(settings.jwt_secret.reveal(), settings.data)
    except UnusableKey as exc:
        raise Refused(str(exc)) from exc
    except OSError as exc:
        raise Refused(f"{file}: {exc.strerror}") from exc
    if is_new:
        made = file.absolute()
        print(f"broker token: made the secret {made}; a broker needs the same one", file=sys.stderr)
    token = mint(secret, claims)
    print(json.dumps({"token": token, "claims": claims}) if args.json else token)
    return 0


def _claims(args: argparse.Namespace, audience: str, issuer: str) -> dict[str, Any]:

    now = int(time.time())
    claims: dict[str, Any] = {"sub": args.sub}
    claims |= dict(_claim(text) for text in args.claim)
    claims |= {"iat": now, "jti": secrets.token_urlsafe(_JTI_BYTES)}
    if not args.no_expiry:
        claims["exp"] = now + _ttl_s(args.ttl)
    if args.grant_publish:
        claims["channels"] = {"subscribe": args.grant, "publish": args.grant_publish}
    elif args.grant:
        claims["channels"] = args.grant
    claims |= {
        name: value
        for name, value in (("tenant", args.tenant), ("aud", audience), ("iss", issuer))
        if value
    }
    try:
        Grants.of(claims)
    except TokenMalformed as exc:
        raise Refused(str(exc)) from exc
    return claims


def _claim(text: str) -> tuple[str, object]:
    name, equals, value = text.partition("=")
    is_json = name.endswith(":")
    name = name.removesuffix(":")
    if not equals or not name:
        raise Refused(f"--claim takes NAME=VALUE or NAME:=JSON, not {text}")
    if name in _OWN_CLAIMS:
        raise Refused(f"--claim cannot set {name}; the other options do")
    if not is_json:
        return name, value
    try:
        made = json.loads(value)
        json.dumps(made, allow_nan=False)  # NaN and the infinities are no JSON
        return name, made
    except ValueError as exc:
        raise Refused(f"--claim {name}:= takes JSON, and {value} is none") from exc


def _ttl_s(text: str) -> int:

    try:
        ttl_s = parse_duration(text)
    except ValueError as exc:
        raise Refused(f"--ttl {text}: {exc}") from exc
    if not ttl_s:
        raise Refused("--ttl must be longer than nothing")
    return ttl_s
