"""The latest messages of channels, merged."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from broker.core.cursor import START
from broker.core.message import Message
from broker.core.ring import Retention
from broker.hub.channel import Channel
from broker.hub.latest import begin_of_latest, latest
from tests.support.messages import at, message
from tests.support.outlets import LineEncoder

ENCODER = LineEncoder()
PLENTY = 10**6


def channel(name: str, tags: Sequence[int]) -> Channel:
    """Return a synchronised channel that keeps these messages."""
    made = Channel(name, Retention(100, 3600), START)
    made.bottom = True
    previous = 0
    for number, tag in enumerate(tags, 1):
        made.ring.append(message(name, tag, previous, id=number))
        previous = tag
    return made


def frames(*messages: Message) -> list[bytes]:
    """Return messages in the dialect."""
    return [ENCODER.message(each) for each in messages]


@given(st.sets(st.integers(1, 60)), st.integers(0, 5), st.integers(0, 5), st.integers(1, 60))
def test_the_last_of_each_in_one_order(tags: set[int], few: int, more: int, until: int) -> None:
    """As many as asked for of each channel, none behind the cursor, merged by cursor."""
    odd = [tag for tag in sorted(tags) if tag % 2]
    even = [tag for tag in sorted(tags) if not tag % 2]
    channels = [channel("odd", odd), channel("even", even), channel("other", [1])]
    found = latest(channels, ENCODER, {"odd": few, "even": more}, at(until), PLENTY)
    wanted = [("odd", tag) for tag in [tag for tag in odd if tag <= until][-few:] if few]
    wanted += [("even", tag) for tag in [tag for tag in even if tag <= until][-more:] if more]
    kept = {name: {m.cursor.tag: m for m in each.ring.since(START)}
            for name, each in zip(("odd", "even"), channels, strict=False)}  # fmt: skip
    wanted.sort(key=lambda pair: pair[1])
    assert frames(*(kept[name][tag] for name, tag in wanted)) == found


@given(st.sets(st.integers(1, 30)), st.integers(1, 5), st.integers(1, 30), st.integers(0, 30))
def test_the_last_ones_follow_their_beginning(
    tags: set[int], count: int, until: int, floor: int
) -> None:
    """Reading from there gives them, without a gap, however much the ring has lost."""
    one = channel("a", sorted(tags))
    one.ring.drop(at(floor))
    begin = begin_of_latest(one, count, at(until))
    assert begin is not None
    kept = [tag for tag in sorted(tags) if floor < tag <= until]
    newer = [tag for tag in sorted(tags) if tag > max(floor, until)]
    found = [each.cursor.tag for each in one.ring.since(begin)]
    assert kept[-count:] + newer == found
    assert one.ring.floor <= begin or not kept


def test_the_oldest_are_left_out_beyond_the_limit() -> None:
    """But one message always comes."""
    one = channel("a", [1, 2, 3])
    size = len(ENCODER.message(one.ring.since(START)[-1]))
    kept = one.ring.since(START)
    assert frames(*kept[1:]) == latest([one], ENCODER, {"a": 9}, at(9), 2 * size)
    assert frames(kept[2]) == latest([one], ENCODER, {"a": 9}, at(9), 1)


def test_what_is_not_in_the_ring_is_asked_of_the_store() -> None:
    """Of channels that nothing is wanted of, nothing need be known."""
    unknown = Channel("a", Retention(100, 3600), at(5))
    other = channel("b", [1])
    assert None is latest([unknown, other], ENCODER, {"a": 1}, at(9), PLENTY)
    assert None is begin_of_latest(unknown, 1, at(9))
    assert frames(*other.ring.since(START)) == latest(
        [unknown, other], ENCODER, {"b": 1}, at(9), PLENTY
    )
