"""Ordered announcements and ticks: what every store promises, on every store."""

from __future__ import annotations

from random import Random
import asyncio

from broker.core.cursor import START, Cursor
from broker.core.message import Draft
from broker.store.base import Lookup, Publication, Store
from tests.conformance.store_subjects import (
    RETENTION,
    TENANT,
    Recorder,
    Subject,
    publication,
    publish,
    stamps,
)
from tests.support.waiting import eventually


async def test_announcements_come_in_stamping_order(subject: Subject, store: Store) -> None:
    """A listener hears exactly its channels, whole messages, in the order of their cursors."""
    recorder = Recorder()
    listener = await subject.listener(store, recorder)
    await listener.listen(TENANT, ["a", "b", "é"])
    random = Random(1)
    for _ in range(20):
        drafts = [
            Draft(random.choice(["a", "b", "c", "é"]), b'{"n":%d}' % n, random.choice(["", "é"]))
            for n in range(random.randrange(1, 30))
        ]
        await publish(store, Publication(drafts, [RETENTION] * len(drafts)))
    await listener.tick(TENANT, START)
    lookups = [Lookup(name, START) for name in ("a", "b", "é")]
    histories = await store.read(TENANT, lookups, 1000, START)
    stored = [message for history in histories for message in history.messages]
    assert sorted(stored, key=lambda message: message.cursor) == recorder.messages


async def test_a_listener_hears_what_follows_its_listen(subject: Subject, store: Store) -> None:
    """Everything published after `listen` returned is heard, and nothing after `forget`."""
    other = await subject.store()
    recorder = Recorder()
    listener = await subject.listener(store, recorder)
    for round_ in range(10):
        await listener.listen(TENANT, ["a"])
        await publish(other, publication("a", b"%d" % round_))
        await listener.tick(TENANT, START)
        listener.forget(TENANT, ["a"])
        await listener.tick(TENANT, START)
        await publish(other, publication("a", b"unheard"))
        await listener.tick(TENANT, START)
    assert [b"%d" % n for n in range(10)] == recorder.bodies


async def test_listening_again_at_once_loses_nothing(subject: Subject, store: Store) -> None:
    """Forgetting and listening in one turn leaves the channel heard."""
    recorder = Recorder()
    listener = await subject.listener(store, recorder)
    await listener.listen(TENANT, ["a", "b"])
    for _ in range(5):
        listener.forget(TENANT, ["a"])
        await listener.listen(TENANT, ["a"])
        await publish(store, publication("a", b"1"), publication("b", b"2"))
    await listener.tick(TENANT, START)
    assert [b"1", b"2"] * 5 == recorder.bodies


async def test_several_listens_at_once(subject: Subject, store: Store) -> None:
    """Listens of overlapping channels at the same time all hold."""
    recorder = Recorder()
    listener = await subject.listener(store, recorder)
    names = [f"c{number}" for number in range(2500)]
    await asyncio.gather(
        *(listener.listen(TENANT, names[start : start + 500]) for start in range(0, 2500, 250))
    )
    await publish(store, *(publication(name, b"1") for name in names[::50]))
    await listener.tick(TENANT, START)
    assert names[::50] == [message.channel for message in recorder.messages]


async def test_every_listener_hears(subject: Subject, store: Store) -> None:
    """Several nodes each get every announcement, and only their own ticks."""
    recorders = [Recorder() for _ in range(3)]
    listeners = [await subject.listener(await subject.store(), each) for each in recorders]
    for listener in listeners:
        await listener.listen(TENANT, ["a"])
    await publish(store, publication("a", b"1"))
    cursor = await listeners[0].tick(TENANT, START)
    await eventually(lambda: [[b"1"]] * 3 == [recorder.bodies for recorder in recorders])
    assert [["received"]] * 2 == [recorder.events for recorder in recorders[1:]]
    assert ["received", cursor] == recorders[0].events


async def test_a_tick_comes_after_everything_stored_before(subject: Subject, store: Store) -> None:
    """When `tick` returns, all that was stored before has been handed over."""
    recorder = Recorder()
    listener = await subject.listener(store, recorder)
    await listener.listen(TENANT, ["a"])
    for round_ in range(1, 20):
        (stamp,) = stamps(await publish(store, publication("a", b"1")))
        cursor = await listener.tick(TENANT, START)
        assert round_ == len(recorder.messages)
        assert recorder.events[-1] == cursor
        assert cursor >= stamp.cursor


async def test_p4_a_tick_is_before_every_later_message(subject: Subject, store: Store) -> None:
    """The clock that a tick hands out is recorded, even when time then steps back."""
    listener = await subject.listener(store, Recorder())
    cursor = await listener.tick(TENANT, Cursor(2_000_000_000, 5))
    assert Cursor(2_000_000_000, 5) == cursor
    subject.pass_time(-10)
    (stamp,) = stamps(await publish(store, publication("a", b"1")))
    assert stamp.cursor > cursor


async def test_ticks_that_wait_together_share(subject: Subject, store: Store) -> None:
    """A hundred ticks wanted at once take two at most."""
    recorder = Recorder()
    listener = await subject.listener(store, recorder)
    floors = [Cursor(2_000_000_000, number) for number in range(100)]
    cursors = await asyncio.gather(*(listener.tick(TENANT, floor) for floor in floors))
    assert all(cursor >= floor for cursor, floor in zip(cursors, floors, strict=True))
    if subject.remote:
        assert len(recorder.events) <= 2


async def test_closing_a_listener_ends_what_it_hears(subject: Subject, store: Store) -> None:
    """A closed listener hands nothing over."""
    recorder = Recorder()
    listener = await store.listener(recorder)
    await listener.listen(TENANT, ["a"])
    await listener.close()
    await publish(store, publication("a", b"1"))
    other = await subject.listener(store, Recorder())
    await other.tick(TENANT, START)
    assert [] == recorder.messages


async def test_a_deletion_comes_in_order(subject: Subject, store: Store) -> None:
    """Whoever listens to the channel hears of it, between what was stored before and after."""
    recorder, deaf = Recorder(), Recorder()
    listener, other = [await subject.listener(store, each) for each in (recorder, deaf)]
    await listener.listen(TENANT, ["a", "b"])
    await other.listen(TENANT, ["b"])
    ends = []
    for number in range(3):
        await publish(store, publication("a", b"%d" % number))
        ends.append(await store.delete(TENANT, "a"))
    await publish(store, publication("b", b"last"))
    for each in (listener, other):
        await each.tick(TENANT, START)
    assert ["received", "deleted"] * 3 + ["received"] == recorder.events[:-1]
    assert [(TENANT, "a", message.cursor) for message in recorder.messages[:3]] == (
        recorder.deletions
    )
    assert [cursor for _, _, cursor in recorder.deletions] == ends
    assert ([b"last"], []) == (deaf.bodies, deaf.deletions)
