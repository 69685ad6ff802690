"""`broker serve`: starts the broker and runs it until it is told to stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
import argparse
import asyncio
import gc
import logging
import resource
import signal
import time

from broker.app import Node
from broker.auth import Expectations, KeyRing, UnusableKey, Verifier, load_keys
from broker.auth.fetch import fetch_url
from broker.catalog import Catalog, CatalogError
from broker.cli.options import add_verb, load_catalog, load_settings
from broker.cli.verbs import Refused
from broker.cli.welcome import welcome
from broker.core.errors import StoreUnavailable
from broker.logs import set_up_logs
from broker.settings import SETTINGS, Settings
from broker.store.factory import open_store
from broker.store.options import StoreOptions
from broker.supervisor import Supervisor, SupervisorLimits
from broker.transports.listener import CannotListen, reserve

EXIT_UNAVAILABLE = 4

_STOP_S = 10.0
"""Seconds that a worker gets to stop once its subscribers have been sent away."""

_OWN_DESCRIPTORS = 256
"""Files that a process has open beside its subscribers' connections."""

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
    _allow_descriptors(settings.max_connections)
    if settings.workers > 1:
        return _run_workers(settings, catalog)
    return _run_node(settings, catalog, lambda node: _say(welcome(settings, node.addresses)))


def _run_workers(settings: Settings, catalog: Catalog) -> int:
    """Run several processes behind the same ports."""
    try:
        with reserve(settings.public) as public, reserve(settings.internal) as internal:
            settings = replace(settings, public=public, internal=internal)
            addresses = {"public": public, "internal": internal}
            supervisor = Supervisor(
                settings.workers,
                lambda ready: _run_node(settings, catalog, lambda _: ready()),
                lambda: _say(welcome(settings, addresses)),
                SupervisorLimits(stop_s=settings.drain_s + _STOP_S),
            )
            return supervisor.run()
    except CannotListen as error:
        _log.error("%s", error)
        return EXIT_UNAVAILABLE


def _run_node(settings: Settings, catalog: Catalog, started: Callable[[Node], None]) -> int:
    """Run one process until a signal ends it."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_serve(settings, catalog, started))


def _say(text: str) -> None:
    print(text, flush=True)


async def _serve(settings: Settings, catalog: Catalog, started: Callable[[Node], None]) -> int:
    keys = _keys(settings)
    await keys.refresh()
    store = open_store(settings.store, settings.data, _store_options(settings))
    node = Node(settings, store, _verifier(settings, keys), catalog, time.time)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, _reload, node, settings.config)
    try:
        await node.start()
    except (StoreUnavailable, CannotListen) as error:
        _log.error("%s", error)
        await node.stop()
        return EXIT_UNAVAILABLE
    started(node)
    gc.collect()
    gc.freeze()  # what start-up made stays: no collection needs to look at it again
    await stop.wait()
    _log.info("stopping; subscribers are sent away over %g s", settings.drain_s)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(number)  # a second signal ends the process at once
    await node.stop()
    return 0


def _keys(settings: Settings) -> KeyRing:
    try:
        return load_keys(
            settings.jwt_secret.reveal(),
            settings.jwt_keys,
            settings.data,
            fetch_url,
            time.monotonic,
        )
    except UnusableKey as error:
        raise Refused(f"the keys of tokens cannot be used\n{error}") from error


def _store_options(settings: Settings) -> StoreOptions:
    return StoreOptions(
        timeout_s=settings.store_timeout_s,
        channel_ttl_s=settings.channel_ttl_s,
        idempotency_ttl_s=settings.idempotency_ttl_s,
    )


def _verifier(settings: Settings, keys: KeyRing) -> Verifier:
    expectations = Expectations(
        settings.jwt_audience,
        settings.jwt_issuer,
        settings.jwt_leeway_s,
        settings.max_token_bytes,
    )
    return Verifier(keys, time.time, expectations, cached=settings.token_cache_size)


def _reload(node: Node, path: Path) -> None:
    """Read the channel rules again; with a mistake in them the old ones stay."""
    try:
        node.catalog = Catalog.load(path)
    except CatalogError as error:
        _log.error("the channel rules stay as they were, the new ones hold mistakes\n%s", error)
    else:
        _log.info("the channel rules were read again")


def _allow_descriptors(connections: int) -> None:
    """Raise the limit of open files to what the connections need, as far as that is allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _OWN_DESCRIPTORS
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < wanted:
        _log.warning(
            "only %d files may be open, too few for %d connections; raise the limit (ulimit -n)",
            allowed,
            connections,
        )


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Return what makes the event loop: uvloop's, or Python's own where there is none."""
    try:
        from uvloop import new_event_loop  # noqa: PLC0415 - it is missing on some platforms
    except ImportError:
        return asyncio.new_event_loop
    return new_event_loop
