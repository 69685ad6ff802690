"""One order, all or nothing, contiguous: what every store promises, on every store."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest

from broker.core.cursor import START, Cursor
from broker.core.errors import BadBody, IdempotencyMismatch, PreconditionFailed
from broker.core.message import Draft, Message
from broker.core.ring import Retention
from broker.store.base import Lookup, Publication, Store, Stored
from tests.conformance.store_subjects import (
    RETENTION,
    TENANT,
    MemorySubject,
    Subject,
    bodies,
    publication,
    publish,
    read,
    stamps,
)


@pytest.mark.parametrize("seed", range(3))
async def test_p5_cursors_only_rise_whatever_the_clock_does(
    subject: Subject, store: Store, seed: int
) -> None:
    """Steps of the clock to and fro, and floors before and ahead, never reverse the order."""
    random = Random(seed)
    last = START
    for _ in range(40):
        if last > START:
            subject.pass_time(random.choice([-3600, -1, 0, 0, 1, 60]))
        floor = random.choice(
            [START, last, Cursor(last.time + random.randrange(3), random.randrange(9))]
        )
        calls = [
            publication(random.choice("abc"), *[b"1"] * random.randrange(1, 4)) for _ in range(3)
        ]
        for stamp in stamps(await publish(store, *calls, floor=floor)):
            assert stamp.cursor > max(last, floor)
            last = stamp.cursor
    histories = await store.read(TENANT, [Lookup(name, START) for name in "abc"], 1000, START)
    every = sorted(message for history in histories for message in history.messages)
    assert len({message.cursor for message in every}) == len(every)


async def test_p5_tags_go_on_after_the_floor_of_the_same_second(store: Store) -> None:
    """A floor ahead of the clock is the last cursor given out."""
    (first,) = stamps(await publish(store, publication("a", b"1")))
    floor = Cursor(first.cursor.time + 600, 7)
    (second,) = stamps(await publish(store, publication("a", b"2"), floor=floor))
    (third,) = stamps(await publish(store, publication("a", b"3")))
    assert [Cursor(floor.time, 8), Cursor(floor.time, 9)] == [second.cursor, third.cursor]


async def test_tags_count_from_one_in_every_second(subject: Subject, store: Store) -> None:
    """The first message of a second has tag 1, whatever came before."""
    stamps(await publish(store, publication("a", b"1", b"2", b"3")))
    subject.pass_time(30)
    (later,) = stamps(await publish(store, publication("a", b"4")))
    assert later.cursor.tag == 1


async def test_p5_tags_beyond_single_precision_are_exact(store: Store) -> None:
    """Tags of sixteen digits are compared and counted exactly."""
    floor = Cursor(2_000_000_000, 9_000_000_000_000_123)
    found = stamps(await publish(store, publication("a", b"1", b"2"), floor=floor))
    assert [floor.tag + 1, floor.tag + 2] == [stamp.cursor.tag for stamp in found]
    history = await read(store, "a", found[0].cursor)
    assert [found[1].cursor] == [message.cursor for message in history.messages]


async def test_p5_a_hundred_thousand_messages_in_one_second() -> None:
    """A clock that stands still gives a hundred thousand different cursors in order."""
    subject = MemorySubject()
    store = await subject.store()
    calls = [publication("a", *[b"1"] * 100) for _ in range(10)]
    await publish(store, publication("a", b"0"))
    subject.pass_time(1)
    found = [stamp for _ in range(100) for stamp in stamps(await publish(store, *calls))]
    time = found[0].cursor.time
    assert [Cursor(time, tag) for tag in range(1, 100_001)] == [each.cursor for each in found]


async def test_tenants_are_apart(store: Store) -> None:
    """A tenant has its own channels, ids and idempotency keys."""
    keyed = publication("a", b"1", idempotency_key="k", fingerprint="f")
    await publish(store, keyed, tenant="one")
    (stamp,) = stamps(await publish(store, keyed, tenant="two"))
    assert ("a", 1) == (stamp.channel, stamp.id)
    assert [1, 1, 0] == [
        len((await read(store, "a", tenant=name)).messages) for name in ("one", "two", "three")
    ]


async def test_p6_one_publication_reaches_all_its_channels(store: Store) -> None:
    """Messages to several channels are stored in the order in which they were handed in."""
    drafts = [Draft("a", b"1"), Draft("b", b"2", "e", "t"), Draft("a", b"3"), Draft("a", b"4")]
    found = stamps(await publish(store, Publication(drafts, [RETENTION] * 4)))
    assert [("a", 1), ("b", 1), ("a", 2), ("a", 3)] == [(each.channel, each.id) for each in found]
    assert sorted(found, key=lambda stamp: stamp.cursor) == found
    assert [b"1", b"3", b"4"] == bodies(await read(store, "a"))
    (message,) = (await read(store, "b")).messages
    assert (b"2", "e", "t") == (message.body, message.event_id, message.event_type)


async def test_if_match_takes_the_last_tag_or_cursor(store: Store) -> None:
    """A condition holds when it names the channel's last message, by tag in any spelling."""
    (first,) = stamps(await publish(store, publication("a", b"1")))
    (second,) = stamps(
        await publish(store, publication("a", b"2", if_match=f'W/"{first.cursor.tag}"'))
    )
    (third,) = stamps(await publish(store, publication("a", b"3", if_match=str(second.cursor))))
    assert third.id == 3


