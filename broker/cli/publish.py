"""`broker publish`: publishes one message, or a file of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote
import argparse
import json
import os
import re
import secrets
import sys
import time

from broker.cli.bulk import CHUNK_LINES, MAX_LINE_BYTES, Bulk
from broker.cli.internal import (
    DEFAULT_URL,
    URL_VARIABLE,
    Internal,
    Reply,
    Unreachable,
)
from broker.cli.options import KEY_VARIABLE, add_verb
from broker.cli.verbs import Refused
from broker.core.channels import check_channel
from broker.core.cursor import Cursor, parse_time
from broker.core.errors import BadChannel

EXIT_REFUSED = 1
EXIT_UNREACHABLE = 4

TIMEOUT_S = 10.0
"""Seconds that the broker may be silent: longer than it waits for its store."""

_MAX_CHANNEL_BYTES = 1024
_MAX_KEY_CHARS = 100
_KEY_BYTES = 8
_PROGRESS_S = 0.5
_OPTION = re.compile(r"--?[A-Za-z]")

_EXAMPLES = f"""\
examples:
  broker publish conversation_reply.100.7 '{{"body": "hello"}}'
  broker publish conversation_reply.100 conversation_reply.100.7 - < message.json
  broker publish --text conversation_reply.100.7 'not JSON, just text'
  broker publish --ndjson messages.ndjson

Several channels get the message together or not at all. MESSAGE is JSON; - reads it from standard
input. The lines of an NDJSON file are {{"channel": NAME, "message": JSON}}, or with "channels":
[NAME, ...], "event_id", "event_type"; they are sent {CHUNK_LINES} at a time, each part stored as a
whole. Repeating a command with the same --idempotency-key stores nothing twice.

