"""Compressed messages: what is agreed to, what is unpacked, and what is refused."""

from __future__ import annotations

import tracemalloc
import zlib

from hypothesis import given
from hypothesis import strategies as st
import pytest

from broker.core.frames import (
    AGREEMENT,
    BAD_PAYLOAD,
    PROTOCOL_ERROR,
    TOO_BIG,
    Binary,
    FrameError,
    FrameReader,
    Text,
    agreement,
    deflated_text_frame,
)
from broker.core.frames.deflate import deflate, inflate
from tests.support.frames import BINARY, CONTINUATION, PING, TEXT, client_frame

MOST = 10_000


def read(*frames: bytes) -> list[object]:
    """Return what a reader makes of frames, of a client with which compression is agreed on."""
    reader = FrameReader(MOST, MOST, may_deflate=True)
    return [event for frame in frames for event in reader.feed(frame)]


@pytest.mark.parametrize(
    ("extensions", "is_met"),
    [
        ("permessage-deflate", True),
        ("permessage-deflate; client_max_window_bits", True),
        ("permessage-deflate; client_max_window_bits=10", True),
        ('permessage-deflate; client_max_window_bits="15"; server_no_context_takeover', True),
        ("permessage-deflate; server_max_window_bits=15", True),
        ("x-webkit-deflate-frame, permessage-deflate;client_no_context_takeover", True),
        ("permessage-deflate; server_max_window_bits=10, permessage-deflate", True),
        ("permessage-deflate; server_max_window_bits=10", False),
        ("permessage-deflate; server_max_window_bits", False),
        ("permessage-deflate; client_max_window_bits=16", False),
        ("permessage-deflate; client_max_window_bits; client_max_window_bits=9", False),
        ("permessage-deflate; server_no_context_takeover=1", False),
        ("permessage-deflate; unknown", False),
        ("x-webkit-deflate-frame", False),
        ("", False),
    ],
)
def test_only_offers_that_can_be_met_are_taken_up(extensions: str, is_met: bool) -> None:
    """RFC 7692, section 7.1: every parameter of the offer is understood, once, in its range."""
    assert is_met == bool(agreement(extensions))


@pytest.mark.parametrize(
    ("extensions", "added"),
    [
        ("permessage-deflate; client_max_window_bits", ""),
        ("permessage-deflate; server_max_window_bits=15", "; server_max_window_bits=15"),
        ('permessage-deflate; server_max_window_bits="15"', "; server_max_window_bits=15"),
        ("permessage-deflate; server_max_window_bits=9, permessage-deflate", ""),
    ],
)
def test_who_names_the_servers_window_is_told_it(extensions: str, added: str) -> None:
    """RFC 7692, section 7.1.2.1: clients that asked give a connection up that does not say."""
    assert AGREEMENT + added == agreement(extensions)


@given(st.binary(max_size=5000))
def test_what_is_packed_comes_out_again(payload: bytes) -> None:
    """Also with the end that is left out on the wire, by anybody's inflate."""
    packed = deflate(payload)
    assert payload == inflate(packed, 5000)
    assert payload == zlib.decompressobj(-15).decompress(packed + b"\x00\x00\xff\xff")


def test_a_frame_says_that_it_is_compressed() -> None:
    """The first reserved bit is set, and what repeats itself gets shorter."""
    frame = deflated_text_frame(b"again " * 100)
    assert 0xC1 == frame[0]
    assert len(frame) < 60
    assert b"again " * 100 == inflate(frame[2:], MOST)


@given(st.text(max_size=300), st.integers(0, 300))
def test_messages_of_a_client_are_unpacked(text: str, cut: int) -> None:
    """Whole or in fragments, with a control frame between; others stay as they are."""
    packed = deflate(text.encode())
    whole = client_frame(TEXT, packed, reserved=4)
    first = client_frame(TEXT, packed[:cut], final=False, reserved=4)
    rest = client_frame(CONTINUATION, packed[cut:])
    plain = client_frame(BINARY, packed)
    assert [Text(text.encode())] == read(whole)
    found = read(first, client_frame(PING), rest, plain)
    assert [Text(text.encode()), Binary(packed)] == [found[1], found[2]]


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (client_frame(TEXT, deflate(b"x" * (MOST + 1)), reserved=4), TOO_BIG),
        (client_frame(TEXT, deflate(b"\x00" * 10_000_000), reserved=4), TOO_BIG),
        (client_frame(TEXT, b"\xff\xff\xff", reserved=4), BAD_PAYLOAD),
        (client_frame(TEXT, deflate(b"\xff"), reserved=4), BAD_PAYLOAD),
        (client_frame(TEXT, deflate(b"x"), reserved=2), PROTOCOL_ERROR),
        (client_frame(PING, b"", reserved=4), PROTOCOL_ERROR),
        (client_frame(TEXT, b"", final=False) + client_frame(0, b"", reserved=4), PROTOCOL_ERROR),
    ],
    ids=["long", "bomb", "no deflate", "no UTF-8", "another bit", "control", "continuation"],
)
def test_what_is_wrong_is_refused(frame: bytes, code: int) -> None:
    """With the close code of the fault, and never unpacked beyond the limit."""
    with pytest.raises(FrameError) as refusal:
        read(frame)
    assert code == refusal.value.code


def test_a_bomb_is_not_unpacked() -> None:
    """What comes to a thousand times the limit costs no more memory than the limit."""
    bomb = deflate(b"\x00" * 50_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(FrameError):
            inflate(bomb, 65_536)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
