"""`broker publish`: publishes one message, or a file of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple
from urllib.parse import quote
import argparse
import json
import os
import re
import secrets
import sys
import time

from broker.cli.internal import (
    DEFAULT_URL,
    KEY_VARIABLE,
    URL_VARIABLE,
    Internal,
    Reply,
    Unreachable,
)
from broker.cli.options import add_verb
from broker.cli.verbs import Refused
from broker.core.channels import check_channel
from broker.core.cursor import Cursor, parse_time
from broker.core.errors import BadChannel

EXIT_REFUSED = 1
EXIT_UNREACHABLE = 4

TIMEOUT_S = 10.0
"""Seconds that the broker may be silent: longer than it waits for its store."""

CHUNK_LINES = 200
"""Lines of a file in one request: each may name 50 channels, and a request take 10,000 messages."""

CHUNK_BYTES = 2**20
"""Bytes of a file in one request, one line excepted."""

MAX_LINE_BYTES = 64 * 2**20
"""Bytes of one line, or of one message, that are read at most."""

TRIES = 5
"""How often a part of a file is sent before giving up."""

_MAX_CHANNEL_BYTES = 1024
_PAUSE_S = 1.0
_PROGRESS_S = 0.5
_KEY_BYTES = 8
_MAX_KEY_CHARS = 100
_LINE = re.compile(r"line (\d+): ")

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


class Chunk(NamedTuple):
    """
    Part of a file.

    Attributes:
        number: Place among the parts, from 0.
        first: Number of its first line, from 1.
        lines: Its lines.
    """

    number: int
    first: int
    lines: list[bytes]


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
        return (
            _publish_one(args, internal) if args.ndjson is None else _publish_file(args, internal)
        )
    except Unreachable as exc:
        print(f"broker publish: {exc}", file=sys.stderr)
        return EXIT_UNREACHABLE


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
        **_common_headers(args, args.idempotency_key),
    }
    path = "/publish/" + "/".join(quote(channel, safe="") for channel in channels)
    reply = internal.post(
        internal.connect(), path, body, {name: text for name, text in headers.items() if text}
    )
    if reply.refusal:
        return _refused(args, reply, reply.refusal)
    print(json.dumps(reply.body) if args.json else "\n".join(_stamps(reply)))
    return 0


def _publish_file(args: argparse.Namespace, internal: Internal) -> int:
    if args.words or args.text or args.event_id or args.event_type or args.if_match:
        raise Refused("with --ndjson, channels, messages and events stand in the file")
    if len(args.idempotency_key) > _MAX_KEY_CHARS:
        raise Refused(f"with --ndjson, a key has at most {_MAX_KEY_CHARS} characters")
    if args.ndjson == "-":
        return _Sending(args, internal).run(sys.stdin.buffer)
    try:
        with open(args.ndjson, "rb") as source:  # noqa: PTH123 - a name from the command line
            return _Sending(args, internal).run(source)
    except OSError as exc:
        raise Refused(f"{args.ndjson}: {exc.strerror}") from exc


class _Sending:
    """Sends a file in parts, each under a key of its own, and says how far it is."""

    def __init__(self, args: argparse.Namespace, internal: Internal) -> None:
        self._args = args
        self._internal = internal
        self._connection = internal.connect()
        self._key = args.idempotency_key or secrets.token_hex(_KEY_BYTES)
        self._stored = 0
        self._repeated = 0
        self._told = time.monotonic()

    def run(self, source: BinaryIO) -> int:
        """Send every line; return the exit code."""
        try:
            for chunk in _chunks(source):
                reply = self._send(chunk)
                if reply.refusal:
                    self._hint()
                    return _refused(self._args, reply, _with_line(reply.refusal, chunk.first))
                self._count(reply)
        except (Unreachable, KeyboardInterrupt):
            self._hint()
            raise
        self._summary()
        return 0

    def _send(self, chunk: Chunk) -> Reply:
        headers = {
            "Content-Type": "application/x-ndjson",
            **_common_headers(self._args, f"{self._key}-{chunk.number}"),
        }
        body = b"".join(chunk.lines)
        for left in reversed(range(TRIES)):
            try:
                return self._internal.post(self._connection, "/publish", body, headers)
            except Unreachable:
                if not left:
                    raise
                time.sleep(_PAUSE_S)
        raise AssertionError("there is a last try")

    def _count(self, reply: Reply) -> None:
        messages = reply.body.get("messages")
        count = len(messages) if isinstance(messages, list) else 0
        self._stored += count
        self._repeated += count if reply.repeated else 0
        now = time.monotonic()
        if sys.stderr.isatty() and now - self._told >= _PROGRESS_S:
            self._told = now
            print(f"\r{self._stored} messages stored", end="", file=sys.stderr, flush=True)

    def _summary(self) -> None:
        if sys.stderr.isatty():
            print("\r", end="", file=sys.stderr)
        if self._args.json:
            facts = {"stored": self._stored, "repeated": self._repeated}
            print(json.dumps({**facts, "idempotency_key": self._key}))
        else:
            before = f", {self._repeated} of them before" if self._repeated else ""
            print(f"{self._stored} messages stored{before}")

    def _hint(self) -> None:
        print(
            f"\n{self._stored} messages are stored. The same command with\n"
            f"  --idempotency-key {self._key}\ngoes on behind them and stores none twice.",
            file=sys.stderr,
        )


def _chunks(source: BinaryIO) -> Iterator[Chunk]:
    """Cut a file into parts, always in the same places; parts without a message are left out."""
    lines: list[bytes] = []
    number = size = 0
    first = 1
    for line in _lines(source):
        if lines and (len(lines) >= CHUNK_LINES or size + len(line) > CHUNK_BYTES):
            yield from _filled(Chunk(number, first, lines))
            number, first, size, lines = number + 1, first + len(lines), 0, []
        lines.append(line)
        size += len(line)
    yield from _filled(Chunk(number, first, lines))


def _filled(chunk: Chunk) -> Iterator[Chunk]:
    if any(line.strip() for line in chunk.lines):
        yield chunk


def _lines(source: BinaryIO) -> Iterator[bytes]:
    while line := source.readline(MAX_LINE_BYTES):
        if len(line) == MAX_LINE_BYTES:
            raise Refused(f"a line is longer than {MAX_LINE_BYTES} bytes")
        yield line


def _common_headers(args: argparse.Namespace, key: str) -> dict[str, str]:
    headers = {"Idempotency-Key": key, "X-Tenant": args.tenant}
    return {name: text for name, text in headers.items() if text}


def _stamps(reply: Reply) -> Iterator[str]:
    messages = reply.body.get("messages")
    for row in messages if isinstance(messages, list) else ():
        cursor = Cursor(parse_time(row["time"]) or 0, int(row["tag"]))
        yield f"{row['channel']} {row['id']} {cursor}{' (stored before)' if reply.repeated else ''}"


def _refused(args: argparse.Namespace, reply: Reply, detail: str) -> int:
    if args.json:
        print(json.dumps(reply.body))
    print(f"broker publish: {detail}", file=sys.stderr)
    return EXIT_REFUSED


def _with_line(detail: str, first: int) -> str:
    """Return a refusal with the number of the line in the file instead of that in its part."""
    return _LINE.sub(lambda found: f"line {int(found[1]) + first - 1}: ", detail, count=1)
