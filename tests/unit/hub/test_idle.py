"""Idle feeds go after a while, and the oldest of them early where they are too many."""

from __future__ import annotations

from broker.hub.tenant import LINGER_S
from tests.support.fanout import TENANT, Fanout
from tests.support.nodes import MakeFanout
from tests.support.outlets import LineEncoder

POLLS = LineEncoder(once=True)


def listed(node: Fanout) -> set[tuple[str, ...]]:
    """Return the lists of all feeds."""
    return {feed.names for feed in node.hub.feeds}


def test_the_oldest_go_where_there_are_too_many(make_fanout: MakeFanout) -> None:
    """Whoever polls names that nobody else does costs a bounded number of channels."""
    node = make_fanout(idle_channels=20)
    for number in range(100):
        node.feed(f"a{number}", f"b{number}", encoder=POLLS)
        assert node.hub.idle.channels <= 20
    assert ("a99", "b99") in listed(node)
    assert ("a0", "b0") not in listed(node)
    assert node.hub.idle.early > 80
    assert node.hub.idle.channels == len(node.tenant.channels)


def test_who_is_used_again_stays(make_fanout: MakeFanout) -> None:
    """A list that is polled now and then outlasts those that never are."""
    node = make_fanout(idle_channels=20)
    for number in range(100):
        node.feed(f"a{number}", encoder=POLLS)
        node.feed("often", encoder=POLLS)
    assert ("often",) in listed(node)


def test_feeds_with_subscribers_do_not_count(make_fanout: MakeFanout) -> None:
    """They have their own bound, and drive no idle feed out."""
    node = make_fanout(idle_channels=20)
    node.feed("idle", encoder=POLLS)
    outlets = [node.attach(f"a{number}") for number in range(50)]
    assert ("idle",) in listed(node)
    assert 0 == node.hub.idle.early
    assert 50 == sum(not feed.is_empty for feed in node.hub.feeds)
    for outlet in outlets:
        outlet.hang_up()
    node.feed("one more", encoder=POLLS)
    assert node.hub.idle.channels <= 20
    assert ("one more",) in listed(node)


def test_feeds_that_somebody_waits_for_stay(make_fanout: MakeFanout) -> None:
    """However many they are; they are looked through once a second at most."""
    node = make_fanout(idle_channels=10)
    feeds = [node.feed(f"a{number}", encoder=POLLS) for number in range(10)]
    for feed in feeds:
        feed.waiting += 1
    for number in range(10):
        node.feed(f"b{number}", encoder=POLLS)
    assert {feed.names for feed in feeds} <= listed(node)
    assert not node.hub.idle.is_full(node.loop.time())
    assert node.hub.idle.is_full(node.loop.time() + 1.0)
    for feed in feeds:
        feed.waiting -= 1
    node.loop.advance(1.0)
    node.feed("c", encoder=POLLS)
    assert node.hub.idle.channels <= 10


def test_a_feed_that_went_early_is_made_anew_without_loss(make_fanout: MakeFanout) -> None:
    """Its history is read from the store again (P2)."""
    node = make_fanout(idle_channels=10)
    begin = node.store.born("main")
    node.publish("a", "a")
    assert 2 == len(node.attach("a", cursor=begin, encoder=POLLS).ids)
    for number in range(30):
        node.feed(f"b{number}", encoder=POLLS)
    assert ("a",) not in listed(node)
    outlet = node.attach("a", cursor=begin, encoder=POLLS)
    assert [("a", 1), ("a", 2)] == outlet.ids


def test_tenants_without_feeds_are_forgotten_in_time(make_fanout: MakeFanout) -> None:
    """However many come and go, those of the last minutes are known; who returns resumes."""
    node = make_fanout(linger_s=5.0)
    node.publish("a")
    outlet = node.attach("a")
    ping_only = node.hub.feed(node.hub.tenant("pings"), ("ping",), node.encoder)
    for number in range(1000):
        node.hub.feed(node.hub.tenant(f"t{number}"), ("a",), node.encoder)
    for _ in range(4):  # idle feeds go; their tenants are seen without any; they go
        node.loop.advance(LINGER_S / 2)
        with node.loop.inside():
            node.hub.idle.renew(ping_only, node.loop.time())
            node.hub.upkeep()
    assert {TENANT, "pings"} == {tenant.name for tenant in node.hub.tenants}
    last = node.log[-1].cursor
    node.publish("a")
    node.loop.settle()
    outlet.hang_up()
    for _ in range(4):
        node.loop.advance(LINGER_S / 2)
        with node.loop.inside():
            node.hub.upkeep()
    assert set() == {tenant.name for tenant in node.hub.tenants}
    assert 0 == node.hub.feed_count
    assert [("a", 2)] == node.attach("a", cursor=last).ids
    node.publish("a")
    node.loop.settle()
    assert [("a", 2), ("a", 3)] == node.attach("a", cursor=last).ids
