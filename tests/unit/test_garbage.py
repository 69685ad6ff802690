"""Garbage collection: what stays is set aside, and what refers to itself goes all the same."""

from __future__ import annotations

from collections.abc import Iterator
import gc
import weakref

import pytest

from broker import garbage
from broker.garbage import LOOK_S, Collector


@pytest.fixture(autouse=True)
def own_collections() -> Iterator[None]:
    """Have nothing collected but what the test asks for, and leave nothing set aside."""
    thresholds = gc.get_threshold()
    gc.disable()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)
    gc.enable()


class Knot:
    """Refers to itself, so that no last reference frees it."""

    def __init__(self) -> None:
        self.itself = self


def test_what_start_up_made_is_set_aside() -> None:
    """After the start no collection looks at what there was before it."""
    Collector().start()
    assert gc.get_freeze_count() > len(gc.get_objects())


def test_what_stays_is_set_aside_and_young_garbage_is_not() -> None:
    """A visit frees knots that are young, sets the rest aside, and comes again."""
    collector = Collector()
    collector.start()
    before = gc.get_freeze_count()
    gone = weakref.ref(Knot())
    kept = [[] for _ in range(1000)]  # type: ignore[var-annotated]
    assert 5.0 + LOOK_S == collector.due(5.0)
    assert gone() is None
    assert gc.get_freeze_count() >= before + len(kept)


def test_what_was_set_aside_is_looked_at_once_there_is_twice_as_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A knot that was set aside lives until the objects have doubled, and no longer."""
    monkeypatch.setattr(garbage, "FEWEST", 1)
    collector = Collector()
    collector.start()
    knot = Knot()
    aside = weakref.ref(knot)
    collector.due(0.0)
    del knot
    collector.due(10.0)
    assert aside() is not None
    kept = [[] for _ in range(2 * gc.get_freeze_count())]  # type: ignore[var-annotated]
    collector.due(20.0)
    assert aside() is None
    assert kept


def test_what_the_traffic_explains_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that fills with connections is not stopped for it."""
    monkeypatch.setattr(garbage, "FEWEST", 1)
    explained = 0
    collector = Collector(lambda: explained)
    collector.start()
    count = 2 * gc.get_freeze_count()
    knot = Knot()
    aside = weakref.ref(knot)
    collector.due(0.0)
    del knot
    kept = [[] for _ in range(count)]  # type: ignore[var-annotated]
    explained = count
    collector.due(10.0)
    assert aside() is not None
    explained = 0
    collector.due(20.0)
    assert aside() is None
    assert kept


def test_what_came_and_went_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many objects were set aside: those that are freed since are no reason to look."""
    monkeypatch.setattr(garbage, "FEWEST", 1)
    collector = Collector()
    collector.start()
    count = gc.get_freeze_count()
    knot = Knot()
    aside = weakref.ref(knot)
    collector.due(0.0)
    del knot
    for _ in range(3):
        kept = [[] for _ in range(count // 2)]  # type: ignore[var-annotated]
        collector.due(10.0)
        del kept
    assert aside() is not None
