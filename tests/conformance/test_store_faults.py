"""What every store that is a server promises while it fails."""

from __future__ import annotations

from time import monotonic
import asyncio
import os
import signal

import pytest

from broker.core.cursor import START, Cursor
from broker.core.errors import StoreUnavailable
from broker.core.message import Draft
from broker.store.base import Listener, Lookup, Publication, Store, Stored
from broker.store.keys import Keys
from broker.store.options import StoreOptions
from tests.conformance.store_subjects import (
    RETENTION,
    TENANT,
    Recorder,
    ServerSubject,
    bodies,
    publication,
    publish,
    read,
    stamps,
)
from tests.support.waiting import PATIENCE, eventually

SHORT = StoreOptions(timeout_s=0.3)


async def heard_again(recorder: Recorder, times: int = 1) -> None:
    """Wait until the listener has its connection back."""
    await eventually(lambda: recorder.events.count("resumed") == times)


async def test_p7_a_cut_connection_is_made_again(server: ServerSubject) -> None:
    """A listener whose connection is cut says so, hears everything again, and says that too."""
    store = await server.store()
    recorder = Recorder()
    listener = await server.listener(store, recorder)
    names = [f"c{number}" for number in range(2100)]
    await listener.listen(TENANT, names)
    await publish(store, publication("c1", b"before"))
    await listener.tick(TENANT, START)
    for round_ in range(1, 4):
        assert server.cut_listeners() == 1
        await heard_again(recorder, round_)
        await publish(store, publication(names[-round_], b"%d" % round_))
        await listener.tick(TENANT, START)
    assert [b"before", b"1", b"2", b"3"] == recorder.bodies
    assert ["interrupted", "resumed"] * 3 == [
        event for event in recorder.events if event in ("interrupted", "resumed")
    ]


async def test_p7_what_was_announced_meanwhile_can_be_read(server: ServerSubject) -> None:
    """Nothing is lost by a cut: what was not announced is in the ring, after the last heard."""
    store = await server.store()
    recorder = Recorder()
    listener = await server.listener(store, recorder)
    await listener.listen(TENANT, ["a"])

    async def storm() -> None:
        for number in range(300):
            await publish(store, publication("a", b"%d" % number))

    storming = asyncio.create_task(storm())
    for round_ in range(1, 4):
        server.cut_listeners()
        await heard_again(recorder, round_)
    await storming
    await listener.tick(TENANT, START)
    kept = (await read(store, "a")).messages
    assert recorder.messages == [message for message in kept if message in recorder.messages]
    assert [b"%d" % number for number in range(300)] == [message.body for message in kept]


async def test_p7_calls_during_an_interruption_wait_for_its_end(server: ServerSubject) -> None:
    """Listening and ticking right after a cut only takes longer."""
    store = await server.store()
    recorder = Recorder()
    listener = await server.listener(store, recorder)
    await listener.listen(TENANT, ["a"])
    server.cut_listeners()
    await asyncio.gather(listener.listen(TENANT, ["b"]), listener.tick(TENANT, START))
    await publish(store, publication("a", b"1"), publication("b", b"2"))
    await listener.tick(TENANT, START)
    assert [b"1", b"2"] == recorder.bodies


async def test_p6_a_cut_command_connection_is_made_again(server: ServerSubject) -> None:
    """A call whose connection turns out to be cut is sent again, and stores once."""
    store = await server.store()
    for round_ in range(1, 4):
        (stamp,) = stamps(await publish(store, publication("a", b"1")))
        assert round_ == stamp.id
        # This blocks the loop, so that the next call is sent before the end is noticed.
        server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


async def test_scripts_are_sent_again_to_a_server_that_lost_them(server: ServerSubject) -> None:
    """A server that knows no script is taught it anew."""
    store = await server.store()
    listener = await server.listener(store, Recorder())
    for _ in range(2):
        server.command("SCRIPT", "FLUSH")
        assert isinstance((await publish(store, publication("a", b"1")))[0], Stored)
        assert (await read(store, "a")).messages
        assert await store.info(TENANT, "a")
        await listener.tick(TENANT, START)
        await store.delete(TENANT, "a")


async def test_p3_p5_a_flushed_store_gives_gaps_and_no_old_cursors(server: ServerSubject) -> None:
    """After FLUSHALL cursors go on, ids begin anew, and every old cursor has a gap."""
    store = await server.store()
    old = stamps(await publish(store, publication("a", b"1", b"2"), publication("b", b"3")))
    server.command("FLUSHALL")
    for stamp in old:
        history = await read(store, stamp.channel, stamp.cursor)
        assert (True, []) == (history.gap, bodies(history))
    new = stamps(await publish(store, publication("a", b"4"), floor=START))
    assert new[0].id == 1
    assert new[0].cursor > old[-1].cursor
    for stamp in old[:2]:
        history = await read(store, "a", stamp.cursor)
        assert (True, [b"4"]) == (history.gap, bodies(history))
    (message,) = (await read(store, "a")).messages
    assert not (await read(store, "a", message.prev)).gap


