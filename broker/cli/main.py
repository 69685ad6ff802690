"""The command line: finds the verb and runs it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
import argparse
import os
import re
import sys

from broker import __version__
from broker.cli.verbs import VERBS, Refused
from broker.settings.errors import nearest

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

_OPTION = re.compile(r"--[a-z][a-z-]+")

_LISTED = ", ".join(VERBS)

_EPILOG = """\
Every setting is read from the environment (BROKER_...) or a flag of `broker serve`.

  broker serve                      start, with everything made on first start
  broker token --sub 7 --claim app_id=100
  broker tail conversation.100.7    follow a channel
  broker publish conversation.100.7 '{"id": 1}'
  broker check channels.yaml        name every mistake in the channel rules
  broker explain --channel conversation.100.7 --token ...
"""


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the command line.

    Each of `VERBS` is a module of this package, imported when it is asked for: its
    `add(subparsers)` adds the parser, which has `run(args) -> int` among its defaults.

    Args:
        argv: Words behind the program's name; None for those of the process.

    Returns:
        Exit code: 0 done, 2 wrong usage or settings, 130 interrupted; others belong to the verb.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    args = _read(words)
    try:
        code: int = args.run(args)
        sys.stdout.flush()
    except Refused as exc:
        print(f"broker {args.verb}: {exc}", file=sys.stderr)
        return EXIT_USAGE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader of a pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _read(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line; what is wrong with it is told, with the nearest right thing."""
    parser, verbs = _parser(words)
    if not words:
        parser.print_help(sys.stderr)
        parser.exit(EXIT_USAGE)
    if words[0] not in VERBS and not words[0].startswith("-"):
        parser.error(f"there is no verb {words[0]}{_hint(words[0], VERBS)}; there is {_LISTED}")
    args, rest = parser.parse_known_args(words)
    unknown = [word.partition("=")[0] for word in rest if word.startswith("-")]
    if unknown:
        known = _OPTION.findall(verbs[args.verb].format_usage())
        told = (f"{word}{_hint(word, known)}" for word in unknown)
        parser.error(f"broker {args.verb} has no option {', '.join(told)}")
    if rest:
        parser.error(f"broker {args.verb} takes no more words; there are {len(rest)} too many")
    return args


def _hint(word: str, known: Iterable[str]) -> str:
    near = nearest(word, known)
    return f" (nearest: {near})" if near else ""


def _parser(
    words: Sequence[str],
) -> tuple[argparse.ArgumentParser, Mapping[str, argparse.ArgumentParser]]:
    parser = argparse.ArgumentParser(
        prog="broker",
        description="Channel messaging over WebSocket, long poll, short poll and SSE.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"broker {__version__}")
    subparsers = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, summary in VERBS.items():
        if name in words[:1]:
            import_module(f"broker.cli.{name}").add(subparsers)
        else:
            subparsers.add_parser(name, help=summary)
    return parser, subparsers.choices
