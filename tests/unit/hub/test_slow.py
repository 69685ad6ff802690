"""Slow readers get what the policy of each channel says, and are told what they do not get."""

from __future__ import annotations

import pytest

from broker.core.encoder import Gap
from broker.core.errors import TooSlow
from broker.core.ring import Retention
from broker.core.rules import SlowPolicy
from broker.core.session import State
from broker.hub.slow import review
from tests.support.feeds import FeedStand
from tests.support.messages import at, chain, message
from tests.support.outlets import RecordingOutlet


def tags(outlet: RecordingOutlet) -> list[int]:
    """Return the tags of the messages that a client has read."""
    return [frame.cursor.tag for frame in outlet.frames]


def stand_of(policy: SlowPolicy, piece_bytes: int = 1000) -> FeedStand:
    """Return a feed whose channel a has a policy; b lets everybody catch up."""
    stand = FeedStand(piece_bytes=piece_bytes)
    stand.channels["a"].slow_policy = policy
    return stand


def stalled(stand: FeedStand) -> RecordingOutlet:
    """Return the outlet of a live session that has just filled up, by message 1 of channel a."""
    outlet, _ = stand.attach()
    outlet.block()
    stand.announce(message("a", 1))
    stand.pump.run()
    return outlet


# --- conflate ------------------------------------------------------------


def test_P8_a_slow_reader_of_a_conflated_channel_gets_the_newest_and_a_count() -> None:
    """What came while it was stalled is one message, and the notice says how many are left out."""
    stand = stand_of(SlowPolicy.CONFLATE)
    outlet = stalled(stand)
    stand.announce(*chain("a", 2, 3, 4, after=1))
    stand.pump.run()
    outlet.drain()
    stand.pump.run()
    assert [1, 4] == tags(outlet)
    assert [Gap("a", at(1), at(4), skipped=2)] == outlet.gaps
    assert at(4) == outlet.cursor
    assert 2 == stand.feed.flow.skipped
    assert 0 == stand.feed.flow.gaps


def test_channels_beside_a_conflated_one_lose_nothing() -> None:
    """The policy is the channel's; the others of the list come whole, all in order."""
    stand = stand_of(SlowPolicy.CONFLATE)
    outlet = stalled(stand)
    stand.announce(message("a", 2, 1), message("b", 3), message("a", 4, 2), message("b", 5, 3))
    outlet.drain()
    stand.pump.run()
    assert [1, 3, 4, 5] == tags(outlet)
    assert [1] == [gap.skipped for gap in outlet.gaps]


def test_one_message_that_waits_is_no_loss() -> None:
    """Where the newest is all there is, nothing is left out and nothing is told."""
    stand = stand_of(SlowPolicy.CONFLATE)
    outlet = stalled(stand)
    stand.announce(message("a", 2, 1))
    outlet.drain()
    stand.pump.run()
    assert ([1, 2], []) == (tags(outlet), outlet.gaps)


def test_history_that_was_asked_for_comes_whole() -> None:
    """Who comes back gets everything up to the moment in which its connection filled up (P2)."""
    stand = stand_of(SlowPolicy.CONFLATE, piece_bytes=20)
    stand.announce(*chain("a", 1, 2, 3, 4))
    outlet, _ = stand.attach(at(0), RecordingOutlet(room=10))
    stand.announce(*chain("a", 5, 6, 7, after=4))
    outlet.drain()
    stand.pump.run()
    assert [1, 2, 3, 4, 7] == tags(outlet)
    assert [Gap("a", at(4), at(7), skipped=2)] == outlet.gaps


def test_history_comes_whole_where_nothing_else_was_published() -> None:
    """Who comes back, and whose connection fills up by that alone, gets every message (P2)."""
    stand = stand_of(SlowPolicy.CONFLATE, piece_bytes=20)
    stand.announce(*chain("a", 1, 2, 3, 4, 5))
    outlet, _ = stand.attach(at(0), RecordingOutlet(room=10))
    outlet.drain(room=25)
    stand.pump.run()
    outlet.drain()
    stand.pump.run()
    assert ([1, 2, 3, 4, 5], []) == (tags(outlet), outlet.gaps)
    assert State.LIVE is next(iter(stand.feed.sessions)).state


def test_who_waits_for_the_store_is_not_slow() -> None:
    """A channel that was read again comes whole (P7): nobody's connection was full."""
    stand = stand_of(SlowPolicy.CONFLATE)
    outlet, _ = stand.attach()
    stand.hold()
    stand.announce(*chain("a", 1, 2, 3))
    stand.release()
    stand.pump.run()
    assert ([1, 2, 3], []) == (tags(outlet), outlet.gaps)


def test_small_pieces_count_each_message_once() -> None:
    """A piece tells what it passes over; the next one begins behind that."""
    stand = stand_of(SlowPolicy.CONFLATE, piece_bytes=20)
    outlet = stalled(stand)
    for tag in range(2, 12):
        prev = 0 if tag == 3 else tag - 2  # b begins at 3
        stand.announce(message("ab"[tag % 2], tag, prev if tag != 2 else 1))
    outlet.drain()
    stand.pump.run()
    assert [1, 3, 5, 7, 9, 10, 11] == tags(outlet)
    assert 4 == sum(gap.skipped for gap in outlet.gaps)


