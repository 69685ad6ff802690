"""`broker serve`: starts the broker and runs it until it is told to stop."""

from __future__ import annotations

from dataclasses import replace
import argparse
import logging

from broker.auth import UnusableKey, keys_of
from broker.catalog import Catalog
from broker.cli.descriptors import allow_connections
from broker.cli.options import add_verb, load_catalog, load_settings
from broker.cli.verbs import Refused
from broker.cli.welcome import welcome
from broker.logs import set_up_logs
from broker.metrics import Board, Place, Roll
from broker.process import EXIT_UNAVAILABLE, run_node
from broker.settings import SETTINGS, Settings
from broker.supervisor import Supervisor, SupervisorLimits
from broker.tracing import CannotTrace, require
from broker.transports.listener import CannotListen, reserve

_STOP_S = 10.0
"""Seconds that a worker gets to stop once its subscribers have been sent away."""

_log = logging.getLogger(__name__)

_EXAMPLES = """\
examples:
  broker serve                                  everything made on first start, in ./data
  broker serve --public 0.0.0.0:8080            subscribers from other machines
  broker serve --store redis://10.0.0.5:6379/0  one of several nodes

Every flag is also read from the environment: --max-channels is BROKER_MAX_CHANNELS.
signals: TERM and INT send subscribers away over --drain-s, then stop; HUP reads the channel
rules again and keeps the old ones where the new ones hold mistakes
exit codes: 0 stopped, 2 wrong usage, settings or rules, 4 the store or an address is unavailable
"""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb, with a flag for every setting."""
    parser = add_verb(subparsers, "serve", _EXAMPLES)
    for setting in SETTINGS.values():
        parser.add_argument(
            setting.flag,
            dest=f"setting_{setting.name}",
            metavar="VALUE",
            help=f"{setting.doc} Default: {setting.default_text}.".replace("%", "%%"),
        )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run a broker until a signal ends it."""
    settings = load_settings(args)
    catalog = load_catalog(settings.config)
    set_up_logs(settings.log_level, settings.log_format)
    for caution in settings.cautions():
        _log.warning("%s", caution)
    settings = replace(settings, max_connections=allow_connections(settings))
    if settings.trace_endpoint:
        _require_tracing()
    try:
        keys_of(settings)
    except UnusableKey as error:
        raise Refused(f"the keys of tokens cannot be used\n{error}") from error
    if settings.workers > 1:
        return _run_workers(settings, catalog)
    return run_node(settings, catalog, lambda node: _say(welcome(settings, node.addresses)))


def _require_tracing() -> None:
    try:
        require()
    except CannotTrace as error:
        raise Refused(str(error)) from error


def _run_workers(settings: Settings, catalog: Catalog) -> int:
    """Run several processes behind the same ports."""
    try:
        with (
            reserve(settings.public, SETTINGS["public"].names) as public,
            reserve(settings.internal, SETTINGS["internal"].names) as internal,
        ):
            settings = replace(settings, public=public, internal=internal)
            addresses = {"public": public, "internal": internal}
            board = Board(settings.workers + 1)
            supervisor = Supervisor(
                settings.workers,
                lambda number, ready: run_node(
                    settings, catalog, lambda _: ready(), Place(board, number)
                ),
                lambda: _say(welcome(settings, addresses)),
                SupervisorLimits(stop_s=settings.drain_s + _STOP_S),
                Roll(board),
            )
            return supervisor.run()
    except CannotListen as error:
        _log.error("%s", error)
        return EXIT_UNAVAILABLE


def _say(text: str) -> None:
    print(text, flush=True)
