"""The hub hands announcements to rings and feeds, holds what has a hole, and forgets the unused."""

from __future__ import annotations

import pytest

from broker.core.cursor import START
from broker.core.ring import Retention
from broker.core.rules import SlowPolicy
from broker.core.session import State
from broker.hub import PING_CHANNEL, Hub, ping_message
from broker.hub.surroundings import FeedLimits
from tests.support.fanout import TENANT, Fanout
from tests.support.messages import at, message
from tests.support.nodes import MakeFanout
from tests.support.outlets import Frame, LineEncoder
from tests.support.turns import HandPump


def test_P1_messages_of_all_channels_come_in_one_order(node: Fanout) -> None:
    """A subscriber of several channels sees them merged as they were stamped."""
    outlet = node.attach("a", "b")
    node.publish("a", "b", "a")
    node.publish("b")
    node.loop.settle()
    assert [("a", 1), ("b", 1), ("a", 2), ("b", 2)] == outlet.ids


def test_a_message_is_encoded_once_for_every_list_it_is_in(node: Fanout) -> None:
    """Lists that share a channel share its bytes."""
    for names in (("a",), ("a", "b"), ("b", "a")):
        node.attach(*names)
    node.publish("a")
    node.loop.settle()
    assert 1 == node.encoder.encoded


def test_sessions_of_one_list_and_dialect_share_a_feed(node: Fanout) -> None:
    """The order of the list and the dialect make another feed."""
    assert node.feed("a", "b") is node.feed("a", "b")
    others = [node.feed("b", "a"), node.feed("a", "b", encoder=LineEncoder())]
    assert 3 == len({node.feed("a", "b"), *others})
    assert 3 == node.tenant.feeds


def test_the_mark_rises_with_announcements_and_ticks(node: Fanout) -> None:
    """It never goes back, and an unknown tenant has none."""
    assert START == node.hub.high_water("other")
    node.hub.ticked(TENANT, at(5))
    node.hub.ticked(TENANT, at(3))
    assert at(5) == node.hub.high_water(TENANT)


def test_a_repeated_announcement_is_dropped(node: Fanout) -> None:
    """What the ring is past is not written again (P2)."""
    outlet = node.attach("a")
    node.publish("a")
    node.loop.settle()
    again = list(node.channel("a").ring.since(START))
    with node.loop.inside():
        node.hub.received(TENANT, again)
    node.loop.settle()
    assert [("a", 1)] == outlet.ids


def test_a_stray_announcement_is_forgotten(node: Fanout) -> None:
    """The node stops to listen to what nobody wants."""
    node.ear.heard.add((TENANT, "stray"))
    node.publish("stray")
    assert (TENANT, "stray") not in node.ear.heard


def test_P7_a_hole_is_read_before_what_follows(node: Fanout) -> None:
    """A dropped announcement shows with the next one, and is delivered before it."""
    outlet = node.attach("a")
    node.store.is_manual = True
    node.publish("a")
    node.ear.drop()
    node.publish("a")
    with node.loop.inside():
        node.ear.deliver()
    node.store.is_manual = False
    node.store.let_go()
    node.loop.settle()
    assert [("a", 1), ("a", 2)] == outlet.ids


def test_P7_a_hole_that_shows_within_a_batch_is_late(node: Fanout) -> None:
    """Messages of the same batch have moved the cursor on already: it comes behind them."""
    outlet = node.attach("a", "b")
    node.store.is_manual = True
    node.publish("a", "b", "a")
    node.ear.drop()
    batch = [message for announcement in node.ear.queue for message in announcement.messages]
    node.ear.queue.clear()
    with node.loop.inside():
        node.hub.received(TENANT, batch)
    node.store.is_manual = False
    node.store.let_go()
    node.loop.settle()
    assert [("b", 1), ("a", 1), ("a", 2)] == outlet.ids


