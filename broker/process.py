"""One process of the broker: its event loop, its signals, its node."""

from __future__ import annotations

from collections.abc import Callable
import asyncio
import contextlib
import logging
import signal
import time

from broker import __version__
from broker.app import Node
from broker.auth import KeyRing, UnusableKey, keys_of, verifier_of
from broker.catalog import Catalog, CatalogError
from broker.core.errors import StoreUnavailable
from broker.garbage import LOOK_S, Collector
from broker.logs import event
from broker.metrics import Place
from broker.settings import SETTINGS, Settings
from broker.store.factory import open_store
from broker.store.options import StoreOptions
from broker.transports.listener import CannotListen
from broker.writing.batched import NoUring

EXIT_UNAVAILABLE = 4
"""Exit code of a process that could not reach its store, or not listen."""

OBJECTS_PER_SESSION = 50
"""Python objects that a subscriber with a channel of its own has, about."""

RING_BYTES_PER_OBJECT = 64
"""Of what local rings take, about, by their own counting."""

_log = logging.getLogger(__name__)

Started = Callable[[Node], None]
"""Called once the node serves."""


def run_node(
    settings: Settings, catalog: Catalog, started: Started, place: Place | None = None
) -> int:
    """
    Run a node until SIGTERM or SIGINT; SIGHUP reads rules and keys again.

    Args:
        settings: All of them.
        catalog: Channel rules.
        started: Called once it serves.
        place: Where its numbers are shared with other workers; None when it is the only one.

    Returns:
        Exit code: 0 stopped, `EXIT_UNAVAILABLE` not started.

    Raises:
        UnusableKey: a key of tokens cannot be used.
    """
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_serve(settings, catalog, started, place))


async def _serve(
    settings: Settings, catalog: Catalog, started: Started, place: Place | None
) -> int:
    keys = keys_of(settings)
    await keys.refresh()
    try:
        store = open_store(settings.store, settings.data, _store_options(settings))
        node = Node(settings, store, verifier_of(settings, keys), catalog, time.time, place)
    except (ValueError, NoUring) as error:
        _log.error("%s", error)
        return EXIT_UNAVAILABLE
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, _reload, node, keys)
    fresh = loop.create_task(keys.keep_fresh())
    try:
        await node.start()
    except (StoreUnavailable, CannotListen) as error:
        is_store = isinstance(error, StoreUnavailable) and settings.store
        where = f"; is it where {SETTINGS['store'].names} says?" if is_store else ""
        _log.error("%s%s", error, where)
        await node.stop()
        return EXIT_UNAVAILABLE
    started(node)
    _log.info("serving", extra=event("started", **_facts(node, place)))
    collector = Collector(lambda: _explained_objects(node))
    collector.start()
    node.wheel.add(collector, loop.time() + LOOK_S)
    await stop.wait()
    _log.info(
        "stopping; subscribers are sent away over %g s; the same again stops at once",
        settings.drain_s,
        extra=event("stopping", drain_s=settings.drain_s),
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(number)  # a second signal ends the process at once
    await node.stop()
    fresh.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await fresh
    _log.info("stopped", extra=event("stopped"))
    return 0


def _explained_objects(node: Node) -> int:
    rings = node.hub.ring_bytes // RING_BYTES_PER_OBJECT
    return node.attendance.count * OBJECTS_PER_SESSION + rings


def _facts(node: Node, place: Place | None) -> dict[str, object]:
    addresses = {name: str(address) for name, address in node.addresses.items()}
    worker = 0 if place is None else place.number
    return {"version": __version__, "worker": worker, **addresses}


def _store_options(settings: Settings) -> StoreOptions:
    return StoreOptions(
        timeout_s=settings.store_timeout_s,
        channel_ttl_s=settings.channel_ttl_s,
        idempotency_ttl_s=settings.idempotency_ttl_s,
        replicas=settings.store_replicas,
        max_revocations=settings.max_revocations,
    )


def _reload(node: Node, keys: KeyRing) -> None:
    """Read rules and keys again; what holds a mistake stays as it was."""
    settings = node.settings
    try:
        catalog = Catalog.load(settings.config)
    except CatalogError as error:
        _log.error(
            "the channel rules stay as they were, the new ones hold mistakes\n%s",
            error,
            extra=event("rules-refused"),
        )
    else:
        node.replace_rules(catalog)
        _log.info("the channel rules were read again", extra=event("rules-replaced"))
    try:
        keys.replace(keys_of(settings).own)
    except UnusableKey as error:
        _log.error("the keys of tokens stay as they were\n%s", error, extra=event("keys-refused"))
    else:
        _log.info("the keys of tokens were read again", extra=event("keys-replaced"))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Return what makes the event loop: uvloop's, or Python's own where there is none."""
    try:
        from uvloop import new_event_loop  # noqa: PLC0415 - it is missing on some platforms
    except ImportError:
        return asyncio.new_event_loop
    return new_event_loop
