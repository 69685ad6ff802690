"""A feed gives everyone attached everything after its cursor, once, at its own speed."""

from __future__ import annotations

import pytest

from broker.core.cursor import Cursor
from broker.core.encoder import Gap
from broker.core.ring import Retention
from broker.core.session import State
from tests.support.feeds import FeedStand
from tests.support.messages import at, chain, message
from tests.support.outlets import End, RecordingOutlet


def tags(outlet: RecordingOutlet) -> list[int]:
    """Return the tags of the messages that a client has read."""
    return [frame.cursor.tag for frame in outlet.frames]


# --- live ------------------------------------------------------------


def test_a_session_at_the_mark_is_live_at_once() -> None:
    """Whoever misses nothing needs no turn, and gets what comes next."""
    stand = FeedStand()
    outlet, session = stand.attach()
    assert (State.LIVE, 0) == (session.state, outlet.writes)
    stand.announce(*chain("a", 1, 2))
    stand.pump.run()
    assert ([1, 2], 1) == (tags(outlet), outlet.writes)
    assert at(2) == session.cursor


def test_messages_of_all_sessions_are_joined_once() -> None:
    """Everyone of one position is written the very same bytes, of messages encoded once."""
    stand = FeedStand(cohort_size=10)
    outlets = [stand.attach()[0] for _ in range(5)]
    stand.announce(*chain("a", 1, 2))
    stand.pump.run()
    assert 2 == stand.encoder.encoded
    assert all([1, 2] == tags(outlet) for outlet in outlets)


def test_what_comes_while_cohorts_wait_leaves_in_one_write() -> None:
    """A cohort's turn writes everything since its position, however many messages that is."""
    stand = FeedStand(cohort_size=1)
    first, _ = stand.attach()
    second, _ = stand.attach()
    stand.announce(message("a", 1))
    stand.pump.turn()
    stand.announce(message("a", 2, 1), message("a", 3, 2))
    stand.pump.run()
    assert ([1, 2, 3], [1, 2, 3]) == (tags(first), tags(second))
    assert (2, 1) == (first.writes, second.writes)


def test_a_long_run_leaves_in_pieces() -> None:
    """No write is larger than the limit, one message excepted; each says where it ends (P4)."""
    stand = FeedStand(piece_bytes=20)
    outlet, _ = stand.attach()
    stand.announce(*chain("a", 1, 2, 3))
    stand.pump.run()
    ends = [event.cursor for event in outlet.events if isinstance(event, End)]
    assert ([1, 2, 3], [at(1), at(2), at(3)]) == (tags(outlet), [*dict.fromkeys(ends)])
    assert 3 == outlet.writes


def test_a_written_run_is_dropped() -> None:
    """Nothing is held once everyone live has it, nor when nobody is."""
    stand = FeedStand(cohort_size=1)
    outlets = [stand.attach()[0] for _ in range(3)]
    stand.announce(*chain("a", 1, 2))
    stand.pump.turn()
    assert 2 == len(stand.feed._run)
    stand.pump.run()
    assert 0 == len(stand.feed._run)
    for outlet in outlets:
        outlet.hang_up()
    stand.announce(message("a", 3, 2))
    assert 0 == len(stand.feed._run)
    assert stand.feed.is_empty