def test_P7_a_cut_delays_and_disconnects_nobody(node: Fanout) -> None:
    """What was published while the connection was cut comes once it is back."""
    outlets = [node.attach("a"), node.attach("a", "b")]
    with node.loop.inside():
        node.ear.cut()
    node.publish("a", "b")
    node.loop.settle()
    assert [] == outlets[0].ids
    with node.loop.inside():
        node.ear.restore()
    node.loop.settle()
    assert [[("a", 1)], [("a", 1), ("b", 1)]] == [outlet.ids for outlet in outlets]
    assert [[], []] == [outlet.gaps for outlet in outlets]


def test_P7_two_cuts_in_a_row_heal(node: Fanout) -> None:
    """A second cut while the first one heals loses nothing."""
    outlet = node.attach("a")
    node.store.is_manual = True
    for _ in range(3):
        with node.loop.inside():
            node.ear.cut()
        node.publish("a")
        with node.loop.inside():
            node.ear.restore()
        node.loop.settle()
        node.store.let_go()
        node.loop.settle()
    node.store.is_manual = False
    node.store.let_go(10)
    with node.loop.inside():
        node.ear.deliver_all()
    node.loop.advance(1.0)
    assert [("a", 1), ("a", 2), ("a", 3)] == outlet.ids


def test_a_ping_goes_to_those_who_have_the_channel_D24(node: Fanout) -> None:
    """It is encoded once for all who stand at the same cursor, stamped with that cursor (P4)."""
    listening, other = node.attach(PING_CHANNEL, "a"), node.attach("a")
    alone = node.attach(PING_CHANNEL)
    with node.loop.inside():
        node.hub.ping(1440423367.024315)
    node.loop.settle()
    mark = node.tenant.high_water
    expected = [Frame(PING_CHANNEL, 1440423367, mark, '{"timestamp":1440423367.024315}')]
    assert (expected, expected, []) == (listening.frames, alone.frames, other.frames)
    assert 1 == node.encoder.encoded
    assert mark == ping_message(1.0, mark).cursor


def test_an_unused_feed_goes_after_a_while(make_fanout: MakeFanout) -> None:
    """Its channels are forgotten with it, unless another feed has them."""
    node = make_fanout(linger_s=10.0)
    outlet, stays = node.attach("a", "b"), node.attach("b")
    outlet.hang_up()
    node.loop.advance(9.0)
    with node.loop.inside():
        node.hub.upkeep()
    assert {"a", "b"} == set(node.tenant.channels)
    node.loop.advance(1.0)
    with node.loop.inside():
        node.hub.upkeep()
    assert ({"b"}, {(TENANT, "b")}) == (set(node.tenant.channels), node.ear.heard)
    assert (1, State.LIVE) == (node.tenant.feeds, stays.session and stays.session.state)


def test_polls_that_come_again_keep_their_feed(make_fanout: MakeFanout) -> None:
    """Every use counts: between two polls the feed and its channels stay."""
    node = make_fanout(linger_s=10.0)
    polls = LineEncoder(once=True)
    feed = node.feed("a", encoder=polls)
    for _ in range(5):
        outlet = node.attach("a", encoder=polls)
        node.publish("a")
        node.loop.settle()
        assert 1 == len(outlet.answers)
        node.loop.advance(9.0)
        with node.loop.inside():
            node.hub.upkeep()
    assert feed is node.feed("a", encoder=polls)


def test_a_feed_that_somebody_waits_for_stays(make_fanout: MakeFanout) -> None:
    """However slow the store is, whoever waits finds the feed alive."""
    node = make_fanout(linger_s=1.0)
    node.store.is_manual = True
    task = node.enter(["a"], None)
    node.loop.settle()
    node.loop.advance(3.0)
    with node.loop.inside():
        node.hub.upkeep()
    node.store.is_manual = False
    node.store.let_go()
    node.loop.settle()
    node.publish("a")
    node.loop.settle()
    assert [("a", 1)] == task.result().outlet.ids


