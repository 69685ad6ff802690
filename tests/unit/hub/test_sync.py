"""Channels are brought up to date exactly, however reads and announcements overtake each other."""

from __future__ import annotations

import pytest

from broker.core.cursor import START
from broker.core.errors import StoreUnavailable
from broker.core.ring import Retention
from broker.core.session import State
from tests.support.fanout import TENANT, Fanout
from tests.support.nodes import MakeFanout
from tests.support.outlets import LineEncoder


def finish(node: Fanout) -> None:
    """Let everything happen that waits."""
    node.store.is_manual = False
    node.store.let_go(1000)
    with node.loop.inside():
        node.ear.deliver_all()
    node.loop.settle()


def heal(node: Fanout) -> None:
    """Have the channel a read anew."""
    with node.loop.inside():
        node.hub.distrust(node.tenant, [node.channel("a")])


def test_a_channel_is_opened_once_for_all_who_wait(node: Fanout) -> None:
    """Who comes while it is opened waits for the same task."""
    node.publish("a")
    born = node.store.born(TENANT)
    node.store.is_manual = True
    tasks = [node.enter(["a"], born) for _ in range(5)]
    for _ in range(4):
        node.loop.settle()
        node.store.let_go(10)
        with node.loop.inside():
            node.ear.deliver_all()
    finish(node)
    assert 1 == node.store.reads
    assert all([("a", 1)] == task.result().outlet.ids for task in tasks)


def test_a_later_one_with_an_older_cursor_gets_its_history(node: Fanout) -> None:
    """Whoever opened the channel, and from where: each gets its own suffix (P2)."""
    messages = node.publish("a", "a", "a")
    node.store.is_manual = True
    younger = node.enter(["a"], messages[1].cursor)
    node.loop.settle()
    older = node.enter(["a"], messages[0].cursor)
    finish(node)
    assert [("a", 3)] == younger.result().outlet.ids
    assert [("a", 2), ("a", 3)] == older.result().outlet.ids


def test_a_whole_ring_is_read_once_for_all_older_cursors(node: Fanout) -> None:
    """In a storm of resuming clients one read fills the ring for all of them."""
    messages = node.publish(*["a"] * 10)
    node.attach("a")
    before = node.store.reads
    for message in reversed(messages):
        assert 10 - message.id == len(node.attach("a", cursor=message.cursor).frames)
    assert 1 == node.store.reads - before


def test_what_is_announced_during_a_read_comes_once(node: Fanout) -> None:
    """An announcement that overtakes the read is neither lost nor repeated."""
    outlet = node.attach("a")
    node.store.is_manual = True
    heal(node)
    for _ in range(2):
        node.loop.settle()
        node.publish("a")
        node.store.let_go()
        with node.loop.inside():
            node.ear.deliver_all()
    node.loop.settle()
    node.publish("a")
    finish(node)
    assert [("a", 1), ("a", 2), ("a", 3)] == outlet.ids


def test_a_read_that_is_ahead_of_the_announcements_does_not_swallow_them(node: Fanout) -> None:
    """What lies behind the mark is left to its announcement, or it would reach nobody."""
    outlet = node.attach("a")
    node.store.is_manual = True
    heal(node)
    node.loop.settle()
    node.store.let_go()  # it listens
    node.loop.settle()
    node.store.let_go()  # it has asked for a tick
    node.loop.settle()
    with node.loop.inside():
        node.ear.deliver_all()
    node.loop.settle()
    node.publish("a")  # stored, its announcement under way
    node.store.let_go()
    node.loop.settle()
    node.store.let_go()
    node.loop.settle()
    assert node.channel("a").pending is None
    assert [] == outlet.ids
    finish(node)
    assert [("a", 1)] == outlet.ids


def test_a_long_history_comes_in_pages(make_fanout: MakeFanout) -> None:
    """Page after page, and what is announced between two of them."""
    node = make_fanout(page_messages=3)
    born = node.store.born(TENANT)
    node.publish(*["a"] * 10)
    node.store.is_manual = True
    task = node.enter(["a", "b"], born)
    for _ in range(6):
        node.loop.settle()
        node.publish("b")
        node.store.let_go(10)
        with node.loop.inside():
            node.ear.deliver_all()
    finish(node)
    outlet = task.result().outlet
    assert [("a", number) for number in range(1, 11)] == [
        each for each in outlet.ids if each[0] == "a"
    ]
    assert list(range(1, 7)) == [number for name, number in outlet.ids if name == "b"]


