"""Compression: who asks is understood, and pieces of a stream fit into anyone's."""

from __future__ import annotations

import zlib

from hypothesis import given
from hypothesis import strategies as st
import pytest

from broker.protocols.pushstream.wire.compression import (
    STREAM_START,
    choose_coding,
    compress,
    stream_piece,
    vary,
)


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        ("", ""),
        ("gzip", "gzip"),
        ("GZIP, deflate", "gzip"),
        ("deflate", "deflate"),
        ("br, zstd", ""),
        ("*", "gzip"),
        ("gzip;q=0, *", "deflate"),
        ("gzip;q=0", ""),
        ("gzip; q=0.0, deflate;q=0.5", "deflate"),
        ("gzip;q=x", ""),
        ("identity", ""),
    ],
)
def test_the_client_chooses(accepted: str, expected: str) -> None:
    """What has no weight is not spoken (RFC 9110, section 12.5.3)."""
    assert expected == choose_coding(accepted)


@given(st.binary(max_size=2000), st.sampled_from([("gzip", 31), ("deflate", 15)]))
def test_a_body_comes_back(body: bytes, how: tuple[str, int]) -> None:
    """Gzip is RFC 1952, deflate RFC 1950."""
    coding, window = how
    assert body == zlib.decompress(compress(body, coding), window)


@given(st.lists(st.binary(max_size=300), max_size=8), st.integers(0, 7))
def test_any_run_of_pieces_is_a_stream(pieces: list[bytes], begun: int) -> None:
    """Whoever begins at whichever piece reads each one as soon as it is there."""
    reader = zlib.decompressobj(31)
    assert b"" == reader.decompress(STREAM_START)
    for piece in pieces[begun:]:
        assert piece == reader.decompress(stream_piece(piece))


def test_caches_are_told() -> None:
    """`Vary` keeps what it said before."""
    assert "Accept-Encoding" == vary(None)
    assert "Origin, Accept-Encoding" == vary("Origin")
