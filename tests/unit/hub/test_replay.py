"""Replay merges rings, cut to size, and says what is missing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
import pytest

from broker.core.cursor import Cursor
from broker.core.encoder import Gap
from broker.core.message import Message
from broker.core.ring import Retention
from broker.hub.channel import Channel
from broker.hub.replay import replay
from tests.support.messages import at, chain, message
from tests.support.outlets import Frame, LineEncoder, read_lines

ENCODER = LineEncoder()


def channel_of(name: str, *tags: int, keep: int = 1000) -> Channel:
    """Return a channel with messages of these tags."""
    channel = Channel(name, Retention(keep), at(0))
    channel.extend(chain(name, *tags))
    channel.release()
    return channel


@given(
    st.lists(st.sampled_from("abc"), max_size=60),
    st.integers(0, 60),
    st.integers(0, 60),
    st.integers(1, 400),
)
def test_P2_pieces_add_up_to_the_suffix(
    names: list[str], begin: int, until: int, limit_bytes: int
) -> None:
    """Piece after piece gives everything after the cursor up to the bound, once, in order."""
    until = max(begin + 1, until)
    channels = {name: Channel(name, Retention(), at(0)) for name in "abc"}
    log: list[Message] = []
    for tag, name in enumerate(names, 1):
        log.append(message(name, tag, channels[name].ring.head.tag))
        channels[name].extend(log[-1:])
    cursor, got = at(begin), list[Cursor]()
    while cursor < at(until):
        piece = replay(list(channels.values()), ENCODER, cursor, at(until), limit_bytes)
        assert piece is not None
        assert len(piece.frames) <= 1 or sum(map(len, piece.frames)) <= limit_bytes
        assert piece.cursor > cursor
        assert not piece.complete or at(until) == piece.cursor
        events = read_lines(b"".join(piece.frames))
        got += [event.cursor for event in events if isinstance(event, Frame)]
        cursor = piece.cursor
    assert [each.cursor for each in log if begin < each.cursor.tag <= until] == got


def test_a_small_look_ahead_jumps_over_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """However few messages of each channel are merged at a time, the order is that of all."""
    monkeypatch.setattr("broker.hub.replay._LOOK_AHEAD", 2)
    channels = [channel_of("a", *range(1, 20)), channel_of("b", 20, 21, 40), channel_of("c", 22)]
    piece = replay(channels, ENCODER, at(0), at(50), 10_000)
    assert piece is not None
    assert [*range(1, 23), 40] == [
        event.cursor.tag for event in read_lines(b"".join(piece.frames)) if isinstance(event, Frame)
    ]
    assert (at(50), True) == (piece.cursor, piece.complete)


def test_a_long_ring_is_not_encoded_for_a_small_piece() -> None:
    """A piece costs about what it holds, not what the rings hold."""
    encoder = LineEncoder()
    channels = [channel_of(name, *range(first, 3000, 3)) for first, name in enumerate("abc", 1)]
    replay(channels, encoder, at(0), at(3000), 100)
    assert encoder.encoded <= 3 * 256


def test_an_unknown_past_needs_the_store() -> None:
    """One channel that does not reach back is enough."""
    older, younger = channel_of("a", 1, 2), channel_of("b", 3)
    younger.restart(at(2), bottom=False)
    assert replay([older, younger], ENCODER, at(1), at(3), 100) is None


def test_P3_every_channel_that_lost_something_is_named() -> None:
    """The gap names the first message that is there, and how far the loss goes."""
    short, whole = channel_of("a", 1, 2, 3, keep=1), channel_of("b", 4)
    short.bottom = True
    piece = replay([short, whole], ENCODER, at(0), at(4), 1000)
    assert piece is not None
    assert [Gap("a", at(0), at(3), at(2))] == piece.gaps
    later = replay([short, whole], ENCODER, at(2), at(4), 1000)
    assert later is not None
    assert [] == later.gaps
