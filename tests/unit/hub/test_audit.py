"""A dropped announcement is found although no later message of its channel reveals it."""

from __future__ import annotations

from tests.support.fanout import TENANT, Fanout


def audit(node: Fanout, steps: int = 1) -> None:
    """Take steps of the audit."""
    for _ in range(steps):
        with node.loop.inside():
            node.audit.step()
        node.loop.settle()


def lose_one(node: Fanout, *channels: str) -> None:
    """Publish, and drop the announcement of the first message."""
    node.store.is_manual = True
    node.publish(*channels)
    node.ear.drop()
    node.store.is_manual = False
    with node.loop.inside():
        node.ear.deliver_all()
    node.loop.settle()


def test_P7_the_last_message_of_a_quiet_channel_arrives(node: Fanout) -> None:
    """Its announcement was lost, and nothing follows: the audit delivers it."""
    outlet = node.attach("a")
    lose_one(node, "a")
    assert [] == outlet.ids
    audit(node)
    assert [("a", 1)] == outlet.ids


def test_P7_what_was_lost_behind_other_channels_arrives(node: Fanout) -> None:
    """A later message of another channel moved the cursor on; it is delivered nevertheless."""
    outlet = node.attach("a", "b")
    lose_one(node, "a", "b")
    assert [("b", 1)] == outlet.ids
    audit(node)
    assert [("b", 1), ("a", 1)] == outlet.ids
    assert [frame.cursor for frame in outlet.frames] == sorted(
        frame.cursor for frame in outlet.frames
    )


def test_an_announcement_under_way_is_no_hole(node: Fanout) -> None:
    """What the store has and the node not yet is left to its announcement."""
    outlet = node.attach("a")
    node.store.is_manual = True
    node.publish("a")
    with node.loop.inside():
        node.audit.step()
    for _ in range(4):
        node.loop.settle()
        node.store.let_go()
    assert 2 == len(node.ear.queue)
    with node.loop.inside():
        node.ear.deliver_all()
    node.loop.settle()
    assert ([("a", 1)], None) == (outlet.ids, node.channel("a").pending)
    assert 0 == node.store.waiting


def test_a_clean_channel_is_known_up_to_now(node: Fanout) -> None:
    """What was compared need not be read again, nor be called a gap later."""
    node.attach("a")
    node.loop.advance(50.0)
    node.loop.run(node.sync.tick(node.tenant))
    audit(node)
    assert node.tenant.high_water == node.channel("a").ring.head


def test_every_channel_has_its_turn(node: Fanout) -> None:
    """A few at a time, all of them in turns, one read each step."""
    names = [f"c{number}" for number in range(150)]
    node.attach(*names)
    before, seen = node.store.reads, set[str]()
    for _ in range(3):
        audit(node)
        assert len(node.store.lookups) <= 64
        seen |= {lookup.channel for lookup in node.store.lookups}
    assert (set(names), 3) == (seen, node.store.reads - before)


def test_a_step_that_takes_long_is_not_overtaken(node: Fanout) -> None:
    """One step at a time, however slow the store."""
    node.attach("a")
    node.store.is_manual = True
    audit(node, 5)
    assert 1 == node.store.waiting


def test_a_store_that_is_down_is_no_matter(node: Fanout) -> None:
    """The next step looks again."""
    outlet = node.attach("a")
    lose_one(node, "a")
    node.store.is_down = True
    audit(node)
    node.store.is_down = False
    audit(node, 2)
    assert [("a", 1)] == outlet.ids


def test_a_held_channel_is_left_alone(node: Fanout) -> None:
    """Somebody is at work on it already."""
    outlet = node.attach("a")
    with node.loop.inside():
        node.ear.cut()
    node.publish("a")
    audit(node, 2)
    with node.loop.inside():
        node.ear.restore()
    node.loop.settle()
    assert [("a", 1)] == outlet.ids


def test_P3_a_deletion_that_was_not_heard_is_found(node: Fanout) -> None:
    """Its announcement was lost: the audit drops the copy."""
    first = node.publish("a")[0]
    node.attach("a", cursor=first.cursor)
    node.publish("a")
    node.store.is_manual = True
    node.loop.run(node.store.delete(TENANT, "a"))
    node.ear.drop()
    node.store.is_manual = False
    assert 1 == len(node.channel("a").ring)
    audit(node)
    assert 0 == len(node.channel("a").ring)
    assert 1 == len(node.attach("a", cursor=first.cursor).gaps)
