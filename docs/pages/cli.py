"""The page of the command line, made of the parsers that read it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module
from itertools import takewhile
import argparse

from broker.cli.verbs import VERBS

INTRODUCTION = """\
# Command line

`broker VERB --help` says the same at the terminal. Verbs read the same `BROKER_…` variables as the
broker itself ([settings](settings.md)), so that on its machine they need no further words. Results
go to standard output, everything else to standard error. Ctrl-C ends a verb with exit code 130, and
`serve` with 0. `broker --version` names the version.

This page is made of the parsers in `broker/cli/` by `make docs`.
"""


def page() -> str:
    """Return the page, as Markdown."""
    return "\n".join((INTRODUCTION, *(line for verb in VERBS for line in _section(verb))))


def parser(verb: str) -> argparse.ArgumentParser:
    """Return what reads the words behind a verb."""
    subparsers = argparse.ArgumentParser(prog="broker").add_subparsers()
    import_module(f"broker.cli.{verb}").add(subparsers)
    found: argparse.ArgumentParser = subparsers.choices[verb]
    return found


def examples(verb: str) -> list[str]:
    """Return the examples of a verb, as its help shows them."""
    lines = iter((parser(verb).epilog or "").splitlines())
    for line in lines:
        if line == "examples:":
            return [line.strip() for line in takewhile(lambda line: line.startswith("  "), lines)]
    return []


def _section(verb: str) -> Iterator[str]:
    reader = parser(verb)
    yield f"## `broker {verb}`\n"
    yield f"{reader.description}\n"
    rows = list(_rows(reader))
    if rows:
        yield "| Word | Meaning |"
        yield "|---|---|"
        yield from rows
        yield ""
    if verb == "serve":
        yield "Every [setting](settings.md) is a flag.\n"
    yield f"```text\n{(reader.epilog or '').strip()}\n```\n"


def _rows(reader: argparse.ArgumentParser) -> Iterator[str]:
    for action in _actions(reader):
        text = (action.help or "default: %(default)s") % vars(action)
        yield f"| `{_cell(_words(action))}` | {_cell(text)} |"


def _actions(reader: argparse.ArgumentParser) -> Iterable[argparse.Action]:
    """Return the options and words of a verb; those of `serve` are the settings."""
    for action in reader._actions:  # noqa: SLF001 - argparse has no other way to them
        is_setting = reader.prog.endswith(" serve") and action.dest.startswith("setting_")
        if action.dest != "help" and not is_setting:
            yield action


def _words(action: argparse.Action) -> str:
    if action.choices:
        value = "{" + ",".join(map(str, action.choices)) + "}"
    else:
        metavar = action.metavar or action.dest.upper()
        value = metavar if isinstance(metavar, str) else " ".join(metavar)
    if not action.option_strings:
        return {"?": f"[{value}]", "*": f"[{value}]", "+": f"{value}..."}.get(
            str(action.nargs), value
        )
    names = ", ".join(action.option_strings)
    return names if action.nargs == 0 else f"{names} {value}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
