"""Joining, merging and clipping against models that look at every message."""

from __future__ import annotations

from itertools import accumulate

from hypothesis import assume, given
from hypothesis import strategies as st

from broker.core.cursor import START, Cursor
from broker.core.message import Message
from broker.core.recovery import Joined, Span, clip, join, merge
from broker.core.ring import History

CHANNEL = "conversation.100"
HEADS = st.integers(0, 30)


def chain(tags: list[int]) -> list[Message]:
    """Return messages that follow one another at these tags of one second."""
    places = [Cursor(1, tag) for tag in tags]
    prevs = [START, *places][: len(places)]
    return [
        Message(number, CHANNEL, b"%d" % place.tag, place, prev)
        for number, (place, prev) in enumerate(zip(places, prevs, strict=True), 1)
    ]


all_messages = st.lists(st.integers(1, 40), unique=True, max_size=25).map(sorted).map(chain)


# --- join ---------------------------------------------------------------------


@given(messages=all_messages, after=HEADS, read_at=HEADS, listened_at=HEADS)
def test_p2_joining_gives_the_suffix_once(
    messages: list[Message], after: int, read_at: int, listened_at: int
) -> None:
    """Wherever the read and the first announcement fall, the run is everything after the cursor."""
    assume(listened_at <= read_at)  # listen first, then read
    start = Cursor(1, after)
    head = max((m.cursor for m in messages if m.cursor.tag <= read_at), default=start)
    kept = [m for m in messages if start < m.cursor <= head]
    live = [m for m in messages if m.cursor.tag > listened_at]
    joined = join(History(CHANNEL, kept, False, max(head, start), True), live)
    assert Joined([m for m in messages if m.cursor > start], None) == joined


@given(messages=all_messages, data=st.data())
def test_p7_joining_stops_at_the_first_hole(messages: list[Message], data: st.DataObject) -> None:
    """Lost announcements end the run at the last message before them, and nothing comes after."""
    split = data.draw(st.integers(0, len(messages)))
    places = range(split, len(messages))
    lost = data.draw(st.sets(st.sampled_from(places)) if places else st.just(set[int]()))
    kept = messages[:split]
    head = kept[-1].cursor if kept else START
    live = [message for place, message in enumerate(messages) if place not in lost]
    joined = join(History(CHANNEL, kept, False, head, True), live)
    until = min(lost, default=len(messages))
    assert messages[:until] == joined.messages
    is_heard_later = any(place > until for place in range(len(messages)) if place not in lost)
    last = messages[until - 1].cursor if until else START
    assert (last if is_heard_later else None) == joined.hole


def test_repeated_announcements_are_left_out() -> None:
    """An announcement that is already part of the history is not taken again."""
    one, two, three = chain([1, 2, 3])
    history = History(CHANNEL, [one, two], False, two.cursor)
    assert Joined([one, two, three], None) == join(history, [one, two, two, three, three])


def test_what_follows_an_empty_history_needs_no_predecessor_in_it() -> None:
    """A first message whose predecessor is at or before the head has no hole before it."""
    (only,) = chain([7])
    assert Joined([only], None) == join(History(CHANNEL, [], True, START), [only])


# --- merge --------------------------------------------------------------------


@st.composite
def spans(draw: st.DrawFn) -> tuple[list[Span[str]], list[list[int]]]:
    """Draw channels, and a span of each that may be cut short."""
    owners = draw(st.lists(st.integers(0, 3), max_size=20))
    channels = [[tag for tag, owner in enumerate(owners) if owner == each] for each in range(4)]
    found = []
    for channel in channels:
        count = draw(st.integers(0, len(channel)))
        part = channel[:count]
        found.append(
            Span([Cursor(1, tag) for tag in part], [str(tag) for tag in part], part == channel)
        )
    return found, channels


@given(drawn=spans())
def test_p1_p2_merging_gives_a_beginning_of_the_whole(
    drawn: tuple[list[Span[str]], list[list[int]]],
) -> None:
    """The merged span is everything up to its end in order, and complete only if nothing is cut."""
    given_spans, channels = drawn
    merged = merge(given_spans)
    everything = sorted(tag for channel in channels for tag in channel)
    taken = [cursor.tag for cursor in merged.cursors]
    assert everything[: len(taken)] == taken
    assert [str(tag) for tag in taken] == list(merged.items)
    if merged.complete:
        assert everything == taken
    if all(span.complete for span in given_spans):
        assert merged.complete


@given(drawn=spans())
def test_merging_takes_as_much_as_is_safe(
    drawn: tuple[list[Span[str]], list[list[int]]],
) -> None:
    """Every item that no cut span can come before is taken."""
    given_spans, _ = drawn
    ends = [
        span.cursors[-1] if span.cursors else START for span in given_spans if not span.complete
    ]
    bound = min(ends, default=Cursor(2, 0))
    safe = sorted(c for span in given_spans for c in span.cursors if c <= bound)
    assert safe == list(merge(given_spans).cursors)


def test_one_span_is_passed_on_as_it_is() -> None:
    """What needs no merging is not copied."""
    span = Span([Cursor(1, 1)], ["1"], complete=False)
    assert merge([Span((), ()), span]) is span


# --- clip ---------------------------------------------------------------------


@given(items=st.lists(st.binary(max_size=9), max_size=12), limit=st.integers(0, 60))
def test_clipping_takes_the_longest_beginning(items: list[bytes], limit: int) -> None:
    """As many items as fit, but at least one, so that a reader always gets on."""
    span = Span([Cursor(1, tag) for tag in range(len(items))], items)
    clipped = clip(span, limit)
    fitting = sum(1 for end in accumulate(map(len, items)) if end <= limit)
    expected = max(fitting, min(1, len(items)))
    assert items[:expected] == list(clipped.items)
    assert list(span.cursors[:expected]) == list(clipped.cursors)
    assert (expected == len(items)) == clipped.complete


def test_a_cut_span_stays_cut() -> None:
    """Clipping does not make a span complete."""
    span = Span([Cursor(1, 1)], [b"1"], complete=False)
    assert not clip(span, 100).complete
