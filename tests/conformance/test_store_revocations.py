"""Revocations: what every store promises, on every store."""

from __future__ import annotations

from functools import partial
from time import time
import asyncio

import pytest

from broker.core.cursor import START
from broker.core.errors import StoreUnavailable, TooManyRevocations
from broker.core.revocations import Revocation
from broker.store.base import Store
from broker.store.keys import RevocationKeys
from broker.store.options import StoreOptions
from tests.conformance.store_subjects import (
    TENANT,
    MemorySubject,
    Recorder,
    ServerSubject,
    Subject,
    publication,
    publish,
)
from tests.support.waiting import eventually

KEYS = RevocationKeys()


def revocation(subject: Subject, /, lasts_s: int = 3600, **members: str | int) -> Revocation:
    """Return a revocation that ends some time from now, on the store's clock."""
    now = subject.now if isinstance(subject, MemorySubject) else time()
    return Revocation(**{"tenant": TENANT, "until": int(now) + lasts_s, **members})  # type: ignore[arg-type]


async def watching(subject: Subject, store: Store) -> Recorder:
    """Return a recorder that watches a store."""
    recorder = Recorder()
    await (await subject.listener(store, recorder)).watch(recorder.revoked)
    return recorder


def has_heard(recorder: Recorder, revocations: set[Revocation]) -> bool:
    """Tell whether a recorder has heard of all of these, and of nothing else."""
    return revocations == set(recorder.revocations)


async def known(subject: Subject) -> set[Revocation]:
    """Return what a node that starts now is told."""
    return set((await watching(subject, await subject.store())).revocations)


async def test_p9_every_kind_of_revocation_comes_back_as_it_was(
    subject: Subject, store: Store
) -> None:
    """Ids, subjects and moments come back as they were, of every tenant, with any character."""
    given = [
        revocation(subject, jti="a b"),
        revocation(subject, sub='"7" é\n', issued_before=1_447_516_314),
        revocation(subject, sub="7", lasts_s=60),
        revocation(subject, issued_before=0),
        revocation(subject, until=253_402_300_799),
        revocation(subject, tenant="shop-1.x", jti="a b"),
    ]
    assert set() == await known(subject)
    for each in given:
        await store.revoke(each)
    assert set(given) == await known(subject)


async def test_p9_a_watcher_hears_each_revocation_in_order(subject: Subject, store: Store) -> None:
    """Every node that watches hears of each one, whoever took it, in the order of the store."""
    recorders = [await watching(subject, await subject.store()) for _ in range(3)]
    given = [
        revocation(subject, sub=str(number % 5), lasts_s=3600 + number) for number in range(30)
    ]
    for each in given:
        await store.revoke(each)
    await eventually(lambda: [given] * 3 == [recorder.revocations for recorder in recorders])


async def test_p9_none_is_missed_by_who_begins_to_watch(subject: Subject, store: Store) -> None:
    """Whatever is taken while a node begins, it has it at once or hears of it."""
    given = [revocation(subject, sub=str(number)) for number in range(120)]
    recorders: list[Recorder] = []

    async def take() -> None:
        for each in given:
            await store.revoke(each)

    async def begin() -> None:
        recorders.extend([await watching(subject, store) for _ in range(6)])

    await asyncio.gather(take(), begin())
    for recorder in recorders:
        await eventually(partial(has_heard, recorder, set(given)))


async def test_the_same_again_takes_the_place_of_the_first(subject: Subject, store: Store) -> None:
    """One revocation has one end: the last that it was given, later or earlier."""
    recorder = await watching(subject, store)
    given = [revocation(subject, sub="7", lasts_s=lasts_s) for lasts_s in (3600, 7200, 600)]
    for each in given:
        await store.revoke(each)
        assert {each} == await known(subject)
    await eventually(lambda: given == recorder.revocations)


