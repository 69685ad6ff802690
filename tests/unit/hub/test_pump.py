"""Turns come in rounds, slices leave the loop its chance, and a fault stops nobody else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from broker.hub.pump import Pump
from tests.support.stepping import SteppingLoop


class Item:
    """Something with turns; `action` is what it does in one."""

    def __init__(self, turns: list[str], name: str, writes: int = 1) -> None:
        self.queued = False
        self.action: Callable[[], None] = lambda: None
        self._turns = turns
        self._name = name
        self._writes = writes

    def flush(self) -> int:
        """Note the turn."""
        self.queued = False
        self._turns.append(self._name)
        self.action()
        return self._writes


def test_an_item_asked_for_twice_has_one_turn(loop: SteppingLoop) -> None:
    """Asking again before the turn changes nothing; after it, it is another turn."""
    turns: list[str] = []
    pump = Pump(loop, 10, 0.005)
    item = Item(turns, "a")
    pump.queue(item)
    pump.queue(item)
    loop.settle()
    assert ["a"] == turns
    pump.queue(item)
    loop.settle()
    assert ["a", "a"] == turns


def test_the_loop_gets_its_chance_after_a_slice(loop: SteppingLoop) -> None:
    """After so many writes other callbacks run before the round goes on."""
    turns: list[str] = []
    pump = Pump(loop, 2, 0.005)
    for name in "abcd":
        pump.queue(Item(turns, name))
    loop.call_soon(turns.append, "other")
    loop.settle()
    assert ["a", "b", "other", "c", "d"] == turns


def test_a_turn_without_writes_does_not_fill_the_slice(loop: SteppingLoop) -> None:
    """Only writes count: empty turns cost next to nothing."""
    turns: list[str] = []
    pump = Pump(loop, 1, 0.005)
    for name in "abc":
        pump.queue(Item(turns, name, writes=0))
    loop.call_soon(turns.append, "other")
    loop.settle()
    assert ["a", "b", "c", "other"] == turns


def test_what_comes_in_a_round_waits_as_long_as_the_round_took(loop: SteppingLoop) -> None:
    """A busy pump rests between two rounds, for as long as the last one took."""
    turns: list[str] = []
    pump = Pump(loop, 10, 0.005)
    first, second = Item(turns, "first"), Item(turns, "second")

    def take_long() -> None:
        loop.pass_time(0.003)
        pump.queue(second)

    first.action = take_long
    pump.queue(first)
    loop.settle()
    assert ["first"] == turns
    loop.advance(0.0029)
    assert ["first"] == turns
    loop.advance(0.0002)
    assert ["first", "second"] == turns


def test_no_rest_is_longer_than_allowed(loop: SteppingLoop) -> None:
    """However long a round took, the next one comes after the longest rest."""
    turns: list[str] = []
    pump = Pump(loop, 10, 0.005)
    first, second = Item(turns, "first"), Item(turns, "second")

    def take_long() -> None:
        loop.pass_time(1.0)
        pump.queue(second)

    first.action = take_long
    pump.queue(first)
    loop.settle()
    loop.advance(0.006)
    assert ["first", "second"] == turns


def test_a_pump_may_have_no_rest(loop: SteppingLoop) -> None:
    """Then the next round comes as soon as the loop has had its chance, however long one takes."""
    turns: list[str] = []
    pump = Pump(loop, 10, 0.0)
    first, second = Item(turns, "first"), Item(turns, "second")

    def take_long() -> None:
        loop.pass_time(1.0)
        pump.queue(second)
        loop.call_soon(turns.append, "other")

    first.action = take_long
    pump.queue(first)
    loop.settle()
    assert ["first", "other", "second"] == turns


def test_a_turn_that_fails_stops_nobody(
    loop: SteppingLoop, caplog: pytest.LogCaptureFixture
) -> None:
    """The others of the round have their turns, and the pump goes on."""
    turns: list[str] = []
    pump = Pump(loop, 10, 0.005)
    broken, whole = Item(turns, "broken"), Item(turns, "whole")

    def fail() -> None:
        raise ValueError("broken")

    broken.action = fail
    pump.queue(broken)
    pump.queue(whole)
    loop.settle()
    pump.queue(whole)
    loop.settle()
    assert ["broken", "whole", "whole"] == turns
    assert ["a turn failed"] == [record.message for record in caplog.records]


def test_a_stopped_pump_gives_no_turns(loop: SteppingLoop) -> None:
    """What was queued is forgotten."""
    turns: list[str] = []
    pump = Pump(loop, 10, 0.005)
    pump.queue(Item(turns, "a"))
    pump.stop()
    loop.settle()
    assert [] == turns