The address is --url or {URL_VARIABLE}: http://HOST:PORT, HOST:PORT or unix:PATH.
exit codes: 0 stored, 1 refused, 2 wrong usage, 4 not reachable
"""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = add_verb(subparsers, "publish", _EXAMPLES)
    parser.add_argument("words", nargs="*", metavar="CHANNEL... MESSAGE", help="see below")
    parser.add_argument("--ndjson", metavar="FILE", help="publish every line of a file; - reads it")
    parser.add_argument("--text", action="store_true", help="MESSAGE is text, not JSON")
    parser.add_argument("--event-id", default="", metavar="ID", help="your own id of the event")
    parser.add_argument("--event-type", default="", metavar="NAME", help="kind of the event")
    parser.add_argument(
        "--idempotency-key",
        default="",
        metavar="KEY",
        help="store what this key stands for only once",
    )
    parser.add_argument(
        "--if-match",
        default="",
        metavar="TAG",
        help="only if the channel's last message has this tag or cursor",
    )
    parser.add_argument("--tenant", default="", metavar="NAME", help="whose channels")
    parser.add_argument("--url", metavar="URL", help=f"internal listener (default: {DEFAULT_URL})")
    parser.add_argument("--key", metavar="KEY", help=f"API key; better in {KEY_VARIABLE}")
    parser.add_argument("--json", action="store_true", help="print the broker's answer")
    parser.set_defaults(run=run)
    _take_words_anywhere(parser)


def run(args: argparse.Namespace) -> int:
    """
    Publish.

    Raises:
        Refused: The command line cannot be used.
    """
    internal = Internal(
        args.url or os.environ.get(URL_VARIABLE) or DEFAULT_URL,
        args.key or os.environ.get(KEY_VARIABLE, ""),
        TIMEOUT_S,
    )
    try:
        return (_publish_one if args.ndjson is None else _publish_file)(args, internal)
    except Unreachable as exc:
        print(f"broker publish: {exc}", file=sys.stderr)
        return EXIT_UNREACHABLE


def _take_words_anywhere(parser: argparse.ArgumentParser) -> None:
    """Have words taken that stand behind an option which stands behind words."""
    parse = parser.parse_known_args

    def parse_all(
        args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        found, rest = parse(args, namespace)
        found.words += [word for word in rest if not _OPTION.match(word)]
        return found, [word for word in rest if _OPTION.match(word)]

    # argparse's own parser of mixed words does not work below a verb.
    parser.parse_known_args = parse_all  # type: ignore[method-assign,assignment]


def _publish_one(args: argparse.Namespace, internal: Internal) -> int:
    *channels, message = args.words or [""]
    if not channels:
        raise Refused("a channel and a message are needed; see broker publish --help")
    for channel in channels:
        try:
            check_channel(channel, _MAX_CHANNEL_BYTES)
        except BadChannel as exc:
            raise Refused(str(exc)) from exc
    body = sys.stdin.buffer.read(MAX_LINE_BYTES) if message == "-" else os.fsencode(message)
    headers = {
        "Content-Type": "text/plain" if args.text else "application/json",
        "Event-Id": args.event_id,
        "Event-Type": args.event_type,
        "If-Match": args.if_match,
        "Idempotency-Key": args.idempotency_key,
        "X-Tenant": args.tenant,
    }
    path = "/publish/" + "/".join(quote(channel, safe="") for channel in channels)
    sent = {name: text for name, text in headers.items() if text}
    with closing(internal.connect()) as connection:
        reply = internal.post(connection, path, body, sent)
    if reply.refusal:
        return _refused(args, reply)
    print(json.dumps(reply.body) if args.json else "\n".join(_stamps(reply)))
    return 0


def _publish_file(args: argparse.Namespace, internal: Internal) -> int:
    if args.words or args.text or args.event_id or args.event_type or args.if_match:
        raise Refused("with --ndjson, channels, messages and events stand in the file")
    if len(args.idempotency_key) > _MAX_KEY_CHARS:
        raise Refused(f"with --ndjson, a key has at most {_MAX_KEY_CHARS} characters")
    key = args.idempotency_key or secrets.token_hex(_KEY_BYTES)
    headers = {"X-Tenant": args.tenant} if args.tenant else {}
    bulk = Bulk(internal, key, headers, _Progress())
    try:
        with _opened(args.ndjson) as source:
            reply = bulk.send(source)
    except (Unreachable, KeyboardInterrupt):
        _hint(bulk, key)
        raise
    if reply is not None:
        _hint(bulk, key)
        return _refused(args, reply)
    _summary(args, bulk, key)
    return 0


class _Progress:
    """Says on a terminal how many messages are stored, now and then."""

    def __init__(self) -> None:
        self._told = time.monotonic()

    def __call__(self, stored: int) -> None:
        now = time.monotonic()
        if sys.stderr.isatty() and now - self._told >= _PROGRESS_S:
            self._told = now
            print(f"\r{stored} messages stored", end="", file=sys.stderr, flush=True)


@contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    if name == "-":
        yield sys.stdin.buffer
        return
    try:
        with Path(name).open("rb") as source:
            yield source
    except OSError as exc:
        raise Refused(f"{name}: {exc.strerror}") from exc


def _summary(args: argparse.Namespace, bulk: Bulk, key: str) -> None:
    if sys.stderr.isatty():
        print("\r", end="", file=sys.stderr)
    if args.json:
        facts = {"stored": bulk.stored, "repeated": bulk.repeated, "idempotency_key": key}
        print(json.dumps(facts))
    else:
        before = f", {bulk.repeated} of them before" if bulk.repeated else ""
        print(f"{bulk.stored} messages stored{before}")


def _hint(bulk: Bulk, key: str) -> None:
    print(
        f"\n{bulk.stored} messages are stored. The same command with\n"
        f"  --idempotency-key {key}\ngoes on behind them and stores none twice.",
        file=sys.stderr,
    )


def _stamps(reply: Reply) -> Iterator[str]:
    before = " (stored before)" if reply.repeated else ""
    for row in reply.messages:
        cursor = Cursor(parse_time(row["time"]) or 0, int(row["tag"]))
        yield f"{row['channel']} {row['id']} {cursor}{before}"


def _refused(args: argparse.Namespace, reply: Reply) -> int:
    if args.json:
        print(json.dumps(reply.body))
    is_text = not args.text and args.ndjson is None and "is not JSON" in reply.refusal
    advice = "; --text publishes it as it is" if is_text else ""
    print(f"broker publish: {reply.refusal}{advice}", file=sys.stderr)
    return EXIT_REFUSED
