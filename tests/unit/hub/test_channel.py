"""A channel knows what it holds, what it lost, and what turned up late."""

from __future__ import annotations

from broker.core.cursor import START
from broker.core.encoder import Gap
from broker.core.ring import Retention, Tally
from broker.hub.channel import MAX_ARREARS, Channel, Late
from tests.support.messages import at, chain
from tests.support.outlets import LineEncoder


def synchronised(retention: Retention = Retention(5), floor: int = 0) -> Channel:  # noqa: B008 - a tuple
    """Return a channel that is up to date and empty."""
    channel = Channel("a", retention, at(floor))
    channel.release()
    return channel


def test_a_new_channel_waits_to_be_synchronised() -> None:
    """It is held and fresh; the first release ends both."""
    channel = Channel("a", Retention(5), at(0))
    assert ([], True) == (channel.pending, channel.is_fresh)
    late = channel.release()
    assert (None, None, False) == (late, channel.pending, channel.is_fresh)


def test_it_answers_from_its_floor_on_or_at_the_bottom() -> None:
    """An older cursor needs the store, unless that has nothing older either."""
    channel = synchronised(floor=3)
    assert (False, True) == (channel.answers(at(2)), channel.answers(at(3)))
    channel.fill([], at(1))
    assert (True, True) == (channel.answers(at(0)), channel.ring.covers(at(1)))


def test_a_channel_that_keeps_nothing_covers_only_its_head() -> None:
    """With a retention of 0 each message raises the floor at once."""
    channel = synchronised(Retention(0))
    for message in chain("a", 1, 2):
        assert channel.ring.append(message)
    assert (0, at(2), at(2)) == (len(channel.ring), channel.ring.floor, channel.ring.head)
    assert (True, False) == (channel.answers(at(2)), channel.answers(at(1)))


def test_filling_goes_down_without_a_hole() -> None:
    """Older messages join on below; a count that is too large evicts the oldest of them."""
    channel = synchronised(Retention(3), floor=2)
    channel.extend(chain("a", 3, 4, after=2))
    channel.fill(chain("a", 1, 2), at(0))
    assert [at(2), at(3), at(4)] == [each.cursor for each in channel.ring.since(START)]
    assert (at(1), True) == (channel.ring.floor, channel.bottom)


def test_the_first_message_after_a_gap_is_named() -> None:
    """Without any kept message it is the floor: from there on nothing is missing."""
    channel = synchronised(Retention(2))
    channel.extend(chain("a", 1, 2, 3))
    assert (at(2), at(3)) == (channel.first_after(at(0)), channel.first_after(at(2)))
    assert at(1) == channel.ring.floor
    channel.shed()
    assert at(3) == channel.first_after(at(0))


def test_old_messages_expire_with_their_forms() -> None:
    """What is older than the retention goes, and so does what was made of it."""
    tally = Tally()
    channel = Channel("a", Retention(100, 10), at(0), tally)
    channel.extend(chain("a", 1, 2))
    channel.span(LineEncoder(), at(0))
    channel.expire(1010)
    assert 2 == len(channel.ring)
    channel.expire(1011)
    assert (0, 0, at(2)) == (len(channel.ring), tally.bytes, channel.ring.floor)


def test_memory_is_counted_and_given_back() -> None:
    """Ring and forms are counted as they grow; shedding gives everything back but the head."""
    tally = Tally()
    channel = Channel("a", Retention(), at(0), tally)
    channel.release()
    channel.extend(chain("a", 1, 2, 3))
    channel.span(LineEncoder(), at(0))
    assert channel.memory_bytes == tally.bytes > 0
    channel.shed()
    assert (0, at(3), False) == (tally.bytes, channel.ring.head, channel.bottom)


def test_another_retention_asks_the_store_again() -> None:
    """Only a changed retention does; a shorter one evicts at once."""
    channel = synchronised(Retention(5))
    channel.extend(chain("a", 1, 2, 3))
    channel.bottom = True
    channel.keep(Retention(5))
    assert channel.bottom
    channel.keep(Retention(2))
    assert (False, 2) == (channel.bottom, len(channel.ring))


