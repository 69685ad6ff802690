"""Who stands behind a dropped message gets it all the same, whenever it comes."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest

from broker.core.cursor import Cursor
from broker.core.ring import Retention
from broker.core.session import State
from broker.hub.surroundings import FeedLimits
from tests.support.fanout import Fanout
from tests.support.feeds import FeedStand
from tests.support.messages import at, message
from tests.support.nodes import MakeFanout
from tests.support.outlets import LineEncoder, RecordingOutlet

UNCUT = FeedLimits(cohort_size=4, piece_bytes=2**20, answer_bytes=2**20)


def lose_one(node: Fanout, *channels: str) -> Cursor:
    """Publish, and drop the announcement of the first message; return where the others end."""
    node.store.is_manual = True
    cursor = node.publish(*channels)[-1].cursor
    node.ear.drop()
    node.store.is_manual = False
    with node.loop.inside():
        node.ear.deliver_all()
    node.loop.settle()
    return cursor


def heal(node: Fanout, steps: int = 1) -> None:
    """Have the audit find what was dropped."""
    for _ in range(steps):
        with node.loop.inside():
            node.audit.step()
        node.loop.settle()


def began(node: Fanout) -> Cursor:
    """Return the cursor of now, once somebody keeps both channels listened to."""
    node.attach("a", "b")
    node.publish("a", "b")
    node.loop.settle()
    return node.tenant.high_water


@pytest.mark.parametrize("names", [("a", "b"), ("a",)])
@pytest.mark.parametrize("once", [True, False])
def test_P7_who_comes_after_it_turned_up_gets_it(
    node: Fanout, names: tuple[str, ...], *, once: bool
) -> None:
    """On any list and transport, for a cursor that was handed out before; not for a later one."""
    began(node)
    cursor = lose_one(node, "a", "b")
    heal(node)
    encoder = LineEncoder(once=once)
    late = node.attach(*names, cursor=cursor, encoder=encoder)
    assert ([("a", 2)], []) == (late.ids, late.gaps)
    assert cursor == late.frames[0].cursor
    after = node.tenant.high_water
    assert after > cursor
    assert not once or [after] == late.answers
    assert [] == node.attach(*names, cursor=after, encoder=encoder).ids


def test_P7_a_feed_that_is_older_owes_it_as_well(node: Fanout) -> None:
    """A poll whose feed was there all the time, and one that is held meanwhile."""
    began(node)
    encoder = LineEncoder(once=True)
    held = node.attach("a", "b", cursor=node.tenant.high_water, encoder=encoder)
    cursor = lose_one(node, "a", "b")
    assert ([("b", 2)], [cursor]) == (held.ids, held.answers)
    waiting = node.attach("a", "b", cursor=cursor, encoder=encoder)
    assert [] == waiting.answers
    heal(node)
    assert ([("a", 2)], [node.tenant.high_water]) == (waiting.ids, waiting.answers)
    late = node.attach("a", "b", cursor=cursor, encoder=encoder)
    assert [("a", 2)] == late.ids


def test_P3_what_is_no_longer_at_hand_is_a_gap(make_fanout: MakeFanout) -> None:
    """A late message that the ring has dropped since is told to who was passed over."""
    node = make_fanout(retention=lambda _: Retention(2))
    began(node)
    cursor = lose_one(node, "a", "b")
    heal(node)
    node.publish("a", "a")
    node.loop.settle()
    poll = node.attach("a", "b", cursor=cursor, encoder=LineEncoder(once=True))
    assert ([("a", 3), ("a", 4)], True) == (poll.ids, bool(poll.gaps))


def test_a_live_session_is_owed_it_once(node: Fanout) -> None:
    """It is told when it turns up, then it is live; who comes with it goes live as well."""
    began(node)
    cursor = lose_one(node, "a", "b")
    stream = node.attach("a", "b", cursor=cursor)
    heal(node)
    assert [("a", 2)] == stream.ids
    late = node.attach("a", "b", cursor=cursor)
    node.publish("a", "b")
    node.loop.settle()
    for outlet in (stream, late):
        assert [("a", 2), ("a", 3), ("b", 3)] == outlet.ids
        assert outlet.session is not None
        assert State.LIVE is outlet.session.state


def test_what_turned_up_in_one_channel_waits_for_the_other() -> None:
    """Who comes while the feed is still held for another channel gets it once."""
    stand = FeedStand()
    stand.announce(message("b", 2))
    stand.hold("a").extend([message("a", 1)])
    stand.hold("b")
    stand.mark = at(3)
    stand.release("a")
    outlet, _ = stand.attach(at(2))
    stand.release("b")
    stand.pump.run()
    assert [("a", at(2))] == [(frame.channel, frame.cursor) for frame in outlet.frames]


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["a", "b", "ab", "ba", "aab"]), st.integers(0, 3)), max_size=30
    )
)
@settings(deadline=None, max_examples=60)
def test_P2_P7_a_poller_gets_every_message_once(
    steps: list[tuple[str, int]],
) -> None:
    """Whatever is dropped, who goes on from answer to answer on this node misses nothing."""
    node = Fanout(limits=UNCUT)
    encoder = LineEncoder(once=True)
    try:
        cursor, seen = began(node), list[str]()
        first = len(node.log)
        poll: RecordingOutlet | None = None
        for channels, deed in [*steps, *[("", 2)] * 4]:
            if channels:
                node.store.is_manual = True
                node.publish(*channels)
                if deed == 3:
                    node.ear.drop()
                node.store.is_manual = False
                with node.loop.inside():
                    node.ear.deliver_all()
                node.loop.settle()
            if deed >= 1:
                poll = poll or node.attach("a", "b", cursor=cursor, encoder=encoder)
            if deed == 2:
                heal(node)
            if poll is not None and poll.answers:
                seen += [frame.body for frame in poll.frames]
                assert [] == poll.gaps
                [cursor] = poll.answers
                poll = None
        assert sorted(seen, key=int) == [str(number) for number in range(first, len(node.log))]
    finally:
        node.close()
