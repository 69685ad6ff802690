"""The stopwatch times a message from its acceptance until it was written."""

from __future__ import annotations

from asyncio import Future
from collections.abc import Iterator

import pytest

from broker.core.cursor import Cursor
from broker.core.errors import StoreUnavailable
from broker.core.message import Draft, Stamp
from broker.core.ring import Retention
from broker.hub.pump import Pump
from broker.stopwatch import MOST_MARKS, PAUSE_S, Stopwatch
from broker.store.base import Publication, Stored
from broker.tracing import Publishing
from tests.support.stepping import SteppingLoop

PUBLICATION = Publication([Draft("a", b"1")], [Retention()])


class Bench:
    """A stopwatch on a loop that stands still."""

    def __init__(self) -> None:
        self.loop = SteppingLoop()
        self.seen: list[float] = []
        self.is_wanted = True
        self.told: list[Publishing] = []
        pump = Pump(self.loop, 256, 0.0)
        self.watch = Stopwatch(
            self.loop.time,
            pump,
            lambda _tenant, _channel: self.is_wanted,
            self.seen.append,
            self.told.append,
        )

    def accept(self) -> Future[Stored]:
        """Take a publication."""
        answer: Future[Stored] = self.loop.create_future()
        self.watch.accepted("main", PUBLICATION, answer)
        return answer

    def answer(self, answer: Future[Stored], tag: int, *, repeated: bool = False) -> None:
        """Answer a publication that was stored."""
        answer.set_result(Stored([Stamp("a", tag, Cursor(1, tag))], repeated))
        self.loop.settle()

    def hand(self, tag: int, tenant: str = "main") -> None:
        """Have announcements handed over, and their cohorts written to."""
        self.watch.handed(tenant, Cursor(1, tag))
        self.loop.settle()


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Give a stopwatch."""
    made = Bench()
    yield made
    made.loop.close()


def test_a_message_is_timed_whichever_comes_first(bench: Bench) -> None:
    """The announcement may come before the store's answer or after it."""
    answer = bench.accept()
    bench.loop.advance(0.25)
    bench.hand(5)
    bench.loop.advance(1.0)
    bench.answer(answer, 5)
    assert [0.25] == bench.seen
    answer = bench.accept()
    bench.answer(answer, 6)
    bench.loop.advance(0.5)
    bench.hand(6)
    assert [0.25, 0.5] == bench.seen


def test_earlier_announcements_do_not_count(bench: Bench) -> None:
    """Only what reaches up to the message says that it was written."""
    answer = bench.accept()
    bench.hand(3)
    bench.hand(9, "other")
    bench.answer(answer, 5)
    assert [] == bench.seen
    bench.loop.advance(0.5)
    bench.hand(7)
    bench.hand(8)
    assert [0.5] == bench.seen


def test_a_few_messages_a_second_are_timed(bench: Bench) -> None:
    """Between two of them there is a pause."""
    for tag in range(1, 101):
        answer = bench.accept()
        bench.hand(tag)
        bench.answer(answer, tag)
        bench.loop.advance(PAUSE_S / 10)
    assert 9 <= len(bench.seen) <= 11


def test_messages_without_readers_are_not_timed(bench: Bench) -> None:
    """What nobody on this node reads reaches no socket."""
    bench.is_wanted = False
    answer = bench.accept()
    bench.hand(1)
    bench.answer(answer, 1)
    assert [] == bench.seen


@pytest.mark.parametrize("how", ["failed", "cancelled", "repeated"])
def test_messages_that_were_not_stored_are_not_timed(bench: Bench, how: str) -> None:
    """A publish that failed, was given up or was answered from before says nothing."""
    answer = bench.accept()
    bench.hand(1)
    if how == "failed":
        answer.set_exception(StoreUnavailable("it is down"))
    elif how == "cancelled":
        answer.cancel()
    else:
        bench.answer(answer, 1, repeated=True)
    bench.loop.settle()
    bench.hand(2)
    assert [] == bench.seen


def test_a_message_is_looked_for_in_a_bounded_number_of_announcements(bench: Bench) -> None:
    """One whose answer does not come leaves nothing behind that grows."""
    answer = bench.accept()
    for tag in range(1, 3 * MOST_MARKS):
        bench.hand(tag)
    lap = bench.watch._lap
    assert lap is not None
    assert MOST_MARKS == len(lap._written)
    bench.answer(answer, 3 * MOST_MARKS)
    assert [] == bench.seen


def test_all_that_was_seen_is_told(bench: Bench) -> None:
    """Who traces gets every moment; of messages without readers, those up to the store."""
    began = bench.loop.time()
    answer = bench.accept()
    bench.loop.advance(0.25)
    bench.answer(answer, 5)
    bench.loop.advance(0.25)
    bench.hand(5)
    [seen] = bench.told
    assert ("main", "a", 1, "1-5") == (seen.tenant, seen.channel, seen.messages, seen.cursor)
    moments = (seen.accepted, seen.stamped, seen.announced, seen.written)
    assert (began, began + 0.25, began + 0.5, began + 0.5) == moments
    bench.is_wanted = False
    answer = bench.accept()
    bench.answer(answer, 6)
    assert None is bench.told[1].written
    assert 1 == len(bench.seen)
