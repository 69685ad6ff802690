"""Server-sent events, from bytes in any pieces."""

from __future__ import annotations

import itertools
import time

from hypothesis import given
from hypothesis import strategies as st
import pytest

from broker.client.errors import Unreadable
from broker.client.event_reader import EventReader


def read(*pieces: bytes) -> list[bytes]:
    """Return the data of all events in some pieces."""
    reader = EventReader(1000)
    return [data for piece in pieces for data in reader.feed(piece)]


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: one\n\n", [b"one"]),
        (b"data:one\n\n", [b"one"]),
        (b"data:  one\n\n", [b" one"]),
        (b"data: one\r\ndata: two\r\n\r\n", [b"one\ntwo"]),
        (b"data: one\rdata: two\r\rdata: 3\n\n", [b"one\ntwo", b"3"]),
        (b"id: 1-2\nevent: gap\ndata: one\nretry: x\n\n", [b"one"]),
        (b": comment\n\n: \n\nid: 7\n\n", []),
        (b"data\n\n", [b""]),
        (b"\xef\xbb\xbfdata: one\n\n", [b"one"]),
        (b"data: not whole\n", []),
        (b"data: not whole", []),
    ],
)
def test_events_are_read_as_browsers_do(stream: bytes, events: list[bytes]) -> None:
    """Fields, line ends, comments and the mark at the beginning, in one piece and byte by byte."""
    assert events == read(stream)
    assert events == read(*(bytes((byte,)) for byte in stream))


@given(
    st.lists(st.binary(max_size=20).filter(lambda data: not set(data) & set(b"\r\n"))),
    st.lists(st.integers(0, 400), max_size=8),
)
def test_any_cut_yields_the_same_events(events: list[bytes], cuts: list[int]) -> None:
    """Where the network cuts a stream does not show."""
    stream = b"".join(b"id: 1-1\ndata: %b\r\n\n" % data for data in events)
    at = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    assert events == read(*(stream[low:high] for low, high in itertools.pairwise(at)))


@given(st.lists(st.binary(max_size=300)))
def test_arbitrary_bytes_are_read_or_refused(pieces: list[bytes]) -> None:
    """Whatever comes, nothing but a refusal is raised, and no more than one event is kept."""
    reader = EventReader(500)
    try:
        for piece in pieces:
            assert all(len(data) <= 1000 for data in reader.feed(piece))
    except Unreadable:
        return


@pytest.mark.parametrize("piece", [b"data: " + b"x" * 400 + b"\n", b"x" * 400])
def test_an_event_without_end_is_refused(piece: bytes) -> None:
    """Neither many lines nor a long one fill the memory."""
    with pytest.raises(Unreadable):
        read(piece, piece, piece)


def test_the_wait_that_a_stream_asks_for_is_kept() -> None:
    """`retry` is read wherever it stands."""
    reader = EventReader(1000)
    list(reader.feed(b"retry: 3000\n\nretry: 23000\nid: 1-1\ndata: x\n\n"))
    assert 23000 == reader.retry_ms


def test_a_large_event_costs_as_much_as_its_bytes() -> None:
    """However small the pieces are: each byte is looked at once, not with every piece again."""
    event = b"data: %b\n\n" % (b"x" * 2_000_000)
    reader = EventReader(len(event))
    began = time.process_time()
    pieces = [event[at : at + 1400] for at in range(0, len(event), 1400)]
    assert [event[6:-2]] == [data for piece in pieces for data in reader.feed(piece)]
    assert time.process_time() - began < 5