def test_P3_a_history_that_begins_too_late_is_a_gap(make_fanout: MakeFanout) -> None:
    """The notice comes exactly when something after the cursor is no longer kept."""
    node = make_fanout(retention=lambda _: Retention(3))
    messages = node.publish(*["a"] * 5)
    node.attach("a")
    exact, lacking = (node.attach("a", cursor=messages[number].cursor) for number in (1, 0))
    assert ([], [3, 4, 5]) == (exact.gaps, [frame.id for frame in exact.frames])
    assert [3, 4, 5] == [frame.id for frame in lacking.frames]
    assert [(messages[0].cursor, messages[2].cursor)] == [
        (gap.after, gap.first) for gap in lacking.gaps
    ]


def test_P3_no_gap_where_the_cursor_lies_between_messages(make_fanout: MakeFanout) -> None:
    """A cursor after the last lost message misses nothing, though it is no message's cursor."""
    node = make_fanout(retention=lambda name: Retention(1 if name == "a" else 1000))
    node.publish("a", "a")
    [between] = node.publish("b")
    node.publish("a")
    node.attach("a")
    assert [] != node.attach("a", cursor=node.log[0].cursor).gaps
    assert [] == node.attach("a", cursor=node.log[1].cursor).gaps
    assert [] == node.attach("a", cursor=between.cursor).gaps


def test_P3_a_quiet_channel_has_no_gap(node: Fanout) -> None:
    """A channel without any message lacks nothing."""
    born = node.store.born(TENANT)
    node.attach("a")
    assert [] == node.attach("a", cursor=born).events


def test_P3_a_flushed_store_is_a_gap(node: Fanout) -> None:
    """A cursor of an earlier life is told that something may be missing."""
    [message] = node.publish("a")
    node.loop.advance(2.0)
    node.store.lose_everything()
    node.publish("a")
    outlet = node.attach("a", cursor=message.cursor)
    assert ([("a", 1)], 1) == (outlet.ids, len(outlet.gaps))


def test_a_deleted_ring_is_a_gap_on_a_node_that_did_not_have_it(node: Fanout) -> None:
    """Who needs what was deleted is told so; who does not is not."""
    messages = node.publish("a", "a")
    node.loop.run(node.store.delete(TENANT, "a"))
    node.attach("a")
    assert 1 == len(node.attach("a", cursor=messages[0].cursor).gaps)
    assert [] == node.attach("a", cursor=messages[1].cursor).gaps


def test_P3_a_deletion_drops_the_copy_of_every_node(node: Fanout) -> None:
    """Who comes back is told of a gap; who is attached and has everything hears nothing."""
    first = node.publish("a")[0]
    reader = node.attach("a", cursor=first.cursor)
    node.publish("a")
    node.loop.run(node.store.delete(TENANT, "a"))
    node.publish("a")
    node.loop.settle()
    assert ([("a", 2), ("a", 3)], []) == (reader.ids, reader.gaps)
    late = node.attach("a", cursor=first.cursor)
    assert ([("a", 3)], 1) == (late.ids, len(late.gaps))


def test_P3_a_slow_reader_is_told_of_what_was_deleted_meanwhile(node: Fanout) -> None:
    """What waits for its turn is not sent any more, and the notice comes in its place."""
    reader = node.attach("a")
    reader.block(0)
    for _ in range(3):
        node.publish("a")
        node.loop.settle()
    node.loop.run(node.store.delete(TENANT, "a"))
    node.publish("a")
    node.loop.settle()
    reader.drain()
    node.loop.settle()
    # The first one was in its buffer already.
    assert ([("a", 1), ("a", 4)], 1) == (reader.ids, len(reader.gaps))


def test_P3_a_deletion_during_a_cut_is_noticed(node: Fanout) -> None:
    """Nothing was announced of it; the node reads of it once it is connected again."""
    first = node.publish("a")[0]
    node.attach("a", cursor=first.cursor)
    node.publish("a")
    with node.loop.inside():
        node.ear.cut()
    node.loop.run(node.store.delete(TENANT, "a"))
    with node.loop.inside():
        node.ear.restore()
    node.loop.settle()
    late = node.attach("a", cursor=first.cursor)
    assert ([], 1) == (late.ids, len(late.gaps))


