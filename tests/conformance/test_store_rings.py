"""Bounded rings, exact gaps, reading and listing: what every store promises, on every store."""

from __future__ import annotations

from broker.core.cursor import START, Cursor
from broker.core.message import Draft
from broker.core.ring import History, Retention
from broker.store.base import ChannelInfo, Lookup, Publication, Store
from broker.store.options import StoreOptions
from tests.conformance.store_subjects import (
    RETENTION,
    TENANT,
    Recorder,
    Subject,
    bodies,
    publication,
    publish,
    read,
    stamps,
)

FAR = Cursor(2**40, 0)
"""After everything."""


async def test_p3_ring_of_five_after_twenty_messages(store: Store) -> None:
    """A cursor is without gap exactly when every later message is still kept."""
    ring = Retention(5, 3600)
    cursors = [
        stamps(await publish(store, publication("a", b"%d" % n, retention=ring)))[0].cursor
        for n in range(1, 21)
    ]
    history = await read(store, "a", cursors[0])
    assert (True, [b"16", b"17", b"18", b"19", b"20"]) == (history.gap, bodies(history))
    gaps = [(await read(store, "a", cursor)).gap for cursor in cursors]
    assert [True] * 14 + [False] * 6 == gaps


async def test_one_call_larger_than_the_ring(store: Store) -> None:
    """Of more messages than the ring takes, the last remain."""
    await publish(store, publication("a", *[b"%d" % n for n in range(50)], retention=Retention(3)))
    assert [b"47", b"48", b"49"] == bodies(await read(store, "a"))


async def test_a_ring_of_no_messages_stamps_and_announces(subject: Subject, store: Store) -> None:
    """Retention 0 keeps nothing: the channel is known, its messages are heard, and a gap shows."""
    recorder = Recorder()
    listener = await subject.listener(store, recorder)
    await listener.listen(TENANT, ["a"])
    (stamp,) = stamps(await publish(store, publication("a", b"1", retention=Retention(0))))
    await listener.tick(TENANT, START)
    assert [b"1"] == recorder.bodies
    assert History("a", [], True, stamp.cursor) == await read(store, "a", recorder.messages[0].prev)
    assert History("a", [], False, stamp.cursor) == await read(store, "a", stamp.cursor)
    assert ChannelInfo("a", 1, stamp.cursor, 0, None) == await store.info(TENANT, "a")


async def test_a_ring_that_shrinks_and_grows(store: Store) -> None:
    """The retention of the latest publication counts."""
    await publish(store, publication("a", b"1", b"2", b"3", b"4", retention=Retention(9)))
    await publish(store, publication("a", b"5", retention=Retention(2)))
    assert [b"4", b"5"] == bodies(await read(store, "a"))
    await publish(store, publication("a", b"6", retention=Retention(0)))
    assert [] == bodies(await read(store, "a"))
    await publish(store, publication("a", b"7", retention=Retention(9)))
    (message,) = (await read(store, "a")).messages
    assert (7, b"7") == (message.id, message.body)
    assert (await read(store, "a", Cursor(message.prev.time, message.prev.tag - 1))).gap


async def test_p3_messages_age(subject: Subject, store: Store) -> None:
    """What is older than the age of its channel is neither read nor counted, and is missed."""
    (first,) = stamps(await publish(store, publication("a", b"1", retention=Retention(9, 60))))
    subject.pass_time(31)
    (second,) = stamps(await publish(store, publication("a", b"2", retention=Retention(9, 60))))
    before = await read(store, "a")
    subject.pass_time(31)
    assert [b"1", b"2"] == bodies(before)
    history = await read(store, "a")
    assert (True, [b"2"]) == (history.gap, bodies(history))
    assert not (await read(store, "a", first.cursor)).gap
    assert ChannelInfo("a", 2, second.cursor, 1, second.cursor) == await store.info(TENANT, "a")
    subject.pass_time(3600)
    assert History("a", [], True, second.cursor) == await read(store, "a", first.cursor)
    assert History("a", [], False, second.cursor) == await read(store, "a", second.cursor)


async def test_ages_are_swept_when_a_message_comes(subject: Subject, store: Store) -> None:
    """A publish removes what has become too old."""
    await publish(store, publication("a", b"1", b"2", retention=Retention(9, 60)))
    subject.pass_time(120)
    await publish(store, publication("a", b"3", retention=Retention(9, 60)))
    info = await store.info(TENANT, "a")
    assert info is not None
    assert (3, 1) == (info.last_id, info.stored)


async def test_p3_an_unknown_channel_has_a_gap_before_the_horizon(store: Store) -> None:
    """Of a channel without records, only what came after the beginning is sure to be nothing."""
    unknown = await read(store, "a", FAR)
    assert not unknown.gap
    assert History("a", [], False, unknown.head) == await read(store, "a", unknown.head)
    assert History("a", [], True, unknown.head) == await read(store, "a", START)


async def test_p3_a_forgotten_channel_has_a_gap_before_the_time_to_live(subject: Subject) -> None:
    """A channel idle for too long is forgotten; a cursor from before that is told so."""
    store = await subject.store(StoreOptions(channel_ttl_s=600))
    (stamp,) = stamps(await publish(store, publication("a", b"1", retention=Retention(9, 60))))
    await subject.forget("a", 600)
    history = await read(store, "a", stamp.cursor)
    assert history == History("a", [], True, Cursor(history.head.time, 0))
    assert history.head > stamp.cursor
    assert not (await read(store, "a", history.head)).gap
    (again,) = stamps(await publish(store, publication("a", b"2")))
    assert again.id == 1
    (message,) = (await read(store, "a", history.head)).messages
    assert history.head <= message.prev < message.cursor
    assert (await read(store, "a", stamp.cursor)).gap