def test_a_long_run_is_trimmed_behind_the_last_cohort(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where some cohort always waits, what all others have had is dropped all the same."""
    monkeypatch.setattr("broker.hub.feed._LONG_RUN", 4)
    monkeypatch.setattr("broker.hub.run._TRIM", 2)
    stand = FeedStand(cohort_size=1)
    for _ in range(2):
        stand.attach()
    longest = 0
    for tag in range(1, 60):
        stand.announce(message("a", tag, tag - 1))
        stand.pump.turn()
        longest = max(longest, len(stand.feed._run))
    assert longest <= 8


def test_a_session_that_leaves_takes_its_safe_cursor_along() -> None:
    """What the run still holds for it lies behind its cursor (P4)."""
    stand = FeedStand()
    _, session = stand.attach()
    stand.announce(message("a", 1))
    stand.pump.run()
    stand.announce(message("a", 2, 1))
    assert at(1) == session.withdraw()
    assert (1, State.CLOSED) == (stand.emptied, session.state)
    assert 0 == len(stand.feed._run)


def test_the_mark_moves_the_cursor_in_quiet_times() -> None:
    """Everything up to the mark was written, so whoever is live may come back with it."""
    stand = FeedStand()
    _, session = stand.attach()
    stand.mark = at(0, 2000)
    assert at(0, 2000) == session.cursor


def test_a_ping_carries_the_safe_cursor() -> None:
    """A message of the node's own leaves at the cursor up to which everything was written."""
    stand = FeedStand()
    outlet, _ = stand.attach()
    stand.mark = at(7)

    def form(encoder: object, cursor: Cursor) -> bytes:
        assert encoder is stand.encoder
        return stand.encoder.message(message("ping", 0)._replace(cursor=cursor))

    stand.feed.ping(form)
    stand.pump.run()
    assert [at(7)] == [frame.cursor for frame in outlet.frames]
    stand.hold()
    stand.feed.ping(form)
    stand.pump.run()
    assert 1 == len(outlet.frames)


# --- cohorts ------------------------------------------------------------


def test_cohorts_fold_when_their_members_leave() -> None:
    """However many come and go, half-empty cohorts join, and nobody is lost."""
    stand = FeedStand(cohort_size=4)
    outlets = [stand.attach()[0] for _ in range(40)]
    assert 10 == len(stand.feed.cohorts)
    for outlet in outlets[::2] + outlets[1::4]:
        outlet.hang_up()
    stand.announce(message("a", 1))
    stand.pump.run()
    left = outlets[3::4]
    assert len(left) == sum(len(cohort.members) for cohort in stand.feed.cohorts)
    assert len(stand.feed.cohorts) <= 2 * len(left) / 4 + 1
    stand.announce(message("a", 2, 1))
    stand.pump.run()
    assert all([1, 2] == tags(outlet) for outlet in left)


def test_no_cohort_is_larger_than_its_limit() -> None:
    """Folding and joining stop at the size of a cohort."""
    stand = FeedStand(cohort_size=3)
    for count in range(10):
        stand.attach()
        stand.announce(message("a", count + 1, count))
        stand.pump.run()
        assert all(1 <= len(cohort.members) <= 3 for cohort in stand.feed.cohorts)
    assert 10 == len(list(stand.feed.sessions))


# --- catching up ------------------------------------------------------------


def test_P2_an_older_cursor_gets_exactly_the_suffix_of_all_channels() -> None:
    """Channels are merged by cursor; nothing before the cursor comes, nothing behind it lacks."""
    stand = FeedStand()
    stand.announce(message("a", 1), message("b", 2), message("a", 3, 1), message("b", 4, 2))
    outlet, session = stand.attach(at(1))
    assert ([2, 3, 4], State.LIVE) == (tags(outlet), session.state)
    assert at(4) == session.cursor


def test_catching_up_goes_in_pieces_with_turns_between() -> None:
    """One write per turn, none larger than the limit, then the session is live."""
    stand = FeedStand(piece_bytes=30)
    stand.announce(*chain("a", *range(1, 11)))
    outlet, session = stand.attach(at(0))
    assert (1, State.LAGGING) == (outlet.writes, session.state)
    assert at(tags(outlet)[-1]) == session.cursor
    stand.pump.run()
    assert (list(range(1, 11)), State.LIVE) == (tags(outlet), session.state)
    assert outlet.writes > 3


def test_a_message_larger_than_a_piece_comes_alone() -> None:
    """A message that alone is larger than the limit is written nevertheless."""
    stand = FeedStand(piece_bytes=5)
    stand.announce(*chain("a", 1, 2))
    outlet, _ = stand.attach(at(0))
    stand.pump.run()
    assert ([1, 2], 2) == (tags(outlet), outlet.writes)


def test_rings_that_do_not_reach_back_are_refilled() -> None:
    """A cursor older than what the node knows is no gap: the store is asked first."""
    stand = FeedStand()
    stand.announce(*chain("a", 1, 2))
    stand.channels["a"].shed()
    outlet, session = stand.attach(at(0))
    assert ([session], []) == (stand.refills, outlet.events)
    stand.channels["a"].fill(chain("a", 1, 2), at(0))
    stand.feed.resume(session)
    stand.pump.run()
    assert [1, 2] == tags(outlet)


def test_P3_a_gap_is_told_once_before_what_is_left() -> None:
    """The notice names channel, cursor and first message that is there; later pieces do not."""
    stand = FeedStand(piece_bytes=20, retention=Retention(3))
    stand.announce(*chain("a", *range(1, 7)))
    stand.channels["a"].bottom = True
    outlet, _ = stand.attach(at(1))
    stand.pump.run()
    assert [Gap("a", at(1), at(4))] == outlet.gaps
    assert outlet.events[0] == outlet.gaps[0]
    assert [4, 5, 6] == tags(outlet)


def test_P3_gaps_of_several_channels_are_told_each() -> None:
    """A gap of one channel says nothing of another, even one that ends later."""
    stand = FeedStand(piece_bytes=20, retention=Retention(2))
    stand.announce(*chain("a", 1, 2, 3), *chain("b", 4, 5, 6, 7))
    for channel in stand.channels.values():
        channel.bottom = True
    outlet, _ = stand.attach(at(0))
    stand.pump.run()
    assert {"a", "b"} == {gap.channel for gap in outlet.gaps}
    assert 2 == len(outlet.gaps)
    assert [2, 3, 6, 7] == tags(outlet)


def test_P3_what_is_lost_while_catching_up_is_told_as_well() -> None:
    """A reader that is slower than the ring is told of every further loss."""
    stand = FeedStand(piece_bytes=20, retention=Retention(4))
    stand.announce(*chain("a", 1, 2, 3, 4))
    stand.channels["a"].bottom = True
    outlet, _ = stand.attach(at(0), RecordingOutlet(room=20))
    stand.announce(*chain("a", 5, 6, 7, 8, after=4))
    outlet.drain()
    stand.pump.run()
    assert ([1, 5, 6, 7, 8], 1) == (tags(outlet), len(outlet.gaps))
    assert (at(1), at(5)) == (outlet.gaps[0].after, outlet.gaps[0].first)


def test_a_client_without_notices_gets_what_is_left() -> None:
    """Notices are frames only for those who asked for them."""
    stand = FeedStand(retention=Retention(1))
    stand.announce(*chain("a", 1, 2))
    stand.channels["a"].bottom = True
    outlet = RecordingOutlet()
    _, session = stand.attach(at(2), outlet)
    session.withdraw()
    session.notices = False
    stand.feed.attach(session, at(0))
    assert ([2], []) == (tags(outlet), outlet.gaps)


def test_expired_messages_are_not_replayed() -> None:
    """A message older than the retention is a gap, as it is in the store (P3)."""
    stand = FeedStand(retention=Retention(100, 10))
    stand.announce(message("a", 1), message("a", 1, 1, time=1009))
    stand.channels["a"].bottom = True
    stand.mark = at(0, 1011)
    outlet, _ = stand.attach(at(0))
    assert [at(1, 1009)] == [frame.cursor for frame in outlet.frames]
    assert [Gap("a", at(0), at(1, 1009))] == outlet.gaps


def test_a_channel_that_keeps_nothing_still_delivers_live() -> None:
    """Without a ring live sessions get everything; whoever comes later is told of the gap."""
    stand = FeedStand(retention=Retention(0))
    live, _ = stand.attach()
    stand.announce(*chain("a", 1, 2))
    stand.pump.run()
    stand.channels["a"].bottom = True
    late, session = stand.attach(at(0))
    assert ([1, 2], []) == (tags(live), tags(late))
    assert ([Gap("a", at(0), at(2))], State.LIVE) == (late.gaps, session.state)


# --- blocked ------------------------------------------------------------


def test_P8_a_blocked_outlet_costs_nothing_and_goes_on_exactly() -> None:
    """Nothing is written to it while it is full; drained, it gets the rest and is live again."""
    stand = FeedStand(piece_bytes=60)
    slow, session = stand.attach()
    quick, _ = stand.attach()
    slow.block(10)
    stand.announce(message("a", 1))
    stand.pump.run()
    assert (State.LAGGING, 1) == (session.state, slow.writes)
    held = len(slow.buffered)
    for tag in range(2, 21):
        stand.announce(message("a", tag, tag - 1))
        stand.pump.run()
    assert (held, 1) == (len(slow.buffered), slow.writes)
    assert list(range(1, 21)) == tags(quick)
    slow.drain()
    stand.pump.run()
    assert (list(range(1, 21)), State.LIVE) == (tags(slow), session.state)
    assert session.cohort in list(stand.feed.cohorts)


def test_P8_it_catches_up_from_the_run_and_joins_where_others_stand() -> None:
    """While the run holds what it lacks, the rings are not asked."""
    stand = FeedStand(cohort_size=2)
    slow, session = stand.attach()
    quick = [stand.attach()[0] for _ in range(2)]
    slow.block(5)
    stand.announce(message("a", 1))
    stand.pump.turn()
    for channel in stand.channels.values():
        channel.shed()
    stand.announce(message("b", 2))
    slow.drain()
    stand.pump.run()
    assert ([1, 2], State.LIVE, []) == (tags(slow), session.state, stand.refills)
    assert all([1, 2] == tags(outlet) for outlet in quick)


def test_who_fell_behind_once_can_stay_live_afterwards() -> None:
    """A stall counts for the write in which it happened, not for later ones."""
    stand = FeedStand(cohort_size=3)
    outlet, session = stand.attach()
    others = [stand.attach()[0] for _ in range(2)]
    outlet.block(5)
    stand.announce(message("a", 1))
    stand.pump.run()
    outlet.drain()
    stand.pump.run()
    assert 1 == len(stand.feed.cohorts)
    stand.announce(message("a", 2, 1))
    stand.pump.run()
    assert (State.LIVE, [1, 2]) == (session.state, tags(outlet))
    assert all([1, 2] == tags(other) for other in others)


def test_an_outlet_that_is_full_at_the_start_is_not_live() -> None:
    """A session waits for its outlet's buffer, even if it misses nothing."""
    stand = FeedStand()
    outlet = RecordingOutlet(room=0, buffered=bytearray(b".\n"))
    _, session = stand.attach(outlet=outlet)
    assert (State.LAGGING, True) == (session.state, session.blocked)
    stand.announce(message("a", 1))
    stand.pump.run()
    assert 0 == outlet.writes
    outlet.drain()
    stand.pump.run()
    assert ([1], State.LIVE) == (tags(outlet), session.state)


def test_an_outlet_filled_by_its_transport_leaves_the_live() -> None:
    """Frames of the transport's own, which the client does not take, block it as well."""
    stand = FeedStand()
    outlet, session = stand.attach()
    outlet.spill(b".\n")
    assert (State.LAGGING, True) == (session.state, stand.feed.cohorts.is_all_at(99))
    stand.announce(message("a", 1))
    outlet.drain()
    stand.pump.run()
    assert ([1], State.LIVE) == (tags(outlet), session.state)


# --- polls ------------------------------------------------------------


def test_one_write_answers_a_poll() -> None:
    """A waiting poll gets what comes, its cursor with it, and leaves."""
    stand = FeedStand(once=True)
    outlet, session = stand.attach()
    assert [] == outlet.answers
    stand.announce(*chain("a", 1, 2))
    stand.pump.run()
    assert ([1, 2], [at(2)]) == (tags(outlet), outlet.answers)
    assert (State.CLOSED, 1) == (session.state, stand.emptied)
    assert at(2) == session.withdraw()


def test_a_poll_that_missed_something_is_answered_at_once() -> None:
    """Its answer ends where its bytes end: the rest comes with the next poll (P4)."""
    stand = FeedStand(once=True, piece_bytes=20)
    stand.announce(*chain("a", 1, 2, 3))
    outlet, session = stand.attach(at(0))
    assert ([1], [at(1)], State.CLOSED) == (tags(outlet), outlet.answers, session.state)
    again, _ = stand.attach(outlet.answers[0])
    assert [2] == tags(again)


def test_a_poll_that_fell_behind_is_answered_from_the_run() -> None:
    """Nothing is held for it afterwards."""
    stand = FeedStand(once=True)
    outlet, session = stand.attach()
    stand.announce(message("a", 1))
    outlet.block(0)
    outlet.spill(b".\n")
    stand.pump.run()
    assert State.LAGGING is session.state
    outlet.drain()
    stand.pump.run()
    assert ([at(1)], State.CLOSED) == (outlet.answers, session.state)
    assert (0, 1) == (len(stand.feed._run), stand.emptied)


def test_polls_that_are_answered_empty_the_feed() -> None:
    """All polls of several cohorts go, and the feed is known to be unused."""
    stand = FeedStand(once=True, cohort_size=2)
    outlets = [stand.attach()[0] for _ in range(5)]
    stand.announce(message("a", 1))
    stand.pump.run()
    assert all([at(1)] == outlet.answers for outlet in outlets)
    assert (True, 1) == (stand.feed.is_empty, stand.emptied)


def test_a_poll_can_come_again_from_within_its_answer() -> None:
    """A client whose next request waits already is attached while its cohort is written to."""

    class Eager(RecordingOutlet):
        def answered(self, cursor: Cursor) -> None:
            super().answered(cursor)
            again.append(stand.attach(cursor))

    again: list[tuple[RecordingOutlet, object]] = []
    stand = FeedStand(once=True)
    stand.attach(outlet=Eager())
    stand.attach(outlet=Eager())
    stand.announce(message("a", 1))
    stand.pump.run()
    stand.announce(message("a", 2, 1))
    stand.pump.run()
    assert [[2], [2]] == [tags(outlet) for outlet, _ in again]


def test_a_poll_at_a_held_feed_waits() -> None:
    """Nothing is answered before it is certain; then everything is."""
    stand = FeedStand(once=True)
    stand.hold()
    stand.announce(message("b", 1))
    outlet, session = stand.attach(at(0))
    assert ([], State.LAGGING) == (outlet.answers, session.state)
    stand.channels["a"].extend([message("a", 2)])
    stand.mark = at(2)
    stand.release()
    stand.pump.run()
    assert ([1, 2], [at(2)]) == (tags(outlet), outlet.answers)


# --- held ------------------------------------------------------------


def test_a_held_feed_gives_nothing_later_than_it_knows() -> None:
    """Messages of other channels wait, so that the missing ones can come before them (P2)."""
    stand = FeedStand()
    live, session = stand.attach()
    stand.announce(message("a", 1))
    stand.pump.run()
    stand.hold()
    stand.announce(message("b", 3))
    lagging, _ = stand.attach(at(0))
    stand.pump.run()
    assert ([1], [1], at(1)) == (tags(live), tags(lagging), session.cursor)
    stand.channels["a"].extend([message("a", 2, 1)])
    stand.release()
    stand.pump.run()
    assert ([1, 2, 3], [1, 2, 3]) == (tags(live), tags(lagging))
    assert [1, 2, 3] == tags(stand.attach(at(0))[0])


def test_a_feed_held_twice_goes_on_after_the_second_release() -> None:
    """Every channel that is being synchronised holds it."""
    stand = FeedStand()
    outlet, _ = stand.attach()
    stand.hold("a")
    stand.hold("b")
    stand.channels["a"].extend([message("a", 1)])
    stand.channels["b"].extend([message("b", 2)])
    stand.mark = at(2)
    stand.release("a")
    stand.pump.run()
    assert [] == tags(outlet)
    stand.release("b")
    stand.pump.run()
    assert [1, 2] == tags(outlet)


def test_a_ring_that_no_longer_reaches_back_sends_everyone_to_the_rings() -> None:
    """After a release nobody jumps to now: each goes on from its own cursor, and is told (P3)."""
    stand = FeedStand(retention=Retention(2))
    outlet, session = stand.attach()
    stand.announce(message("a", 1))
    stand.pump.run()
    channel = stand.hold()
    stand.mark = at(9)
    channel.skip(at(6))
    channel.extend(chain("a", 7, 8, after=6))
    stand.release()
    assert (State.LAGGING, at(1)) == (session.state, session.cursor)
    stand.pump.run()
    assert ([1, 7, 8], [Gap("a", at(1), at(7))]) == (tags(outlet), outlet.gaps)
    assert (State.LIVE, at(9)) == (session.state, session.cursor)


def test_a_blocked_session_does_not_jump_over_what_a_hold_brought() -> None:
    """A lagging session at the head goes on from its cursor, not from the new head (P2)."""
    stand = FeedStand()
    outlet, session = stand.attach()
    outlet.block(5)
    stand.announce(message("a", 1))
    stand.pump.run()
    channel = stand.hold()
    channel.extend([message("a", 2, 1)])
    stand.mark = at(2)
    stand.release()
    outlet.drain()
    stand.pump.run()
    assert ([1, 2], State.LIVE) == (tags(outlet), session.state)


def test_a_feed_that_is_born_held_serves_nobody_yet() -> None:
    """Of channels that were never synchronised nothing is known, at whatever cursor."""
    stand = FeedStand(is_born_held=True, mark=5)
    stand.channels["b"].extend([message("b", 4)])
    outlet, session = stand.attach(at(0))
    stand.channels["a"].extend([message("a", 3)])
    stand.pump.run()
    assert (State.LAGGING, []) == (session.state, outlet.events)
    stand.release()
    stand.pump.run()
    assert ([3, 4], State.LIVE, at(5)) == (tags(outlet), session.state, session.cursor)


def test_a_hold_takes_no_cursor_back() -> None:
    """Who was told to come back with the mark is not told an older cursor afterwards."""
    stand = FeedStand()
    _, session = stand.attach()
    stand.mark = at(9)
    stand.hold()
    assert at(9) == session.cursor
    stand.mark = at(20)
    assert at(9) == session.cursor


# --- late ------------------------------------------------------------


def test_P7_what_turns_up_late_goes_to_everyone_once() -> None:
    """A dropped message is delivered behind later ones, at the cursor the session goes on from."""
    stand = FeedStand()
    live, _ = stand.attach()
    blocked, session = stand.attach()
    blocked.block(10)
    stand.announce(message("b", 2))
    stand.pump.run()
    channel = stand.hold()
    channel.extend(chain("a", 1, 3))
    assert channel.is_late
    between, _ = stand.attach(at(0))
    stand.mark = at(3)
    stand.release()
    stand.pump.run()
    blocked.drain()
    stand.pump.run()
    for outlet in (live, blocked):
        assert ["b", "a", "a"] == [frame.channel for frame in outlet.frames]
        assert [2, 2, 3] == tags(outlet)
        assert ["2", "1", "3"] == [frame.body for frame in outlet.frames]
    assert ["1", "2", "3"] == [frame.body for frame in between.frames]
    assert (State.LIVE, at(3)) == (session.state, session.cursor)


def test_P3_what_is_lost_behind_cursors_is_told_to_their_holders() -> None:
    """A dropped message that is gone from the store too leaves a notice."""
    stand = FeedStand()
    outlet, _ = stand.attach()
    stand.announce(message("b", 2))
    stand.pump.run()
    stand.hold().skip(at(1))
    stand.release()
    stand.pump.run()
    assert [Gap("a", at(0), at(1))] == outlet.gaps


def test_a_session_that_leaves_is_owed_nothing() -> None:
    """What waits for a session that has gone is forgotten."""
    stand = FeedStand()
    outlet, _ = stand.attach()
    stand.announce(message("b", 2))
    stand.pump.run()
    outlet.block(0)
    outlet.spill(b".\n")
    stand.hold().extend([message("a", 1)])
    stand.release()
    outlet.hang_up()
    assert {} == stand.feed._owed._pieces
