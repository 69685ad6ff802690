"""`broker tail`: follows channels, a message a line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit
import argparse
import asyncio
import ipaddress
import json
import logging
import os
import re
import sys
import time

from broker.auth.keys import UnusableKey
from broker.auth.mint import mint
from broker.auth.secret import SECRET_FILE
from broker.auth.sources import shared_secret
from broker.cli.options import TOKEN_VARIABLE, add_setting, add_verb, load_settings
from broker.cli.verbs import Refused
from broker.client import START, Client, ClientOptions, Cursor, Gap, Message, Unauthorized
from broker.client import Refused as RefusedByBroker
from broker.core.errors import BadCursor
from broker.settings import ListenAddress, Settings

EXIT_DENIED = 1
EXIT_BAD_TOKEN = 3

ALL = "all"
TOKEN_TTL_S = 3600
"""How long a token that `tail` makes itself is good for; it makes the next one in time."""

RETRY_S = (1.0, 2.0)
"""Waits between connections: somebody looks at the terminal, and there is one of them."""

_MAX_TOKEN_BYTES = 65_536
_UNIX = "unix:"
_LOGGER = "broker.client"
_ANY_HOST = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - compared, not bound
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

_EXAMPLES = """\
examples:
  broker tail conversation.100.7                     what comes from now on
  broker tail --since all news chat.1                everything that is kept, then what comes
  broker tail --since 1447516314-21 news             everything after a message
  broker tail --json --count 10 news | jq .message   ten messages, as JSON
  broker tail --url https://example.com --token "$TOKEN" news

A line is: cursor, channel, id, message. Connections that end are made anew where they ended, also
over a restart of the broker; no message is shown twice, none is left out. Where messages are no
longer kept, standard error says so.

Without a token, and with a broker on this machine, tail makes one for just these channels with
the secret in the data directory.
exit codes: 0 done, 1 the broker refuses, as where no channel is allowed, 2 wrong usage, 3 the
token is bad, 130 interrupted
"""


class _Wish(NamedTuple):
    """What is to be followed, and how it is shown."""

    channels: tuple[str, ...]
    since: Cursor | None
    limit: int | None
    show: Callable[[Message], str]


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = add_verb(subparsers, "tail", _EXAMPLES)
    parser.add_argument("channel", nargs="+", help="channels to follow")
    parser.add_argument("--url", help="where subscribers connect (default: as configured)")
    parser.add_argument(
        "--token", help=f"the token; - reads it from standard input (default: {TOKEN_VARIABLE})"
    )
    parser.add_argument(
        "--since", metavar="CURSOR", help=f"cursor of a message, or {ALL} (default: now)"
    )
    parser.add_argument("--json", action="store_true", help="print a JSON object a line")
    parser.add_argument("--count", type=int, metavar="N", help="end after so many messages")
    add_setting(parser, "data", "PATH", "directory with the secret")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Follow; return 0 once `--count` messages have come."""
    settings = load_settings(args)
    wish = _wish(args)
    url = _url(args.url) if args.url else _own_url(settings.public)
    token = _token(args.token) or _own_token(settings, url, wish.channels)
    options = ClientOptions(retry_s=RETRY_S, quick_retry_s=RETRY_S[0])
    _speak()
    try:
        return asyncio.run(_follow(wish, url, token, options))
    except Unauthorized as exc:
        print(f"broker tail: {exc}", file=sys.stderr)
        return EXIT_BAD_TOKEN
    except RefusedByBroker as exc:
        print(f"broker tail: {exc}; broker explain says what a token may read", file=sys.stderr)
        return EXIT_DENIED


async def _follow(
    wish: _Wish, url: str, token: str | Callable[[], str], options: ClientOptions
) -> int:
    try:
        client = Client(url, token=token, options=options)
        subscription = client.subscribe(*wish.channels, cursor=wish.since, on_gap=_tell)
    except ValueError as exc:
        raise Refused(str(exc)) from exc
    shown = 0
    async with client, subscription:
        async for message in subscription:
            print(wish.show(message), flush=True)
            shown += 1
            if shown == wish.limit:
                break
    return 0


