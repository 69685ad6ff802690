"""The command line: finds the verb and runs it."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
import argparse
import os
import sys

from broker import __version__
from broker.cli.verbs import VERBS, Refused

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

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
    args = _parser(words).parse_args(words)
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


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
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
    return parser