def test_who_attaches_hears_when_the_store_fails(node: Fanout) -> None:
    """At once, not after all the time there is; the next one is served."""
    node.store.is_down = True
    task = node.enter(["a"], None)
    node.loop.settle()
    assert isinstance(task.exception(), StoreUnavailable)
    node.store.is_down = False
    outlet = node.attach("a")
    node.publish("a")
    node.loop.settle()
    assert [("a", 1)] == outlet.ids


def test_who_attaches_waits_so_long_and_no_longer(node: Fanout) -> None:
    """A store that does not answer is a refusal after the longest wait."""
    node.attach("a")
    node.store.is_manual = True
    heal(node)
    task = node.enter(["a"], node.tenant.high_water)
    node.loop.advance(4.9)
    assert not task.done()
    node.loop.advance(0.2)
    assert isinstance(task.exception(), StoreUnavailable)
    finish(node)


def test_who_attaches_during_a_cut_is_refused(node: Fanout) -> None:
    """Without announcements nothing can be promised."""
    node.attach("a")
    with node.loop.inside():
        node.ear.cut()
    task = node.enter(["a"], node.log[0].cursor if node.log else node.tenant.high_water)
    node.loop.advance(6.0)
    assert isinstance(task.exception(), StoreUnavailable)


def test_P7_healing_is_tried_until_the_store_answers(node: Fanout) -> None:
    """A store that is down for long delays its subscribers, and loses and tells them nothing."""
    outlet = node.attach("a")
    with node.loop.inside():
        node.ear.cut()
    node.store.is_down = True
    with node.loop.inside():
        node.ear.restore()
    node.loop.advance(30.0)
    node.publish("a")
    assert [] == outlet.ids
    node.store.is_down = False
    node.loop.advance(1.0)
    assert ([("a", 1)], []) == (outlet.ids, outlet.gaps)


def test_P7_a_newcomer_whose_task_fails_leaves_nobody_stuck(node: Fanout) -> None:
    """A channel that a newcomer began to open during a cut heals for those who were there."""
    outlet = node.attach("a")
    node.store.is_manual = True
    with node.loop.inside():
        node.ear.cut()
    newcomer = node.enter(["a"], node.tenant.high_water)
    node.loop.settle()
    node.publish("a")
    node.store.is_down = True
    with node.loop.inside():
        node.ear.restore()
    node.store.let_go(10)
    node.loop.settle()
    node.store.is_down = False
    finish(node)
    node.loop.advance(1.0)
    assert [("a", 1)] == outlet.ids
    assert newcomer.done()


def test_a_cut_between_release_and_the_tasks_end_is_healed(node: Fanout) -> None:
    """A channel is free the moment it is released, so the next cut finds nobody at work on it."""
    outlet = node.attach("a")
    heal(node)
    while node.channel("a").pending is not None:
        node.loop.step()
    with node.loop.inside():
        node.ear.cut()
    node.publish("a")
    with node.loop.inside():
        node.ear.restore()
    node.loop.settle()
    assert [("a", 1)] == outlet.ids


def test_channels_of_one_task_are_released_one_by_one(make_fanout: MakeFanout) -> None:
    """What is announced for one while another is still read does not get lost (P2)."""
    node = make_fanout(page_messages=1)
    born = node.store.born(TENANT)
    node.publish(*["long"] * 8)
    quick = node.attach("short")
    node.loop.run(node.sync.tick(node.tenant))
    with node.loop.inside():
        node.ear.cut()
    node.feed("short", "long")
    node.store.is_manual = True
    with node.loop.inside():
        node.ear.restore()
    task = node.enter(["short", "long"], born)
    for _ in range(12):
        node.loop.settle()
        node.publish("short")
        node.store.let_go(1)
        with node.loop.inside():
            node.ear.deliver_all()
    finish(node)
    expected = [("short", number) for number in range(1, 13)]
    assert expected == quick.ids
    assert expected == [each for each in task.result().outlet.ids if each[0] == "short"]


def test_P7_a_cut_after_one_of_several_was_released_heals_it(make_fanout: MakeFanout) -> None:
    """A channel is nobody's any more once it is released, though its task goes on with others."""
    node = make_fanout(page_messages=1)
    outlet = node.attach("short", "long")
    with node.loop.inside():
        node.ear.cut()
    node.publish(*["long"] * 6)
    node.store.is_manual = True
    with node.loop.inside():
        node.ear.restore()
    while node.channel("short").pending is not None:
        node.loop.settle()
        node.store.let_go()
        with node.loop.inside():
            node.ear.deliver_all()
    assert node.channel("long").pending is not None
    with node.loop.inside():
        node.ear.cut()
    node.publish("short")
    with node.loop.inside():
        node.ear.restore()
    finish(node)
    assert [("long", number) for number in range(1, 7)] + [("short", 1)] == outlet.ids