@pytest.mark.parametrize("wanted", ["{before}", "0", "{later}", "1-1", "other", "*", "-1"])
async def test_p6_if_match_refuses_any_other_message(store: Store, wanted: str) -> None:
    """A condition that names no message or another than the last stores nothing."""
    _, last = stamps(await publish(store, publication("a", b"1", b"2")))
    text = wanted.format(before=last.cursor.tag - 1, later=last.cursor.tag + 1)
    before, refused, after = await publish(
        store,
        publication("b", b"x"),
        publication("a", b"3", if_match=text),
        publication("b", b"y"),
    )
    assert isinstance(refused, PreconditionFailed)
    assert [1, 2] == [stamp.id for stamp in stamps([before, after])]
    assert [b"1", b"2"] == bodies(await read(store, "a"))


async def test_if_match_on_an_unknown_channel_is_refused(store: Store) -> None:
    """A channel without messages has no last one."""
    (outcome,) = await publish(store, publication("a", b"1", if_match="1"))
    assert isinstance(outcome, PreconditionFailed)
    assert await store.info(TENANT, "a") is None


async def test_if_match_sees_earlier_publications_of_the_call(store: Store) -> None:
    """Of two conditions on the same message in one call, one holds."""
    (first,) = stamps(await publish(store, publication("a", b"1")))
    wanted = str(first.cursor.tag)
    taken, refused = await publish(
        store, publication("a", b"2", if_match=wanted), publication("a", b"3", if_match=wanted)
    )
    assert isinstance(taken, Stored)
    assert isinstance(refused, PreconditionFailed)


async def test_p6_an_idempotency_key_stores_once(store: Store) -> None:
    """A repeated publication gets the first answer, in the same call and in later ones."""
    drafts = [Draft("a", b"1"), Draft("b", b"2"), Draft("b", b"3"), Draft("a", b"4", "e")]
    keyed = Publication(drafts, [RETENTION] * 4, idempotency_key="k", fingerprint="f")
    first, second = await publish(store, keyed, keyed)
    await publish(store, publication("a", b"5"))
    (third,) = await publish(store, keyed)
    assert isinstance(first, Stored)
    assert Stored(first.stamps, repeated=True) == second == third
    assert not first.repeated
    assert [b"1", b"4", b"5"] == bodies(await read(store, "a"))


async def test_p6_an_idempotency_key_of_another_request_is_refused(store: Store) -> None:
    """A key that comes back with another fingerprint stores nothing."""
    await publish(store, publication("a", b"1", idempotency_key="k", fingerprint="f"))
    (refused,) = await publish(
        store, publication("a", b"2", b"3", idempotency_key="k", fingerprint="f\nf")
    )
    assert isinstance(refused, IdempotencyMismatch)
    assert [b"1"] == bodies(await read(store, "a"))


async def test_an_idempotency_key_of_a_refused_request_is_free(store: Store) -> None:
    """A refusal is no answer to keep."""
    keyed = publication("a", b"1", idempotency_key="k", fingerprint="f", if_match="1")
    (refused,) = await publish(store, keyed)
    assert isinstance(refused, PreconditionFailed)
    (stored,) = await publish(store, keyed._replace(if_match=""))
    assert isinstance(stored, Stored)


