"""Whoever attaches begins where it should, at a feed that is alive and up to date."""

from __future__ import annotations

from broker.core.cursor import Cursor
from broker.core.session import State
from tests.support.fanout import TENANT, Fanout
from tests.support.nodes import MakeFanout
from tests.support.outlets import RecordingOutlet


def test_a_newcomer_begins_now(node: Fanout) -> None:
    """It gets nothing of what was stored before, and everything that comes after."""
    node.publish("a")
    outlet = node.attach("a")
    assert [] == outlet.events
    node.publish("a")
    node.loop.settle()
    assert [("a", 2)] == outlet.ids


def test_a_newcomer_needs_the_stores_clock(node: Fanout) -> None:
    """Its cursor is one that no later message gets, on whatever node (P1)."""
    first = node.enter(["a"], None)
    node.loop.settle()
    node.loop.advance(10.0)
    second = node.enter(["a"], None)
    node.loop.settle()
    [message] = node.publish("a")
    assert first.result().begin < second.result().begin < message.cursor


def test_a_cursor_from_the_future_is_now(node: Fanout) -> None:
    """Nothing that is stored from now on is kept from its holder."""
    task = node.enter(["a"], Cursor(2**33, 5))
    node.loop.settle()
    outlet = task.result().outlet
    assert task.result().begin == node.tenant.high_water
    node.publish("a")
    node.loop.settle()
    assert [("a", 1)] == outlet.ids


def test_a_cursor_of_another_node_is_waited_for(node: Fanout) -> None:
    """What lies behind the mark of this node is asked of the store, not clamped."""
    node.attach("b")
    [first, second] = node.publish("a", "a")
    assert node.tenant.high_water < second.cursor
    outlet = node.attach("a", cursor=first.cursor)
    assert [("a", 2)] == outlet.ids


def test_entering_at_once_needs_everything_at_hand(node: Fanout) -> None:
    """A newcomer, an unknown channel, an older cursor and a later one all need the store."""
    names = ("a",)

    def enter(cursor: Cursor | None) -> bool:
        entry = node.subscriber.enter_now(TENANT, names, cursor, node.encoder)
        return entry is not None

    assert not enter(None)
    assert not enter(node.tenant.high_water)
    node.attach("a")
    mark = node.tenant.high_water
    assert enter(mark)
    assert not enter(Cursor(mark.time, mark.tag + 1))
    assert not enter(Cursor(mark.time - 1, 0))


def test_who_comes_back_to_a_feed_and_missed_nothing_is_there_at_once(node: Fanout) -> None:
    """Its place is now, though its cursor is from before; nothing is looked for."""
    node.attach("a")
    feed, before = node.feed("a"), node.tenant.high_water
    assert (feed, before) == node.subscriber.remain(feed, before)
    node.loop.advance(5.0)
    node.loop.run(node.subscriber.now(TENANT))
    now = node.tenant.high_water
    assert before < now
    assert (feed, now) == node.subscriber.remain(feed, before)


def test_who_missed_something_or_may_have_cannot_just_remain(node: Fanout) -> None:
    """After a later message, at a cursor from the future, during a cut: the feed cannot tell."""
    node.attach("a")
    feed, before = node.feed("a"), node.tenant.high_water
    node.publish("a")
    node.loop.settle()
    mark = node.tenant.high_water
    assert node.subscriber.remain(feed, before) is None
    assert node.subscriber.remain(feed, mark) is not None
    assert node.subscriber.remain(feed, Cursor(mark.time, mark.tag + 1)) is None
    with node.loop.inside():
        node.ear.cut()
    assert node.subscriber.remain(feed, mark) is None


def test_a_feed_that_was_dropped_is_no_place_to_remain_in(make_fanout: MakeFanout) -> None:
    """It gets no messages any more, so it knows nothing."""
    node = make_fanout(linger_s=1.0)
    entry = node.loop.run(node.subscriber.enter(TENANT, ("a",), None, node.encoder))
    assert node.subscriber.remain(entry.feed, entry.cursor) is not None
    node.loop.advance(5.0)
    with node.loop.inside():
        node.hub.upkeep()
    assert node.subscriber.remain(entry.feed, entry.cursor) is None


def test_a_session_that_came_too_late_is_not_attached(node: Fanout) -> None:
    """A client that has gone meanwhile leaves no trace."""
    outlet = RecordingOutlet(ending=True)
    task = node.enter(["a"], None, outlet=outlet)
    node.loop.settle()
    assert State.CLOSED is task.result().session.state
    assert (0, True) == (node.attendance.count, node.feed("a").is_empty)


def test_an_entry_to_a_feed_that_was_dropped_still_works(make_fanout: MakeFanout) -> None:
    """However long somebody takes between entering and attaching, nothing is lost (P2)."""
    node = make_fanout(linger_s=1.0)
    entering = node.subscriber.enter(TENANT, ("a",), None, node.encoder)
    entry = node.loop.run(entering)
    node.loop.advance(5.0)
    with node.loop.inside():
        node.hub.upkeep()
    assert entry.feed.is_dropped
    node.publish("a")
    outlet = RecordingOutlet()
    with node.loop.inside():
        node.subscriber.attach(entry, outlet, None, notices=True)
    node.loop.settle()
    node.publish("a")
    node.loop.settle()
    assert ([("a", 1), ("a", 2)], []) == (outlet.ids, outlet.gaps)


def test_an_entry_to_a_feed_that_nobody_heals_is_healed(node: Fanout) -> None:
    """A channel that stayed behind because nobody wanted it is brought up for who comes."""
    entry = node.loop.run(node.subscriber.enter(TENANT, ("a",), None, node.encoder))
    with node.loop.inside():
        node.ear.cut()
    node.store.is_down = True
    with node.loop.inside():
        node.ear.restore()
    node.loop.advance(3.0)
    node.store.is_down = False
    node.publish("a")
    assert node.channel("a").pending is not None
    outlet = RecordingOutlet()
    with node.loop.inside():
        node.subscriber.attach(entry, outlet, None, notices=True)
    node.loop.settle()
    assert [("a", 1)] == outlet.ids


def test_what_this_node_stored_is_found_at_once(node: Fanout) -> None:
    """Settling waits for the announcements of what publishers of this node were told."""
    node.attach("a")
    node.store.is_manual = True
    [message] = node.publish("a")
    node.hub.wrote(TENANT, message.cursor)
    assert not node.subscriber.is_settled(TENANT)
    task = node.loop.create_task(node.subscriber.settle(TENANT))
    node.loop.settle()
    node.store.let_go()
    node.loop.settle()
    assert not task.done()
    with node.loop.inside():
        node.ear.deliver_all()
    node.loop.settle()
    assert task.done()
    assert node.subscriber.is_settled(TENANT)