def test_what_was_read_before_a_cut_does_not_end_the_hold(node: Fanout) -> None:
    """An answer that arrives during a cut says nothing of what is announced to nobody."""
    node.attach("a")
    node.store.is_manual = True
    heal(node)
    while not node.store.lookups or node.store.reads < 2:
        node.loop.settle()
        node.store.let_go()
        with node.loop.inside():
            node.ear.deliver_all()
    node.loop.settle()
    with node.loop.inside():
        node.ear.cut()
    for _ in range(3):
        node.store.let_go(5)
        node.loop.settle()
    assert node.channel("a").pending is not None


def test_what_was_synchronised_is_known_up_to_the_mark(node: Fanout) -> None:
    """A predecessor before that is no hole, whatever it is called."""
    born = node.store.born(TENANT)
    node.loop.advance(60.0)
    node.attach("a", cursor=born)
    assert node.tenant.high_water == node.channel("a").ring.head > born


def test_a_newcomer_does_not_throw_away_what_others_need(node: Fanout) -> None:
    """Only a channel that nobody had yet begins at the newcomer's cursor."""
    node.attach("a")
    node.publish(*["a"] * 5)
    node.loop.settle()
    with node.loop.inside():
        node.ear.cut()
    node.enter(["a"], node.tenant.high_water)
    node.loop.settle()
    assert 5 == len(node.channel("a").ring)


def test_too_many_pending_announcements_are_read_again(make_fanout: MakeFanout) -> None:
    """What waits is bounded; nothing is lost by it."""
    node = make_fanout()
    node.hub._limits = node.hub._limits._replace(pending=5)
    outlet = node.attach("a")
    node.store.is_manual = True
    heal(node)
    node.loop.settle()
    for _ in range(40):
        node.publish("a")
        with node.loop.inside():
            node.ear.deliver_all()
        assert len(node.channel("a").pending or ()) <= 5
    finish(node)
    assert [("a", number) for number in range(1, 41)] == outlet.ids


def test_many_channels_heal_in_several_tasks(node: Fanout) -> None:
    """One call of the store never has all channels of a large node."""
    names = [f"c{number}" for number in range(600)]
    for name in names:
        node.feed(name)
    channels = [node.channel(name) for name in names]
    with node.loop.inside():
        node.sync.heal(node.tenant, channels)
        node.sync.heal(node.tenant, channels)
    assert 3 == len(set(node.sync._working.values()))
    node.loop.settle()
    assert all(channel.pending is None for channel in channels)
    assert len(node.store.lookups) <= 256


# --- refilling ------------------------------------------------------------


def test_P8_a_slow_reader_is_served_from_the_store(node: Fanout) -> None:
    """What the local ring no longer has is read back, and the session is live again."""
    outlet = node.attach("a")
    outlet.block(5)
    node.publish(*["a"] * 5)
    node.loop.settle()
    node.publish(*["a"] * 5)
    node.loop.settle()
    node.channel("a").shed()
    with node.loop.inside():
        outlet.drain()
    node.loop.settle()
    assert [("a", number) for number in range(1, 11)] == outlet.ids
    assert outlet.session is not None
    assert (State.LIVE, False) == (outlet.session.state, outlet.session.queued)


def test_a_refill_is_not_started_twice(node: Fanout) -> None:
    """While the store is read nothing else gives the session a turn."""
    outlet = node.attach("a")
    outlet.block(5)
    node.publish(*["a"] * 20)
    node.loop.settle()
    node.channel("a").shed()
    node.store.is_manual = True
    with node.loop.inside():
        outlet.drain()
    node.loop.settle()
    before = len(node.sync._background._tasks)
    assert outlet.session is not None
    for _ in range(3):
        with node.loop.inside():
            outlet.session.drained()
        node.loop.settle()
    assert before == len(node.sync._background._tasks)
    finish(node)
    assert 20 == len(outlet.ids)


