"""A run hands out what is still to be written, and says where its reader then stands."""

from __future__ import annotations

import pytest

from broker.core.recovery import Span
from broker.hub.run import Run
from tests.support.messages import at


def run_of(count: int) -> Run:
    """Return a run with frames of ten bytes at the cursors 1, 2, 3 and so on."""
    run = Run(at(0))
    for tag in range(1, count + 1):
        run.append(b"%010d" % tag, at(tag))
    return run


def test_positions_have_the_cursor_of_what_lies_before() -> None:
    """Who has everything before a position stands at the cursor of the frame before it."""
    run = run_of(3)
    assert [at(0), at(1), at(2), at(3)] == [run.cursor_at(position) for position in range(4)]
    assert (3, at(3)) == (run.head, run.cursor)


def test_frames_fit_but_one_comes_anyhow() -> None:
    """As many frames as fit, up to the end asked for; never none."""
    run = run_of(5)
    assert 2 == len(run.frames(0, 5, 29))
    assert 3 == len(run.frames(0, 5, 30))
    assert 1 == len(run.frames(0, 5, 3))
    assert [b"%010d" % 3] == run.frames(2, 3, 1000)


def test_clearing_keeps_positions() -> None:
    """Positions count on after the frames were dropped."""
    run = run_of(3)
    run.clear()
    assert (0, 3, at(3)) == (len(run), run.head, run.cursor_at(3))
    assert (True, False) == (run.has(3), run.has(2))
    run.append(b"4", at(4))
    assert [b"4"] == run.frames(3, 4, 100)
    assert at(3) == run.cursor_at(3)


def test_a_leap_makes_every_position_worthless() -> None:
    """Behind a leap nobody can go on from where it stood, not even from the head."""
    run = run_of(3)
    run.leap()
    assert not run.has(3)
    assert run.has(run.head)


def test_rising_moves_whoever_stands_at_the_head() -> None:
    """A cursor that rises without a frame is that of the base, unless frames follow it."""
    empty, filled = run_of(0), run_of(1)
    empty.rise(at(9))
    filled.rise(at(9))
    empty.append(b"10", at(10))
    assert at(9) == empty.cursor_at(0)
    assert (at(0), at(9)) == (filled.cursor_at(0), filled.cursor)


def test_trimming_is_done_in_bulk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few written frames stay; many, or all, are dropped."""
    monkeypatch.setattr("broker.hub.run._TRIM", 2)
    run = run_of(6)
    run.trim(2)
    assert 6 == len(run)
    run.trim(3)
    assert (3, 3, at(3)) == (run.base, len(run), run.cursor_at(3))
    assert [b"%010d" % 4] == run.frames(3, 4, 100)
    run.trim(6)
    assert (6, 0) == (run.base, len(run))


def test_a_span_is_added_whole() -> None:
    """What was missed joins the frames; the cursor is moved by whoever knows how far it goes."""
    run = run_of(1)
    run.extend(Span([at(2), at(3)], [b"2", b"3"]))
    assert (3, at(2)) == (run.head, run.cursor_at(2))
