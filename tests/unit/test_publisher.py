"""Publications that wait leave together, and each publisher hears what became of its own."""

from __future__ import annotations

from collections.abc import Sequence
import asyncio

import pytest

from broker.core.cursor import START, Cursor
from broker.core.errors import PreconditionFailed, StoreUnavailable, Unavailable
from broker.core.message import Draft
from broker.core.ring import Retention
from broker.gathering import ENOUGH_MESSAGES
from broker.publisher import MOST_GATHERINGS, Publisher, PublishLimits
from broker.store.base import Outcome, Publication, Stored
from broker.store.memory import MemoryStore
from tests.support.messages import at
from tests.support.stepping import SteppingLoop


class SlowStore(MemoryStore):
    """A store whose calls wait for the test, and are noted."""

    def __init__(self) -> None:
        super().__init__(lambda: 1000.0)
        self.calls: list[tuple[str, int, Cursor]] = []
        self.gates: list[asyncio.Future[None]] = []
        self.error: Exception | None = None

    async def publish(
        self, tenant: str, publications: Sequence[Publication], floor: Cursor
    ) -> list[Outcome]:
        self.calls.append((tenant, len(publications), floor))
        gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.gates.append(gate)
        await gate
        if self.error is not None:
            raise self.error
        return await super().publish(tenant, publications, floor)


class Stand:
    """A publisher over a slow store."""

    def __init__(self, loop: SteppingLoop, limits: PublishLimits | None = None) -> None:
        self.loop = loop
        self.store = SlowStore()
        self.written: list[tuple[str, Cursor]] = []
        self.publisher = Publisher(
            self.store,
            lambda _: at(5),
            limits or PublishLimits(),
            lambda tenant, cursor: self.written.append((tenant, cursor)),
        )

    def publish(
        self, count: int = 1, tenant: str = "main", if_match: str = ""
    ) -> asyncio.Task[Stored]:
        """Begin to publish so many messages."""
        drafts = [Draft("a", b"{}")] * count
        publication = Publication(drafts, [Retention()] * count, if_match=if_match)
        return self.loop.create_task(self.publisher.publish(tenant, publication))

    def let_go(self) -> None:
        """Let the calls that wait be made."""
        self.loop.settle()
        for gate in self.store.gates:
            if not gate.done():
                gate.set_result(None)
        self.loop.settle()


def test_what_waits_leaves_in_the_next_call(loop: SteppingLoop) -> None:
    """In the order in which it came, each with its own stamps."""
    stand = Stand(loop)
    first = stand.publish()
    loop.settle()
    others = [stand.publish() for _ in range(5)]
    stand.let_go()
    stand.let_go()
    assert [1, 5] == [count for _, count, _ in stand.store.calls]
    ids = [task.result().stamps[0].id for task in [first, *others]]
    assert [1, 2, 3, 4, 5, 6] == ids


def test_a_call_has_so_many_messages_at_most(loop: SteppingLoop) -> None:
    """A publication that is larger alone still goes, alone."""
    stand = Stand(loop, PublishLimits(call_messages=4))
    tasks = [stand.publish(count) for count in (1, 2, 2, 9, 1)]
    for _ in range(5):
        stand.let_go()
    assert [2, 1, 1, 1] == [count for _, count, _ in stand.store.calls]
    assert all(task.done() for task in tasks)


def test_where_several_publish_at_the_same_time_a_call_waits_for_them(loop: SteppingLoop) -> None:
    """For `linger_s` at most."""
    stand = Stand(loop, PublishLimits(linger_s=0.002))
    for _ in range(3):
        stand.publish()
    stand.let_go()
    stand.publish()
    loop.settle()
    loop.advance(0.001)
    stand.publish()
    loop.settle()
    assert [3] == [count for _, count, _ in stand.store.calls]
    loop.advance(0.001)
    assert [3, 2] == [count for _, count, _ in stand.store.calls]


def test_a_call_waits_no_longer_once_everybody_is_here(loop: SteppingLoop) -> None:
    """Two of three wait for the third, which was answered, and leave as soon as it is back."""
    stand = Stand(loop, PublishLimits(linger_s=0.002))
    for _ in range(3):
        stand.publish()
        loop.settle()
    stand.let_go()
    assert [1] == [count for _, count, _ in stand.store.calls]
    stand.publish()
    loop.settle()
    assert [1, 3] == [count for _, count, _ in stand.store.calls]


def test_one_publisher_alone_waits_for_nobody(loop: SteppingLoop) -> None:
    """Its next message leaves at once, as does the first of every tenant."""
    stand = Stand(loop, PublishLimits(linger_s=0.002))
    for tenant in ("main", "main", "acme", "main"):
        task = stand.publish(tenant=tenant)
        stand.let_go()
        assert task.done()


def test_a_full_call_waits_for_nobody(loop: SteppingLoop) -> None:
    """There is next to nothing to be saved."""
    stand = Stand(loop, PublishLimits(linger_s=0.002))
    for _ in range(3):
        stand.publish()
    stand.let_go()
    stand.publish(ENOUGH_MESSAGES)
    loop.settle()
    assert [3, 1] == [count for _, count, _ in stand.store.calls]


def test_tenants_of_which_nothing_waits_are_forgotten_in_the_end(loop: SteppingLoop) -> None:
    """What is remembered of them is bounded."""
    stand = Stand(loop)
    for number in range(MOST_GATHERINGS + 10):
        stand.publish(tenant=f"tenant{number}")
        stand.let_go()
    assert MOST_GATHERINGS == len(stand.publisher._gatherings)