@pytest.mark.parametrize(
    "draft", [Draft("a", b"1\n2"), Draft("a", b"1", "e\n"), Draft("a", b"1", "", "\nt")]
)
async def test_p6_a_line_feed_is_refused_alone(store: Store, draft: Draft) -> None:
    """What cannot be announced is refused whole, and no other publication with it."""
    first, refused, last = await publish(
        store,
        publication("a", b"0"),
        Publication([Draft("a", b"x"), draft], [RETENTION] * 2),
        publication("a", b"2"),
    )
    assert isinstance(refused, BadBody)
    assert [1, 2] == [stamp.id for stamp in stamps([first, last])]


async def test_an_empty_publication_is_stored_at_once(store: Store) -> None:
    """No messages are easily stored, with or without a key."""
    outcomes = await publish(
        store, publication("a"), publication("a", idempotency_key="k"), publication("a", b"1")
    )
    assert [0, 0, 1] == [len(stamps([outcome])) for outcome in outcomes]


@pytest.mark.parametrize("seed", range(5))
async def test_random_calls_end_as_in_a_naive_model(store: Store, seed: int) -> None:
    """Any mixture of conditions, widths and channels gives the outcomes of a plain dictionary."""
    random = Random(seed)
    kept: dict[str, list[tuple[int, bytes, str]]] = {name: [] for name in "abc"}
    tags: dict[str, int] = {}
    keys: dict[str, tuple[str, list[tuple[str, int]]]] = {}
    requests: dict[str, list[Draft]] = {}
    retention = {name: Retention(random.randrange(1, 9), 3600) for name in "abc"}
    for _ in range(12):
        calls, expected = [], []
        for _ in range(random.randrange(1, 9)):
            drafts = [
                Draft(random.choice("abc"), b"%d" % random.randrange(99), random.choice(["", "e"]))
                for _ in range(random.randrange(1, 5))
            ]
            key = random.choice(["", "", "k1", "k2", "k3"])
            if key in requests and random.random() < 0.5:
                drafts = requests[key]
            requests.setdefault(key, drafts)
            fingerprint = repr(drafts)
            calls.append(
                Publication(drafts, [retention[d.channel] for d in drafts], key, fingerprint)
            )
            if key in keys:
                same = keys[key][0] == fingerprint
                expected.append(keys[key][1] if same else None)
                continue
            ids = []
            for draft in drafts:
                last = tags.get(draft.channel, 0) + 1
                tags[draft.channel] = last
                kept[draft.channel].append((last, draft.body, draft.event_id))
                ids.append((draft.channel, last))
            expected.append(ids)
            if key:
                keys[key] = (fingerprint, ids)
        outcomes = await publish(store, *calls)
        assert expected == [
            [(s.channel, s.id) for s in each.stamps] if isinstance(each, Stored) else None
            for each in outcomes
        ]
    for name, messages in kept.items():
        history = await read(store, name)
        assert messages[-retention[name].messages :] == [
            (m.id, m.body, m.event_id) for m in history.messages
        ]


def assert_linked(messages: list[Message]) -> None:
    """Check that ids and predecessors have no hole."""
    for message, following in pairwise(messages):
        assert (message.id + 1, message.cursor) == (following.id, following.prev)


async def test_ids_count_from_one_and_name_their_predecessor(
    subject: Subject, store: Store
) -> None:
    """Ids are contiguous over calls, seconds and parts, and `prev` is the cursor before."""
    for _ in range(3):
        await publish(store, publication("a", b"1", b"2"), publication("b", b"x"))
        await publish(store, publication("a", b"3"))
        subject.pass_time(1)
    history = await read(store, "a")
    assert list(range(1, 10)) == [message.id for message in history.messages]
    assert_linked(list(history.messages))
    assert history.head == history.messages[-1].cursor


async def test_the_first_message_names_the_beginning_of_the_tenant(store: Store) -> None:
    """Nothing is known before the tenant was first used, and `prev` says so."""
    unknown = await read(store, "b")
    await publish(store, publication("a", b"1"))
    (message,) = (await read(store, "a")).messages
    assert unknown.head == message.prev
    assert START < message.prev < message.cursor


async def test_p5_a_new_tenant_begins_after_every_earlier_life(
    subject: Subject, store: Store
) -> None:
    """Tags of the first second begin so high that none of a lost store comes back."""
    (stamp,) = stamps(await publish(store, publication("a", b"1")))
    assert stamp.cursor.tag > 1_000_000
    if isinstance(subject, MemorySubject):
        assert Cursor(int(subject.now), 1_000_001) == stamp.cursor
    subject.pass_time(1)
    (stamp,) = stamps(await publish(store, publication("a", b"2")))
    assert stamp.cursor.tag == 1