def test_too_many_pending_announcements_leave_the_last() -> None:
    """The last one shows by its predecessor that others came, so nothing is taken for whole."""
    channel = Channel("a", Retention(), at(0))
    for message in chain("a", 1, 2, 3, 4):
        channel.defer(message, 3)
    assert [at(4)] == [each.cursor for each in channel.pending or ()]
    assert not channel.settle()
    channel.extend(chain("a", 1, 2, 3, 4))
    assert channel.settle()
    assert [] == channel.pending


def test_pending_announcements_join_what_was_read() -> None:
    """What a read has found already is left out, what follows is added."""
    channel = Channel("a", Retention(), at(0))
    messages = chain("a", 1, 2, 3)
    for message in messages[1:]:
        channel.defer(message, 10)
    channel.extend(messages[:2])
    assert channel.settle()
    assert messages == list(channel.ring.since(START))


def test_P7_what_turns_up_behind_the_mark_is_late() -> None:
    """A message that nobody announced goes to those who have passed it; later ones do not."""
    channel = synchronised()
    one, two, three = chain("a", 1, 2, 3)
    channel.extend([one])
    channel.hold(at(2))
    channel.extend([two, three])
    before = channel.is_late
    assert Late([two], None, at(2)) == channel.release()
    assert (True, False) == (before, channel.is_late)


def test_P3_what_is_lost_behind_the_mark_is_told() -> None:
    """A gap that begins behind cursors handed out is told to their holders, with its extent."""
    channel = synchronised()
    channel.extend(chain("a", 1))
    channel.hold(at(5))
    channel.skip(at(4))
    channel.extend(chain("a", 6, after=4))
    assert Late([], Gap("a", at(1), at(6), at(4)), at(5)) == channel.release()


def test_a_gap_behind_no_cursor_is_not_late() -> None:
    """What is lost after the mark is found by everyone's own cursor."""
    channel = synchronised()
    channel.hold(at(5))
    channel.skip(at(6))
    assert channel.release() is None
    assert (at(6), True) == (channel.ring.floor, channel.bottom)


def test_what_was_deleted_is_dropped_with_its_forms() -> None:
    """Nothing older is kept anywhere, so a cursor before it means a gap; what follows stays."""
    tally = Tally()
    channel = Channel("a", Retention(), at(0), tally)
    channel.release()
    channel.extend(chain("a", 1, 2, 3))
    channel.span(LineEncoder(), at(0))
    channel.delete(at(2))
    assert [at(3)] == [each.cursor for each in channel.ring.since(START)]
    assert (at(2), True) == (channel.ring.floor, channel.bottom)
    assert channel.memory_bytes == tally.bytes


def test_what_was_deleted_does_not_come_back() -> None:
    """A read that was under way brings it once more; it is dropped again."""
    channel = synchronised(floor=2)
    channel.delete(at(4))
    channel.fill(chain("a", 1, 2), at(0))
    channel.extend(chain("a", 3, 4, 5, after=2))
    assert [at(5)] == [each.cursor for each in channel.ring.since(START)]
    channel.delete(at(1))
    assert at(4) == channel.deleted


def test_a_deletion_of_what_is_not_held_changes_nothing() -> None:
    """The ring begins later, and what the store has below is still asked."""
    channel = synchronised(floor=5)
    channel.delete(at(3))
    assert (at(5), False) == (channel.ring.floor, channel.bottom)


def test_P7_arrears_are_remembered_up_to_a_number() -> None:
    """Who stands between a late message and the mark may have been passed over; others were not."""
    channel = synchronised(Retention(2 * MAX_ARREARS))
    assert (START, ([], None)) == (channel.arrears_until, channel.arrears(at(0)))
    messages = chain("a", *range(1, MAX_ARREARS + 3))
    channel.hold(at(MAX_ARREARS + 1))
    channel.extend(messages)
    late = channel.release()
    assert late is not None
    assert messages[:-1] == list(late.messages)
    assert at(MAX_ARREARS + 1) == channel.arrears_until
    # The first one is forgotten, and the last one came after the mark.
    assert ([], None) == channel.arrears(at(1))
    assert (messages[1:3], None) == channel.arrears(at(3))
    assert (messages[1:-1], None) == channel.arrears(at(MAX_ARREARS + 1))
    assert ([], None) == channel.arrears(at(MAX_ARREARS + 2))
    channel.shed()
    assert ([], Gap("a", at(2), channel.ring.floor, at(3))) == channel.arrears(at(3))