async def test_what_has_ended_is_forgotten(subject: Subject, store: Store) -> None:
    """A revocation that has ended takes no room."""
    store = await subject.store(StoreOptions(max_revocations=2))
    await store.revoke(revocation(subject, sub="1", lasts_s=-1))
    await store.revoke(revocation(subject, sub="2", lasts_s=0))
    for sub in ("3", "4"):
        await store.revoke(revocation(subject, sub=sub))
    assert {"3", "4"} == {each.sub for each in await known(subject)}


async def test_a_tenant_has_so_many_at_most(subject: Subject) -> None:
    """Beyond the limit a new one is refused and not heard of; others go on as before."""
    store = subject.make(StoreOptions(max_revocations=3))
    await store.open()
    recorder = await watching(subject, store)
    given = [revocation(subject, sub=sub) for sub in "123"]
    for each in given:
        await store.revoke(each)
    with pytest.raises(TooManyRevocations) as refused:
        await store.revoke(revocation(subject, sub="4"))
    assert 3 == refused.value.limit
    again = revocation(subject, sub="3", lasts_s=60)
    other = revocation(subject, tenant="shop", sub="4")
    await store.revoke(again)
    await store.revoke(other)
    await eventually(lambda: [*given, again, other] == recorder.revocations)
    await store.close()


async def test_p9_what_was_lost_is_kept_again(subject: Subject) -> None:
    """Only what is missing and holds; every node hears of it, and it can be said again."""
    store = await subject.store(StoreOptions(max_revocations=3))
    recorder = await watching(subject, store)
    kept, lost, foreign = (
        revocation(subject, sub="1"),
        revocation(subject, sub="2", issued_before=1_447_516_314),
        revocation(subject, tenant="shop", jti="a b"),
    )
    await store.revoke(kept)
    ended = revocation(subject, sub="4", lasts_s=-1)
    other_end = kept._replace(until=kept.until + 60)
    assert 2 == await store.restore([other_end, lost, ended, foreign])
    assert 0 == await store.restore([kept, lost, foreign])
    assert {kept, lost, foreign} == await known(subject)
    await eventually(lambda: [kept, lost, foreign] == recorder.revocations)
    more = [revocation(subject, sub=sub) for sub in "567"]
    assert 1 == await store.restore(more)
    assert {kept, lost, foreign, more[0]} == await known(subject)
    assert 0 == await store.restore([])


async def test_messages_and_revocations_share_a_connection(subject: Subject, store: Store) -> None:
    """Both come to whoever wants both, and who does not watch hears of none."""
    both, deaf = Recorder(), Recorder()
    listener = await subject.listener(store, both)
    other = await subject.listener(store, deaf)
    await listener.watch(both.revoked)
    for each in (listener, other):
        await each.listen(TENANT, ["a"])
    for _ in range(3):
        await publish(store, publication("a", b"1"))
        await store.revoke(revocation(subject, sub="7"))
    for each in (listener, other):
        await each.tick(TENANT, START)
    await eventually(lambda: 3 == len(both.revocations))
    assert ([b"1"] * 3, [b"1"] * 3, []) == (both.bodies, deaf.bodies, deaf.revocations)


# --- servers, while they fail ---------------------------------------------------------------


async def test_p9_what_was_revoked_during_a_cut_is_read_anew(server: ServerSubject) -> None:
    """A node that was cut off has every revocation before it says that it is back."""
    store = await server.store()
    recorder = await watching(server, await server.store())
    for round_ in range(1, 4):
        recorder.events.clear()
        server.cut_listeners()
        await store.revoke(revocation(server, sub=str(round_)))
        await eventually(lambda: "resumed" in recorder.events)
        assert str(round_) in {each.sub for each in recorder.revocations}
        assert recorder.events.index("revoked") < recorder.events.index("resumed")


async def test_p9_a_node_is_not_back_before_it_knows_all(server: ServerSubject) -> None:
    """As long as the revocations cannot be read, the connection is not said to be back."""
    store = await server.store()
    recorder = await watching(server, await server.store())
    server.command("SET", KEYS.tenants, "no sorted set")
    server.cut_listeners()
    await eventually(lambda: "interrupted" in recorder.events)
    before = server.subscriptions()
    await eventually(lambda: server.subscriptions() >= before + 3, what="it connects in vain")
    assert "resumed" not in recorder.events
    server.command("DEL", KEYS.tenants)
    await store.revoke(revocation(server, sub="7"))
    await eventually(lambda: "resumed" in recorder.events)
    assert {"7"} == {each.sub for each in recorder.revocations}