def test_the_floor_is_handed_to_the_store(loop: SteppingLoop) -> None:
    """Cursors go on from what this node has seen (P5)."""
    stand = Stand(loop)
    task = stand.publish()
    stand.let_go()
    assert [("main", 1, at(5))] == stand.store.calls
    assert task.result().stamps[0].cursor > at(5)


def test_what_was_stored_is_noted_before_the_publisher_hears(loop: SteppingLoop) -> None:
    """The highest cursor of a call; nothing of a call that failed."""
    stand = Stand(loop)
    task = stand.publish(3)
    stand.let_go()
    assert [("main", task.result().stamps[-1].cursor)] == stand.written


def test_a_refusal_reaches_only_whom_it_concerns(loop: SteppingLoop) -> None:
    """The publications of one call do not depend on each other."""
    stand = Stand(loop)
    stand.publish()
    loop.settle()
    good, bad, also_good = stand.publish(), stand.publish(if_match="77"), stand.publish()
    stand.let_go()
    stand.let_go()
    assert isinstance(bad.exception(), PreconditionFailed)
    assert [2, 3] == [task.result().stamps[0].id for task in (good, also_good)]


def test_a_failed_call_reaches_everyone_in_it_and_no_one_else(loop: SteppingLoop) -> None:
    """The next call is made as if nothing had happened."""
    stand = Stand(loop)
    stand.store.error = StoreUnavailable("down")
    failed = [stand.publish(), stand.publish()]
    stand.let_go()
    assert all(isinstance(task.exception(), StoreUnavailable) for task in failed)
    stand.store.error = None
    after = stand.publish()
    stand.let_go()
    assert 1 == after.result().stamps[0].id


def test_a_fault_of_the_store_is_logged(
    loop: SteppingLoop, caplog: pytest.LogCaptureFixture
) -> None:
    """What is no refusal of ours reaches the publisher and the log."""
    stand = Stand(loop)
    stand.store.error = ValueError("broken")
    task = stand.publish()
    stand.let_go()
    assert isinstance(task.exception(), ValueError)
    assert ["a store call failed"] == [record.message for record in caplog.records]


def test_too_much_waiting_is_refused(loop: SteppingLoop) -> None:
    """Nothing of it is stored; once the queue is shorter, publishing works again."""
    stand = Stand(loop, PublishLimits(queue_messages=3))
    in_flight = stand.publish()
    loop.settle()
    waiting = stand.publish(3)
    refused = stand.publish()
    loop.settle()
    assert isinstance(refused.exception(), Unavailable)
    stand.let_go()
    stand.let_go()
    assert (0, True, True) == (stand.publisher.queued, in_flight.done(), waiting.done())
    again = stand.publish()
    stand.let_go()
    assert 5 == again.result().stamps[0].id


def test_a_publisher_that_has_gone_disturbs_nobody(loop: SteppingLoop) -> None:
    """The others of the call get their answers."""
    stand = Stand(loop)
    gone, there = stand.publish(), stand.publish()
    loop.settle()
    gone.cancel()
    stand.let_go()
    assert gone.cancelled()
    assert 1 == len(there.result().stamps)


def test_what_nobody_waits_for_any_more_is_not_stored(loop: SteppingLoop) -> None:
    """Who gave up while it was still queued may send it again; it is stored once then."""
    stand = Stand(loop)
    first = stand.publish()
    loop.settle()
    gone, there, also_gone = stand.publish(), stand.publish(), stand.publish(tenant="other")
    loop.settle()
    gone.cancel()
    stand.let_go()
    stand.let_go()
    again = stand.publish()
    stand.let_go()
    assert [1, 2, 3] == [task.result().stamps[0].id for task in (first, there, again)]
    assert 0 == stand.publisher.queued
    assert also_gone.done()


def test_a_call_has_so_many_bytes_at_most(loop: SteppingLoop) -> None:
    """A publication that is larger alone still goes, alone."""
    stand = Stand(loop, PublishLimits(call_bytes=8))  # a message here has two
    tasks = [stand.publish(count) for count in (1, 2, 2, 9, 1)]
    for _ in range(5):
        stand.let_go()
    assert [2, 1, 1, 1] == [count for _, count, _ in stand.store.calls]
    assert all(task.done() for task in tasks)


def test_a_queue_has_so_many_bytes_at_most(loop: SteppingLoop) -> None:
    """What does not fit is refused by name, whatever was queued is stored, then there is room."""
    stand = Stand(loop, PublishLimits(queue_bytes=8))
    first = stand.publish(9)
    loop.settle()
    fitting = [stand.publish(2), stand.publish(2)]
    loop.settle()
    refused = stand.publish()
    loop.settle()
    error = refused.exception()
    assert isinstance(error, Unavailable)
    assert ("publish_queue_bytes", 8) == (error.setting, error.limit)
    for _ in range(3):
        stand.let_go()
    after = stand.publish(4)
    stand.let_go()
    assert all(task.result() for task in [first, *fitting, after])


def test_tenants_do_not_wait_for_each_other(loop: SteppingLoop) -> None:
    """Each has a call of its own in flight."""
    stand = Stand(loop)
    stand.publish(tenant="one")
    stand.publish(tenant="other")
    loop.settle()
    assert {"one", "other"} == {tenant for tenant, _, _ in stand.store.calls}
    stand.let_go()


def test_closing_waits_for_what_was_accepted(loop: SteppingLoop) -> None:
    """Everything in the queue is stored first (P6)."""
    stand = Stand(loop)
    tasks = [stand.publish() for _ in range(3)]
    loop.settle()
    close = loop.create_task(stand.publisher.close())
    loop.settle()
    assert not close.done()
    stand.let_go()
    stand.let_go()
    assert close.done()
    assert all(task.result().stamps[0].cursor > START for task in tasks)