async def test_p5_a_clock_that_is_lost_alone_does_not_go_back(server: ServerSubject) -> None:
    """Rings and records that outlive the clock keep cursors and ids rising."""
    store = await server.store()
    ahead = Cursor(2_000_000_000, 5)
    (last,) = stamps(await publish(store, publication("a", b"1"), floor=ahead))
    server.command("DEL", Keys(TENANT).clock)
    (stamp,) = stamps(await publish(store, publication("a", b"2")))
    assert (last.id + 1, Cursor(last.cursor.time, last.cursor.tag + 1)) == (stamp.id, stamp.cursor)


async def test_a_ring_without_record_is_begun_anew(server: ServerSubject) -> None:
    """A ring whose record was evicted cannot be counted on, and is dropped."""
    store = await server.store()
    await publish(store, publication("a", b"1", b"2"))
    server.command("DEL", Keys(TENANT).records + "a")
    assert (await read(store, "a")).gap
    await publish(store, publication("a", b"3"))
    history = await read(store, "a")
    assert (True, [b"3"], [1]) == (history.gap, bodies(history), [m.id for m in history.messages])


async def test_every_key_expires_but_the_clock(server: ServerSubject) -> None:
    """Nothing but one clock per tenant stays when a channel falls silent."""
    store = await server.store(StoreOptions(channel_ttl_s=7200, idempotency_ttl_s=60))
    drafts = [Draft("a", b"1"), Draft("b", b"2")]
    keyed = Publication(drafts, [RETENTION] * 2, idempotency_key="k", fingerprint="f")
    await publish(store, keyed, publication("a", b"3"))
    await store.delete(TENANT, "b")
    await publish(store, publication("b", b"4"))
    times = {
        key.decode().partition("}:")[2]: server.command("TTL", key)
        for key in server.command("KEYS", "*")
    }
    assert times.pop("clock") == -1
    receipts = [times.pop(name) for name in list(times) if name.startswith("receipt:")]
    assert all(5 <= seconds <= 10 for seconds in receipts)
    assert {"ring:a", "ring:b", "channel:a", "channel:b", "once:k"} == times.keys()
    assert all(3598 <= times[name] <= 3603 for name in ("ring:a", "ring:b"))
    assert all(7198 <= times[name] <= 7203 for name in ("channel:a", "channel:b"))
    assert 58 <= times["once:k"] <= 60


async def test_announcements_that_cannot_be_read_are_dropped(
    server: ServerSubject, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever a stranger publishes on our channels harms nothing, and is not logged."""
    store = await server.store()
    recorder = Recorder()
    listener = await server.listener(store, recorder)
    await listener.listen(TENANT, ["a"])
    for payload in ("", "secret", "s" * 44, "s" * 45 + "\n\n"):
        server.command("PUBLISH", Keys(TENANT).announcements + "a", payload)
    await publish(store, publication("a", b"1"))
    await listener.tick(TENANT, START)
    assert [b"1"] == recorder.bodies
    assert "interrupted" not in recorder.events
    assert "cannot be read" in caplog.text
    assert "secret" not in caplog.text


async def unavailable(call: object, deadline_s: float) -> None:
    """Check that a call ends in time with `StoreUnavailable`."""
    began = monotonic()
    with pytest.raises(StoreUnavailable):
        await call  # type: ignore[misc]
    assert monotonic() - began < (deadline_s + 2) * PATIENCE


def every_call(server: ServerSubject, store: Store, listener: Listener) -> list[object]:
    """Return one call of each kind that needs the tenant's server."""
    calls: list[object] = [
        publish(store, publication("a", b"1")),
        store.read(TENANT, [Lookup("a", START)], 1, START),
        store.info(TENANT, "a"),
        store.channels(TENANT, "", 1),
        store.delete(TENANT, "a"),
        listener.tick(TENANT, START),
        listener.listen(TENANT, ["new"]),
    ]
    return calls if server.is_spread else [*calls, store.listener(Recorder())]


async def test_p6_a_frozen_server_fails_every_call_in_time(server: ServerSubject) -> None:
    """While the server does not answer, each call ends with the deadline; then all is well."""
    store = await server.store(SHORT)
    recorder = Recorder()
    listener = await server.listener(store, recorder)
    await listener.listen(TENANT, ["a"])
    pid = server.command("INFO", "server")["process_id"]
    os.kill(pid, signal.SIGSTOP)
    try:
        calls = every_call(server, store, listener)
        await asyncio.gather(*(unavailable(call, SHORT.timeout_s) for call in calls))
        # Half-open: nothing was closed, but signs of life stay out.
        await eventually(lambda: "interrupted" in recorder.events)
    finally:
        os.kill(pid, signal.SIGCONT)
    await heard_again(recorder)
    await publish(store, publication("a", b"after"), publication("new", b"unheard"))
    await listener.tick(TENANT, START)
    assert b"after" in recorder.bodies
    assert b"unheard" not in recorder.bodies
