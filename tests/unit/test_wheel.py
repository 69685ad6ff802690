"""One timer visits everything when its time has come, never before and never much later."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
import pytest

from broker.wheel import Wheel
from tests.support.stepping import SteppingLoop


class Item:
    """Notes its visits, and asks for the next ones."""

    def __init__(self, loop: SteppingLoop, *again_s: float) -> None:
        self.visits: list[float] = []
        self._loop = loop
        self._again_s = list(again_s)

    def due(self, now: float) -> float | None:
        """Note the visit."""
        assert now == self._loop.time()
        self.visits.append(now)
        return now + self._again_s.pop(0) if self._again_s else None


@given(
    st.lists(st.floats(-1.0, 50.0), min_size=1, max_size=10),
    st.lists(st.floats(0.0, 5.0), max_size=12),
)
def test_visits_are_never_early_and_at_most_one_slot_late(
    waits_s: list[float], pauses_s: list[float]
) -> None:
    """Whatever is asked for, and whenever: each item is visited once, within the resolution."""
    loop = SteppingLoop()
    wheel = Wheel(loop, 0.1)
    asked = []
    for number, wait_s in enumerate(waits_s):
        item = Item(loop)
        wheel.add(item, loop.time() + wait_s)
        asked.append((item, max(loop.time(), loop.time() + wait_s)))
        if number < len(pauses_s):
            loop.advance(pauses_s[number])
    loop.advance(60.0)
    for item, at in asked:
        [visited] = item.visits
        assert at <= visited <= at + 0.1 + 1e-6
    loop.close()


def test_an_item_comes_again_until_it_has_had_enough(loop: SteppingLoop) -> None:
    """What `due` returns is the time of the next visit; None is the end."""
    wheel = Wheel(loop, 0.1)
    item = Item(loop, 1.0, 2.0)
    wheel.add(item, loop.time() + 1.0)
    loop.advance(100.0)
    assert 3 == len(item.visits)
    assert pytest.approx([1001.0, 1002.0, 1004.0], abs=0.35) == item.visits


def test_an_idle_wheel_has_no_timer(loop: SteppingLoop) -> None:
    """Nothing wakes the process up while nothing is due."""
    wheel = Wheel(loop, 0.1)
    assert [] == loop._timers()
    wheel.add(Item(loop), loop.time() + 30.0)
    assert 1 == len(loop._timers())
    assert loop._timers()[0] >= loop.time() + 30.0
    loop.advance(31.0)
    assert [] == loop._timers()


def test_an_earlier_item_moves_the_timer(loop: SteppingLoop) -> None:
    """The one timer stands at the first item, in whatever order they came."""
    wheel = Wheel(loop, 0.1)
    late, early = Item(loop), Item(loop)
    wheel.add(late, loop.time() + 30.0)
    wheel.add(early, loop.time() + 1.0)
    loop.advance(2.0)
    assert (0, 1) == (len(late.visits), len(early.visits))
    assert 1 == len(loop._timers())


def test_an_item_that_fails_stops_nobody(
    loop: SteppingLoop, caplog: pytest.LogCaptureFixture
) -> None:
    """The others of its slot are visited, and so are later ones."""
    wheel = Wheel(loop, 0.1)

    class Broken:
        def due(self, now: float) -> float | None:
            raise ValueError(now)

    same, later = Item(loop), Item(loop)
    at = loop.time() + 1.0
    wheel.add(Broken(), at)
    wheel.add(same, at)
    wheel.add(later, at + 1.0)
    loop.advance(3.0)
    assert (1, 1) == (len(same.visits), len(later.visits))
    assert ["what was due failed"] == [record.message for record in caplog.records]


def test_an_item_that_failed_comes_again(loop: SteppingLoop) -> None:
    """A fault that passes ends nothing that is due now and then."""
    wheel = Wheel(loop, 0.1)
    visits: list[float] = []

    class Faulty:
        def due(self, now: float) -> float | None:
            visits.append(now)
            if len(visits) < 3:
                raise ValueError(now)
            return None

    wheel.add(Faulty(), loop.time() + 1.0)
    loop.advance(300.0)
    assert 3 == len(visits)
    assert all(60.0 <= second - first <= 60.3 for first, second in pairwise(visits))


def test_an_item_that_wants_to_come_at_once_waits_for_the_next_slot(loop: SteppingLoop) -> None:
    """A time that has passed means the next slot, not a loop without end."""
    wheel = Wheel(loop, 0.1)
    item = Item(loop, *[-5.0] * 9)
    wheel.add(item, loop.time())
    loop.advance(0.55)
    assert 5 <= len(item.visits) <= 6


def test_a_stopped_wheel_forgets_everything(loop: SteppingLoop) -> None:
    """Nothing is visited any more, and no timer stays."""
    wheel = Wheel(loop, 0.1)
    item = Item(loop)
    wheel.add(item, loop.time() + 1.0)
    wheel.stop()
    loop.advance(5.0)
    assert [] == item.visits
    assert [] == loop._timers()


def test_a_wheel_that_is_stopped_by_what_is_due_visits_nobody_else(loop: SteppingLoop) -> None:
    """Neither those of the same slot, nor whoever asks for another visit."""
    wheel = Wheel(loop, 0.1)

    class Stopping:
        def due(self, now: float) -> float:
            wheel.stop()
            return now + 1.0

    same, later = Item(loop, 1.0), Item(loop)
    at = loop.time() + 1.0
    for item in (Stopping(), same):
        wheel.add(item, at)
    wheel.add(later, at + 5.0)
    loop.advance(2.0)
    wheel.add(later, loop.time())
    loop.advance(10.0)
    assert ([], []) == (same.visits, later.visits)
    assert [] == loop._timers()
