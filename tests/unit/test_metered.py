"""A metered store does what the store does, and counts it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pytest

from broker.core.cursor import START, Cursor
from broker.core.errors import StoreUnavailable
from broker.core.message import Draft, Message
from broker.core.ring import Retention
from broker.metered import MeteredSink, MeteredStore
from broker.metrics import Meters
from broker.store.base import Outcome, Publication, Store, Stored
from broker.store.memory import MemoryStore


class Heard:
    """A sink that keeps what it hears."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def received(self, tenant: str, messages: Sequence[Message]) -> None:
        self.calls.append(f"received {tenant} {len(messages)}")

    def deleted(self, tenant: str, channel: str, cursor: Cursor) -> None:
        self.calls.append(f"deleted {tenant} {channel}")

    def ticked(self, tenant: str, cursor: Cursor) -> None:
        self.calls.append(f"ticked {tenant}")

    def interrupted(self, tenants: Collection[str] | None = None) -> None:
        self.calls.append("interrupted")

    def resumed(self, tenants: Collection[str] | None = None) -> None:
        self.calls.append("resumed")


class BrokenStore(MemoryStore):
    """A store that publishes nothing."""

    async def publish(
        self, tenant: str, publications: Sequence[Publication], floor: Cursor
    ) -> list[Outcome]:
        raise StoreUnavailable("it is down")


def metered(meters: Meters, store: Store, handed: list[Cursor] | None = None) -> MeteredStore:
    """Return a store whose clock moves by a second with each look at it."""
    seconds = iter(range(1000))
    return MeteredStore(
        store,
        meters.storing,
        meters.publishing,
        pattern=lambda channel: channel[0] + ".{x}",
        clock=lambda: float(next(seconds)),
        handed=lambda _, cursor: None if handed is None else handed.append(cursor),
    )


def publication(*channels: str, key: str = "") -> Publication:
    """Return a publication of one message of three bytes to each channel."""
    drafts = [Draft(channel, b"123") for channel in channels]
    return Publication(drafts, [Retention()] * len(drafts), key, "print")


async def test_messages_are_counted_by_pattern_once_they_are_stored() -> None:
    """What is refused or repeated is no message."""
    meters = Meters()
    store = metered(meters, MemoryStore())
    await store.publish("main", [publication("a.1", "a.2", "b.1", key="k")], START)
    await store.publish("main", [publication("a.1", "a.2", "b.1", key="k")], START)
    [outcome] = await store.publish(
        "main", [publication("a.1")._replace(if_match="999999999")], START
    )
    assert not isinstance(outcome, Stored)
    publishing = meters.publishing
    assert 2 == publishing.messages.of("a.{x}").value
    assert 6 == publishing.bytes.of("a.{x}").value
    assert 1 == publishing.messages.of("b.{x}").value
    assert 1 == publishing.repeated.value


async def test_every_call_is_timed_and_failures_are_counted() -> None:
    """A call that fails has its time as well, and its error comes through."""
    meters = Meters()
    store = metered(meters, BrokenStore())
    with pytest.raises(StoreUnavailable):
        await store.publish("main", [publication("a.1")], START)
    await store.info("main", "a.1")
    rows = {row.labels[0]: row.values for row in meters.storing.calls.rows()}
    assert 1.0 == rows["publish"][-1] == rows["info"][-1]
    assert 1 == meters.storing.errors.of("publish").value
    assert 0 == meters.publishing.messages.of("a.{x}").value


async def test_announcements_reach_the_sink_and_are_counted() -> None:
    """The hub hears everything, and then how far was handed over."""
    meters, heard, handed = Meters(), Heard(), list[Cursor]()
    store = metered(meters, MemoryStore(), handed)
    listener = await store.listener(heard)
    await listener.listen("main", ["a.1"])
    [outcome] = await store.publish("main", [publication("a.1", "a.1")], START)
    assert isinstance(outcome, Stored)
    await store.delete("main", "a.1")
    await listener.tick("main", START)
    assert ["received main 2", "deleted main a.1", "ticked main"] == heard.calls
    assert [outcome.stamps[-1].cursor] == handed
    assert 2 == meters.storing.received.value


def test_interruptions_are_counted_until_they_end() -> None:
    """The connection counts as broken as long as any tenant is cut off."""
    meters, heard = Meters(), Heard()
    sink = MeteredSink(heard, meters.storing, lambda _tenant, _cursor: None)

    def connected() -> float:
        [row] = meters.storing.connected.rows()
        return row.values[0]

    assert 1 == connected()
    sink.interrupted()
    assert 0 == connected()
    sink.resumed()
    assert 1 == connected()
    assert 1 == meters.storing.interruptions.value
    assert ["interrupted", "resumed"] == heard.calls


async def test_patterns_are_looked_up_again_when_the_rules_change() -> None:
    """A channel counts under the pattern that it matches now."""
    meters, names = Meters(), ["old"]
    store = MeteredStore(
        MemoryStore(),
        meters.storing,
        meters.publishing,
        pattern=lambda _: names[-1],
        clock=lambda: 0.0,
    )
    await store.publish("main", [publication("a.1")], START)
    names.append("new")
    await store.publish("main", [publication("a.1")], START)
    store.forget_patterns()
    await store.publish("main", [publication("a.1")], START)
    assert 2 == meters.publishing.messages.of("old").value
    assert 1 == meters.publishing.messages.of("new").value