def test_what_is_lost_is_told_beside_what_is_left_out() -> None:
    """Messages that the ring dropped make a gap of their own, without a count (P3)."""
    stand = FeedStand(retention=Retention(messages=3))
    stand.channels["a"].slow_policy = SlowPolicy.CONFLATE
    outlet = stalled(stand)
    stand.announce(*chain("a", 2, 3, 4, 5, 6, after=1))
    stand.pump.run()
    for channel in stand.channels.values():
        channel.bottom = True
    outlet.drain()
    stand.pump.run()
    assert [1, 6] == tags(outlet)
    assert [0, 2] == [gap.skipped for gap in outlet.gaps]
    assert (1, 2) == (stand.feed.flow.gaps, stand.feed.flow.skipped)


def test_polls_are_never_conflated() -> None:
    """A poll asks for what follows its cursor, however late its answer can be written (P2)."""
    stand = FeedStand(once=True)
    stand.channels["a"].slow_policy = SlowPolicy.CONFLATE
    outlet = RecordingOutlet(room=0)
    outlet.buffered += b".\n"
    _, session = stand.attach(outlet=outlet)
    stand.announce(*chain("a", 1, 2, 3))
    outlet.drain()
    stand.pump.run()
    assert ([1, 2, 3], None) == (tags(outlet), session.slow)


# --- close ------------------------------------------------------------


def test_P8_a_reader_that_is_behind_for_too_long_is_sent_away_with_its_cursor() -> None:
    """It loses nothing: the cursor is that of what was handed to its connection (P4)."""
    stand = stand_of(SlowPolicy.CLOSE)
    outlet = stalled(stand)
    stand.announce(message("a", 2, 1))
    stand.now += 9.9
    review(stand.feed)
    stand.pump.run()
    assert [] == outlet.ends
    stand.now += 0.1
    review(stand.feed)
    stand.pump.run()
    [(error, cursor)] = outlet.ends
    assert isinstance(error, TooSlow)
    assert (1013, "slow_reader_s", at(1)) == (error.close_code, error.setting, cursor)
    assert (1, True) == (stand.feed.flow.too_slow, stand.feed.is_empty)


@pytest.mark.parametrize("channel", ["b", None])
def test_it_stays_as_long_as_no_message_of_the_channel_waits(channel: str | None) -> None:
    """Messages of other channels wait for their readers, and silence harms nobody."""
    stand = stand_of(SlowPolicy.CLOSE)
    outlet = stalled(stand)
    if channel is not None:
        stand.announce(message(channel, 2))
    stand.now += 100
    review(stand.feed)
    stand.pump.run()
    assert [] == outlet.ends
    outlet.drain()
    stand.pump.run()
    assert State.LIVE is next(iter(stand.feed.sessions)).state


def test_messages_that_no_ring_keeps_count_as_well() -> None:
    """On a channel without history, what came meanwhile is gone at once."""
    stand = FeedStand(retention=Retention(messages=0))
    stand.channels["a"].slow_policy = SlowPolicy.CLOSE
    outlet = stalled(stand)
    stand.announce(message("a", 2, 1))
    stand.now += 10
    review(stand.feed)
    stand.pump.run()
    assert 1 == len(outlet.ends)


def test_history_does_not_make_a_reader_slow() -> None:
    """Who comes back and takes long to read what it missed is not sent away for that."""
    stand = stand_of(SlowPolicy.CLOSE, piece_bytes=20)
    stand.announce(*chain("a", 1, 2, 3, 4))
    outlet, _ = stand.attach(at(0), RecordingOutlet(room=10))
    stand.now += 100
    review(stand.feed)
    stand.pump.run()
    assert [] == outlet.ends
    outlet.drain()
    stand.pump.run()
    assert [1, 2, 3, 4] == tags(outlet)


def test_only_readers_of_such_a_channel_are_looked_at() -> None:
    """Where everybody may catch up, slow readers get no turns."""
    stand = FeedStand()
    stalled(stand)
    stand.now += 100
    review(stand.feed)
    assert 0 == len(stand.pump.waiting)


@pytest.mark.parametrize("room", [0, 10], ids=["published since", "history"])
def test_rings_that_do_not_reach_back_are_read_first(room: int) -> None:
    """What a slow reader missed may be in the store alone: nothing is left out before that."""
    stand = FeedStand(retention=Retention(messages=3))
    stand.channels["a"].slow_policy = SlowPolicy.CONFLATE
    if room:
        stand.announce(message("a", 1))
        outlet, session = stand.attach(at(0), RecordingOutlet(room=room))
    else:
        outlet, session = stand.attach()
        outlet.block()
        stand.announce(message("a", 1))
        stand.pump.run()
    stand.announce(*chain("a", 2, 3, 4, 5, 6, after=1))
    outlet.drain()
    stand.pump.run()
    assert ([1], [session]) == (tags(outlet), stand.refills)
    for channel in stand.channels.values():
        channel.bottom = True
    stand.feed.resume(session)
    stand.pump.run()
    assert 6 == tags(outlet)[-1]
    assert State.LIVE is session.state