def test_changed_rules_change_what_rings_keep(node: Fanout) -> None:
    """Every channel's retention is asked for again."""
    node.attach("a")
    node.publish("a", "a", "a")
    node.retention = lambda _: Retention(1)
    node.hub.revise()
    assert (1, False) == (len(node.channel("a").ring), node.channel("a").bottom)


def test_changed_rules_change_what_slow_readers_get(make_fanout: MakeFanout) -> None:
    """Every channel's policy is asked for again, and new channels have it from the beginning."""
    policies = {"a": SlowPolicy.CLOSE}
    node = make_fanout(slow_policy=lambda name: policies.get(name, SlowPolicy.CATCH_UP))
    node.attach("a", "b")
    told = [node.channel(name).slow_policy for name in "ab"]
    assert [SlowPolicy.CLOSE, SlowPolicy.CATCH_UP] == told
    policies["b"] = SlowPolicy.CONFLATE
    node.hub.revise()
    assert SlowPolicy.CONFLATE is node.channel("b").slow_policy


def test_upkeep_sends_slow_readers_away(make_fanout: MakeFanout) -> None:
    """About once a second it is looked who is behind for too long on a channel that closes."""
    node = make_fanout(slow_policy=lambda _: SlowPolicy.CLOSE)
    outlet = node.attach("a")
    outlet.block()
    node.publish("a", "a")
    node.loop.settle()
    node.publish("a")
    node.loop.settle()
    for seconds, ends in ((9.0, 0), (2.0, 1)):
        node.loop.advance(seconds)
        with node.loop.inside():
            node.hub.upkeep()
        node.loop.settle()
        assert ends == len(outlet.ends)


def test_ring_memory_is_bounded_and_the_least_used_goes_first(make_fanout: MakeFanout) -> None:
    """Beyond the budget rings are emptied; what was read from last stays, and nothing is lost."""
    node = make_fanout(ring_bytes=40_000)
    for name in "abc":
        node.attach(name)
    for name in "abc":
        node.publish(*[name] * 30)
        node.loop.settle()
    first = node.log[0].cursor
    node.loop.advance(5.0)
    node.loop.run(node.sync.tick(node.tenant))
    node.attach("a", cursor=first)
    assert node.hub.ring_bytes > 40_000
    with node.loop.inside():
        node.hub.upkeep()
    assert node.hub.ring_bytes <= 36_000
    kept = {name: len(node.channel(name).ring) for name in "abc"}
    assert 30 == kept["a"]
    assert 0 in (kept["b"], kept["c"])
    again = node.attach("b", cursor=first)
    assert [("b", number) for number in range(1, 31)] == again.ids


def test_quiet_rings_lose_their_old_messages(make_fanout: MakeFanout) -> None:
    """Memory of what is too old comes back although nobody reads it."""
    node = make_fanout(retention=lambda _: Retention(100, 10))
    node.attach("a")
    node.publish("a")
    node.loop.advance(12.0)
    node.loop.run(node.sync.tick(node.tenant))
    for _ in range(2):
        with node.loop.inside():
            node.hub.upkeep()
    assert (0, 0) == (len(node.channel("a").ring), node.hub.ring_bytes)


def test_upkeep_forgets_what_those_who_came_back_were_written(make_fanout: MakeFanout) -> None:
    """A second later, hardly anybody comes back to the same place any more."""
    node = make_fanout()
    node.attach("a")
    for _ in range(2):
        node.publish("a")
        node.loop.settle()
    outlet = node.attach("a", cursor=node.log[0].cursor)
    assert 1 == len(outlet.ids)
    shelf = node.feed("a").around.shelf
    assert shelf._made
    with node.loop.inside():
        node.hub.upkeep()
    assert not shelf._made


def test_a_hub_without_synchroniser_says_so() -> None:
    """It must be named before the first feed."""
    hub = Hub(
        turns=HandPump(),
        limits=FeedLimits(),
        retention=lambda _: Retention(),
        clock=lambda: 0.0,
        linger_s=1.0,
    )
    with pytest.raises(RuntimeError, match="synchroniser"):
        hub.received(TENANT, [message("a", 1)])