async def test_p9_a_store_that_lost_everything_shows_it(server: ServerSubject) -> None:
    """Its life is the same for every node until then, and another one afterwards."""
    one, other = await server.store(), await server.store()
    before = await one.life()
    await one.revoke(revocation(server, sub="7"))
    assert [before] * 2 == [await one.life(), await other.life()]
    server.command("FLUSHALL")
    after = await one.life()
    assert before != after == await other.life()


async def test_keys_of_revocations_expire_with_the_last(server: ServerSubject) -> None:
    """Nothing of a revocation stays once it has ended, not even the name of its tenant."""
    store = await server.store()
    await store.revoke(revocation(server, sub="1", lasts_s=500))
    await store.revoke(revocation(server, sub="2", lasts_s=300))
    await store.revoke(revocation(server, tenant="shop", sub="1", lasts_s=900))
    names = {key.decode() for key in server.command("KEYS", "*")}
    times = {name: server.command("TTL", name) for name in names}
    assert {KEYS.tenants, KEYS.of(TENANT), KEYS.of("shop")} == names
    assert [500, 900, 900] == [
        round(times[name], -2) for name in (KEYS.of(TENANT), KEYS.of("shop"), KEYS.tenants)
    ]


async def test_what_cannot_be_read_is_left_out(
    server: ServerSubject, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever a stranger puts there, the others count, and it is not logged."""
    store = await server.store()
    good = revocation(server, sub="7")
    await store.revoke(good)
    for text in ("secret", '["secret"]', '["a","b","secret"]', '{"jti":"secret"}', "\xff"):
        server.command("ZADD", KEYS.of(TENANT), good.until, text)
    server.command("ZADD", KEYS.tenants, good.until, "@secret")
    server.command("ZADD", KEYS.of("@secret"), good.until, '["a","",null]')
    server.command("ZADD", KEYS.of(TENANT), f"{good.until}.5", '["a","",null]')
    recorder = await watching(server, await server.store())
    assert [good] == recorder.revocations
    for payload in ("secret", "1 main", "1 main secret", "x main []", '1 @ ["a","",null]'):
        server.command("PUBLISH", KEYS.announcements, payload)
    later = revocation(server, sub="8")
    await store.revoke(later)
    await eventually(lambda: [good, later] == recorder.revocations)
    assert "interrupted" not in recorder.events
    assert "cannot be read" in caplog.text
    assert "secret" not in caplog.text


async def test_a_fault_of_who_hears_does_not_end_the_listening(
    server: ServerSubject, caplog: pytest.LogCaptureFixture
) -> None:
    """After a failed call come the next ones, and messages too."""
    store = await server.store()
    recorder = Recorder()
    listener = await server.listener(store, recorder)

    def fail(_: object) -> None:
        raise ZeroDivisionError

    await listener.watch(fail)
    await listener.listen(TENANT, ["a"])
    await store.revoke(revocation(server, sub="7"))
    await publish(store, publication("a", b"1"))
    await listener.tick(TENANT, START)
    assert ([b"1"], False) == (recorder.bodies, "interrupted" in recorder.events)
    assert "ZeroDivisionError" in caplog.text


async def test_p6_a_frozen_server_fails_revocations_in_time(server: ServerSubject) -> None:
    """While the server does not answer, taking and watching end with the deadline."""
    store = await server.store(StoreOptions(timeout_s=0.3))
    listener = await server.listener(store, Recorder())
    server.command("CLIENT", "PAUSE", 1500)
    with pytest.raises(StoreUnavailable):
        await store.revoke(revocation(server, sub="7"))
    with pytest.raises(StoreUnavailable):
        await listener.watch(lambda _: None)
