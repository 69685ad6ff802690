"""A ring is filled downwards with all that is kept, and knows exactly where that begins."""

from __future__ import annotations

from broker.core.cursor import START, Cursor
from broker.core.ring import Retention
from tests.support.fanout import TENANT, Fanout
from tests.support.nodes import MakeFanout


def fill(node: Fanout, name: str = "a") -> None:
    """Fill a channel's ring, once."""
    with node.loop.inside():
        node.sync._backfill.start(node.tenant, node.channel(name))
    node.loop.settle()


def test_the_whole_ring_is_read_in_pages(make_fanout: MakeFanout) -> None:
    """Everything that is kept is there afterwards, and nothing older is kept anywhere."""
    node = make_fanout(page_messages=3)
    node.publish(*["a"] * 10)
    node.attach("a")
    fill(node)
    channel = node.channel("a")
    assert list(range(1, 11)) == [message.id for message in channel.ring.since(START)]
    assert (True, node.store.born(TENANT)) == (channel.bottom, channel.ring.floor)


def test_P3_the_floor_is_the_last_lost_message(make_fanout: MakeFanout) -> None:
    """Not the cursor from which on the node happens to know the channel."""
    node = make_fanout(retention=lambda name: Retention(2 if name == "a" else 10))
    messages = node.publish("a", "a", "a")
    node.publish("b")
    node.attach("a")
    fill(node)
    assert messages[0].cursor == node.channel("a").ring.floor


def test_P3_the_floor_of_an_emptied_channel_is_its_last_message(node: Fanout) -> None:
    """Whoever has that one misses nothing."""
    messages = node.publish("a", "a")
    node.publish("b")
    node.loop.run(node.store.delete(TENANT, "a"))
    node.attach("a")
    fill(node)
    assert messages[-1].cursor == node.channel("a").ring.floor


def test_P3_what_only_this_node_still_has_is_no_gap(node: Fanout) -> None:
    """What the store lost and the local ring holds is replayed, and no gap is told before it."""
    first = node.publish("a")[0]
    node.publish("b")
    node.attach("a")
    node.publish("a")
    node.store.kept_ring(TENANT, "a").clear()
    outlet = node.attach("a", cursor=first.cursor)
    assert ([("a", 2)], []) == (outlet.ids, outlet.gaps)


def test_P3_what_was_deleted_while_it_was_read_does_not_come_back(node: Fanout) -> None:
    """The store read it before, and its answer arrives after the deletion was announced."""
    messages = node.publish("a", "a")
    node.attach("a")
    node.store.is_manual = True
    fill(node)
    node.store.let_go()  # read; the answer is under way
    node.loop.settle()
    node.loop.run(node.store.delete(TENANT, "a"))
    with node.loop.inside():
        node.ear.deliver_all()
    node.store.is_manual = False
    node.store.let_go()
    node.loop.settle()
    channel = node.channel("a")
    assert (0, messages[-1].cursor) == (len(channel.ring), channel.ring.floor)


def test_P3_what_is_lost_between_two_pages_leaves_no_hole(make_fanout: MakeFanout) -> None:
    """What was read before the loss is dropped as well: a ring has no holes."""
    node = make_fanout(page_messages=2)
    messages = node.publish(*["a"] * 6)
    node.attach("a")
    node.store.is_manual = True
    fill(node)
    for _ in range(2):  # the first page is read, and arrives
        node.store.let_go()
        node.loop.settle()
    node.loop.create_task(node.store.delete(TENANT, "a"))
    node.store.is_manual = False
    node.store.let_go()
    node.loop.settle()
    channel = node.channel("a")
    assert (0, messages[-1].cursor) == (len(channel.ring), channel.ring.floor)


def test_P2_what_the_ring_drops_meanwhile_is_read_as_well(make_fanout: MakeFanout) -> None:
    """A ring that is full before the store's answer is there does not pretend to reach back."""
    node = make_fanout(retention=lambda _: Retention(3))
    last = node.publish("a", "a")[1]
    node.publish("b")
    node.attach("a")
    node.store.is_manual = True
    task = node.enter(["a"], last.cursor)
    node.loop.settle()
    node.store.let_go()  # read; the answer is under way
    node.loop.settle()
    node.publish(*["a"] * 6)
    with node.loop.inside():
        node.ear.deliver_all()
    node.store.is_manual = False
    node.store.let_go()
    node.loop.settle()
    outlet = task.result().outlet
    assert ([6, 7, 8], 1) == ([frame.id for frame in outlet.frames], len(outlet.gaps))


def test_a_ring_that_began_anew_is_left_alone(node: Fanout) -> None:
    """What was read for another ring does not belong to this one."""
    node.publish("a")
    node.attach("a")
    node.store.is_manual = True
    fill(node)
    channel = node.channel("a")
    channel.restart(Cursor(2**32, 0), bottom=False)
    node.store.is_manual = False
    node.store.let_go()
    node.loop.settle()
    assert (0, False) == (len(channel.ring), channel.bottom)
    assert {} == node.sync._backfill._working
