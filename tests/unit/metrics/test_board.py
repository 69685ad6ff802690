"""The board gives back the last whole data of each place, whatever a writer is killed at."""

from __future__ import annotations

import os
import signal

from hypothesis import given
from hypothesis import strategies as st
import pytest

from broker.metrics.board import Board
from tests.support.waiting import eventually


def test_a_new_place_is_empty() -> None:
    """Nothing was written, so there is nothing to read."""
    assert b"" == Board(2, 64).read(1)


@given(st.lists(st.tuples(st.integers(0, 2), st.binary(max_size=64)), max_size=20))
def test_places_hold_what_was_written_last(writes: list[tuple[int, bytes]]) -> None:
    """Each place gives its own last data, of any length that fits."""
    board = Board(3, 64)
    last = dict.fromkeys(range(3), b"")
    for place, data in writes:
        board.write(place, data)
        last[place] = data
        assert last == {each: board.read(each) for each in last}


@given(st.binary(min_size=1, max_size=64), st.data())
def test_a_write_that_was_cut_short_leaves_what_was_before(
    first: bytes, data: st.DataObject
) -> None:
    """Whichever bytes of the newest sheet are spoiled, the other one is read."""
    board = Board(1, 64)
    board.write(0, first)
    board.write(0, b"second, which is spoiled")
    at = board._at(0, 1)
    spoiled = data.draw(st.integers(at, at + 30))
    board._memory[spoiled] ^= data.draw(st.integers(1, 255))
    assert first == board.read(0)
    board.write(0, b"third")
    assert b"third" == board.read(0)


def test_what_is_too_long_is_not_written(caplog: pytest.LogCaptureFixture) -> None:
    """The place keeps what it had, and the log says so once."""
    board = Board(1, 8)
    board.write(0, b"fits")
    for _ in range(3):
        board.write(0, b"this is too long")
    assert b"fits" == board.read(0)
    assert 1 == len(caplog.records)


async def test_a_forked_process_shares_it_and_may_be_killed() -> None:
    """What a child writes its parent reads, and goes on reading after the child was killed."""
    board = Board(1, 4096)
    child = os.fork()
    if not child:
        number = 0
        while True:
            number += 1
            board.write(0, b"%d" % number * 500)
    try:
        await eventually(lambda: board.read(0) != b"", what="the child has written")
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)  # noqa: ASYNC222 - it is dead
    data = board.read(0)
    assert data
    assert data == data[: len(data) // 500] * 500