async def test_a_deleted_ring_leaves_a_gap(store: Store) -> None:
    """After a delete ids and cursors go on, and whoever missed something is told so."""
    first, second = stamps(await publish(store, publication("a", b"1", b"2")))
    assert START == (await read(store, "a")).deleted
    assert second.cursor == await store.delete(TENANT, "a")
    gone = History("a", [], True, second.cursor, deleted=second.cursor)
    assert gone == await read(store, "a", first.cursor)
    assert gone._replace(gap=False) == await read(store, "a", second.cursor)
    (third,) = stamps(await publish(store, publication("a", b"3")))
    assert third.id == 3
    after_first = await read(store, "a", first.cursor)
    assert (True, [b"3"]) == (after_first.gap, bodies(after_first))
    assert not (await read(store, "a", second.cursor)).gap
    assert second.cursor == after_first.deleted


async def test_a_ring_can_be_deleted_again(store: Store) -> None:
    """An empty one as well; reads name the last deletion, and others change nothing of it."""
    (first,) = stamps(await publish(store, publication("a", b"1")))
    assert [first.cursor] * 2 == [await store.delete(TENANT, "a") for _ in range(2)]
    (second,) = stamps(await publish(store, publication("a", b"2")))
    await publish(store, publication("b", b"3"))
    assert second.cursor == await store.delete(TENANT, "a")
    await publish(store, publication("a", b"4"), publication("a", b"5"))
    history = await read(store, "a", first.cursor)
    assert (True, [b"4", b"5"], second.cursor) == (history.gap, bodies(history), history.deleted)
    assert START == (await read(store, "b")).deleted
    info = await store.info(TENANT, "a")
    assert info is not None
    assert (4, 2) == (info.last_id, info.stored)


async def test_an_unknown_channel_cannot_be_deleted(store: Store) -> None:
    """Deleting tells whether anything was known."""
    assert await store.delete(TENANT, "a") is None
    assert await store.info(TENANT, "a") is None


async def test_a_limit_cuts_the_newest(store: Store) -> None:
    """A history cut by its limit is the oldest part, and says that it is not complete."""
    found = stamps(await publish(store, publication("a", b"1", b"2", b"3")))
    cut = await read(store, "a", found[0].cursor, 1)
    assert ([b"2"], False, found[2].cursor) == (bodies(cut), cut.complete, cut.head)
    whole = await read(store, "a", found[0].cursor, 2)
    assert ([b"2", b"3"], True) == (bodies(whole), whole.complete)


async def test_many_lookups_in_one_call(store: Store) -> None:
    """Each lookup gets its own answer, in order, one channel twice if asked so."""
    first, second = stamps(await publish(store, publication("a", b"1", b"2")))
    drafts = [Draft("b", b"x", "e1"), Draft("b", b"y"), Draft("b", b"z", "", "t3")]
    await publish(store, Publication(drafts, [RETENTION] * 3))
    lookups = [
        Lookup("a", first.cursor),
        Lookup("none", FAR),
        Lookup("b", second.cursor),
        Lookup("a", second.cursor),
    ]
    histories = await store.read(TENANT, lookups, 10, START)
    assert [("a", [b"2"]), ("none", []), ("b", [b"x", b"y", b"z"]), ("a", [])] == [
        (history.channel, bodies(history)) for history in histories
    ]
    assert [("e1", ""), ("", ""), ("", "t3")] == [
        (message.event_id, message.event_type) for message in histories[2].messages
    ]
    assert [] == await store.read(TENANT, [], 10, START)


async def test_cursors_compare_as_numbers(store: Store) -> None:
    """Tag 10 comes after tag 9, and after both comes the next second."""
    found = stamps(await publish(store, publication("a", *[b"%d" % n for n in range(1, 13)])))
    history = await read(store, "a", found[8].cursor)
    assert [b"10", b"11", b"12"] == bodies(history)
    assert [] == bodies(await read(store, "a", Cursor(found[0].cursor.time, 10**18 - 1)))


async def test_p3_a_read_of_an_empty_store_begins_after_the_floor(store: Store) -> None:
    """A store that lost its clock begins after a cursor known to be in use."""
    floor = Cursor(2_000_000_000, 41)
    (history,) = await store.read(TENANT, [Lookup("a", Cursor(2_000_000_000, 40))], 10, floor)
    assert History("a", [], True, floor) == history
    (stamp,) = stamps(await publish(store, publication("a", b"1")))
    assert Cursor(2_000_000_000, 42) == stamp.cursor


async def test_info_tells_the_state_of_a_channel(store: Store) -> None:
    """Last id, head, how much is kept and since when."""
    found = stamps(await publish(store, publication("a", b"1", b"2", b"3", retention=Retention(2))))
    expected = ChannelInfo("a", 3, found[2].cursor, 2, found[1].cursor)
    assert expected == await store.info(TENANT, "a")


async def test_channels_are_listed_by_prefix_and_name(store: Store) -> None:
    """A listing holds the first names with a prefix, taken literally."""
    names = ["b.2", "b.10", "b", "a.1", "b*", "b[x]", "b\\", "bé"]
    await publish(store, *(publication(name, b"1") for name in names))
    await publish(store, publication("b.3", b"1"), tenant="other")

    async def listed(prefix: str, limit: int = 100) -> list[str]:
        return [info.channel for info in await store.channels(TENANT, prefix, limit)]

    assert sorted(names) == await listed("")
    assert ["b.10", "b.2"] == await listed("b.")
    assert ["b*"] == await listed("b*")
    assert ["b[x]"] == await listed("b[")
    assert ["b\\"] == await listed("b\\")
    assert ["a.1", "b", "b*"] == await listed("", 3)
    assert [] == await listed("c")