def _wish(args: argparse.Namespace) -> _Wish:
    if args.count is not None and args.count < 1:
        raise Refused("--count must be 1 or more")
    show = _as_json if args.json else _as_line
    return _Wish(tuple(args.channel), _since(args.since), args.count, show)


def _since(text: str | None) -> Cursor | None:
    if text is None:
        return None
    if text == ALL:
        return START
    try:
        return Cursor.parse(text)
    except BadCursor as exc:
        raise Refused(f"--since {text}: {exc}") from exc


def _url(text: str) -> str:
    return text if "://" in text or text.startswith(_UNIX) else f"http://{text}"


def _own_url(address: ListenAddress) -> str:
    if address.path is not None:
        return str(address)
    host = _ANY_HOST.get(address.host)
    return f"http://{address}" if host is None else f"http://{host}:{address.port}"


# --- the token -----------------------------------------------------------------------------------


def _token(option: str | None) -> str:
    if option == "-":
        return sys.stdin.read(_MAX_TOKEN_BYTES).strip()
    return (os.environ.get(TOKEN_VARIABLE, "") if option is None else option).strip()


def _own_token(settings: Settings, url: str, channels: tuple[str, ...]) -> Callable[[], str]:
    """Return what makes tokens for these channels, on the machine of the broker only."""
    if not _is_local(url):
        raise Refused(f"a token is needed for {url}: --token TOKEN, --token - or {TOKEN_VARIABLE}")
    secret = settings.jwt_secret.reveal()
    if not secret and not _is_there(settings.data / SECRET_FILE):
        raise Refused(
            f"{settings.data} holds no secret to make a token with; name the broker's data "
            f"directory with --data, or give a token with --token or {TOKEN_VARIABLE}"
        )
    try:
        secret = shared_secret(secret, settings.data)
    except UnusableKey as exc:
        raise Refused(str(exc)) from exc
    claims = {
        "sub": "tail",
        "channels": list(channels),
        "aud": settings.jwt_audience,
        "iss": settings.jwt_issuer,
    }
    claims = {name: value for name, value in claims.items() if value}
    return lambda: mint(secret, {**claims, "exp": int(time.time()) + TOKEN_TTL_S})


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return True  # but this user may not look: reading it says so


def _is_local(url: str) -> bool:
    if url.startswith(_UNIX):
        return True
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


# --- what is shown -------------------------------------------------------------------------------


def _as_line(message: Message) -> str:
    text = f"{message.cursor} {message.channel} {message.id} {_json(message.message)}"
    return _printable(text)


def _as_json(message: Message) -> str:
    return _printable(_json({**message._asdict(), "cursor": str(message.cursor)}))


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _printable(text: str) -> str:
    """Escape, as JSON would, what moves a terminal's cursor or turns its text around."""
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _tell(gap: Gap) -> None:
    if gap.after == START:
        return  # everything that is kept was asked for
    where = f" of {gap.channel}" if gap.channel else ""
    if gap.skipped:
        _say(f"{gap.skipped} messages{where} after {gap.after} were left out: read too slowly")
        return
    _say(f"messages{where} after {gap.after} are no longer kept; the first kept is {gap.first}")


def _say(text: str) -> None:
    print(f"broker tail: {text}", file=sys.stderr, flush=True)


class _News(logging.Filter):
    """Lets lines through that say something else than the one before, but for the wait."""

    def __init__(self) -> None:
        super().__init__()
        self._last = ""

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a line is news."""
        text, self._last = self._last, record.getMessage().partition("; next try in ")[0]
        return text != self._last


def _speak() -> None:
    """Say on standard error what happens to the connection."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_News())
    handler.setFormatter(logging.Formatter("broker tail: %(message)s"))
    logger = logging.getLogger(_LOGGER)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
