"""What verbs have in common: settings, flags, refusals."""

from __future__ import annotations

from pathlib import Path
import argparse
import os

from broker.catalog import Catalog, CatalogError
from broker.cli.verbs import VERBS, Refused
from broker.settings import Settings, SettingsError

TOKEN_VARIABLE = "BROKER_TOKEN"  # noqa: S105 - a variable's name
"""Environment variable that may carry a token; it is no setting."""

KEY_VARIABLE = "BROKER_API_KEY"
"""Environment variable that may carry an API key of the internal listener; it is no setting."""

_NO_SETTINGS = frozenset({TOKEN_VARIABLE, KEY_VARIABLE})


def add_verb(
    subparsers: argparse._SubParsersAction[argparse.ArgumentParser], name: str, examples: str
) -> argparse.ArgumentParser:
    """
    Add a verb.

    Args:
        subparsers: Where verbs are added.
        name: Its name, one of `VERBS`.
        examples: Command lines and exit codes, shown under the options.
    """
    summary = VERBS[name]
    return subparsers.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_setting(parser: argparse.ArgumentParser, name: str, metavar: str, text: str) -> None:
    """Add a flag that stands for a setting; `load_settings` finds it by its name."""
    parser.add_argument(f"--{name}", dest=f"setting_{name}", metavar=metavar, help=text)


def load_settings(args: argparse.Namespace) -> Settings:
    """
    Load the settings from the environment and the flags of a verb.

    Raises:
        Refused: Some cannot be used; the text names all of them.
    """
    flags = {
        name.removeprefix("setting_"): value
        for name, value in vars(args).items()
        if name.startswith("setting_") and value is not None
    }
    environ = {name: value for name, value in os.environ.items() if name not in _NO_SETTINGS}
    try:
        return Settings.load(flags, environ)
    except SettingsError as exc:
        raise Refused(str(exc)) from exc


def load_catalog(path: Path) -> Catalog:
    """
    Load channel rules.

    Raises:
        Refused: They hold mistakes; the text names all of them.
    """
    try:
        return Catalog.load(path)
    except CatalogError as exc:
        raise Refused(f"the channel rules cannot be used\n{exc}") from exc