def test_a_refill_survives_a_store_that_is_down(node: Fanout) -> None:
    """It is tried again until the rings reach back."""
    outlet = node.attach("a")
    outlet.block(5)
    node.publish(*["a"] * 20)
    node.loop.settle()
    node.channel("a").shed()
    node.store.is_down = True
    with node.loop.inside():
        outlet.drain()
    node.loop.advance(3.0)
    assert len(outlet.ids) < 20
    node.store.is_down = False
    node.loop.advance(1.0)
    assert 20 == len(outlet.ids)


def test_a_refill_ends_with_its_session(node: Fanout) -> None:
    """Nothing goes on for someone who has left."""
    outlet = node.attach("a")
    outlet.block(5)
    node.publish(*["a"] * 20)
    node.loop.settle()
    node.channel("a").shed()
    node.store.is_down = True
    with node.loop.inside():
        outlet.drain()
    node.loop.advance(1.0)
    assert node.sync._background.is_busy
    with node.loop.inside():
        outlet.hang_up()
    node.loop.advance(1.0)
    assert not node.sync._background.is_busy


def test_eviction_during_a_fill_leaves_no_hole(make_fanout: MakeFanout) -> None:
    """What the ring drops while the store is read is read as well (P2)."""
    node = make_fanout(retention=lambda _: Retention(4), page_messages=2)
    first = node.publish("a", "a")[0]
    node.attach("a")
    node.store.is_manual = True
    task = node.enter(["a"], first.cursor)
    for _ in range(8):
        node.loop.settle()
        node.publish("a")
        node.store.let_go()
        with node.loop.inside():
            node.ear.deliver_all()
    finish(node)
    outlet = task.result().outlet
    numbers = [frame.id for frame in outlet.frames]
    assert list(range(numbers[0], 11)) == numbers
    assert (numbers[0] > 2) == bool(outlet.gaps)


def test_a_channel_dropped_during_its_opening_is_let_go(make_fanout: MakeFanout) -> None:
    """Nobody listens to it any more, and the task ends."""
    node = make_fanout(linger_s=1.0)
    node.store.is_manual = True
    feed = node.feed("a")
    with node.loop.inside():
        node.sync.heal(node.tenant, feed.channels)
    node.loop.advance(2.0)
    with node.loop.inside():
        node.hub.upkeep()
    assert {} == node.tenant.channels
    finish(node)
    assert (set(), {}) == (node.ear.heard, node.sync._working)
    assert not node.sync._background.is_busy


def test_closing_gives_everything_up(node: Fanout) -> None:
    """Those who wait are refused, and no task is left."""
    node.store.is_manual = True
    task = node.enter(["a"], START)
    for _ in range(2):
        node.loop.settle()
        node.store.let_go()
        with node.loop.inside():
            node.ear.deliver_all()
    node.loop.settle()
    node.loop.run(node.sync.close())
    node.loop.settle()
    assert isinstance(task.exception(), StoreUnavailable)
    assert not node.sync._background.is_busy


def test_a_poll_that_lags_on_a_held_feed_is_answered_after_it(node: Fanout) -> None:
    """It waits for what is missing, and its answer says how far it goes (P4)."""
    polls = LineEncoder(once=True)
    node.attach("a", "b", encoder=polls)
    begin = node.tenant.high_water
    node.publish("a")
    node.loop.settle()
    outlet = node.attach("a", "b", cursor=node.tenant.high_water, encoder=polls)
    node.store.is_manual = True
    heal(node)
    node.publish("b", "a")
    node.loop.settle()
    with node.loop.inside():
        node.ear.deliver_all()
    node.loop.settle()
    assert [] == outlet.answers
    finish(node)
    assert [("b", 1), ("a", 2)] == outlet.ids
    assert outlet.answers == [outlet.cursor]
    assert outlet.answers[0] > begin


@pytest.mark.parametrize("kept", [0, 1])
def test_a_ring_that_keeps_little_delivers_live(make_fanout: MakeFanout, kept: int) -> None:
    """Live delivery needs no ring; a resumed client is told what it missed."""
    node = make_fanout(retention=lambda _: Retention(kept))
    outlet = node.attach("a")
    messages = node.publish("a", "a", "a")
    node.loop.settle()
    assert ([1, 2, 3], []) == ([frame.id for frame in outlet.frames], outlet.gaps)
    resumed = node.attach("a", cursor=messages[0].cursor)
    assert (kept, 1) == (len(resumed.frames), len(resumed.gaps))
    node.publish("a")
    node.loop.settle()
    assert 4 == resumed.frames[-1].id
