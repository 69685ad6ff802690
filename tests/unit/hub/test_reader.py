"""Many small reads leave in few calls, and everyone gets the part that is theirs."""

from __future__ import annotations

from collections.abc import Sequence
import asyncio

from broker.core.cursor import START
from broker.core.errors import StoreUnavailable
from broker.core.ring import History
from broker.hub.reader import Reader
from broker.hub.tenant import Tenant
from broker.store.base import Lookup
from tests.support.fanout import Fanout


def read(node: Fanout, *names: str, reader: Reader | None = None) -> asyncio.Task[list[History]]:
    """Begin to read channels from their beginning."""
    lookups = [Lookup(name, START) for name in names]
    return node.loop.create_task((reader or node.reader).read(node.tenant, lookups))


def test_requests_that_wait_leave_together(node: Fanout) -> None:
    """While one call is in flight the others queue, and share the next."""
    node.publish("a", "b", "c")
    node.store.is_manual = True
    tasks = [read(node, "a"), read(node, "b"), read(node, "c", "a")]
    node.loop.settle()
    node.store.is_manual = False
    node.store.let_go()
    node.loop.settle()
    names = [[history.channel for history in task.result()] for task in tasks]
    assert [["a"], ["b"], ["c", "a"]] == names
    assert all(1 == len(each.messages) for task in tasks for each in task.result())
    assert node.store.reads <= 2


def test_a_call_has_so_many_lookups_at_most(node: Fanout) -> None:
    """A request that is larger alone still goes."""
    reader = Reader(node.store, 10, call_lookups=3)
    node.store.is_manual = True
    tasks = [read(node, *names, reader=reader) for names in ("ab", "cd", "efghi", "j")]
    sizes: list[Sequence[Lookup]] = []
    while not all(task.done() for task in tasks):
        node.loop.settle()
        if not sizes or sizes[-1] != node.store.lookups:
            sizes.append(node.store.lookups)
        node.store.let_go()
    assert [2, 2, 5, 1] == [len(lookups) for lookups in sizes]
    node.loop.run(reader.close())


def test_a_failure_reaches_everyone_of_the_call(node: Fanout) -> None:
    """Nobody waits for ever; the next request is tried anew."""
    node.store.is_down = True
    tasks = [read(node, "a"), read(node, "b")]
    node.loop.settle()
    assert all(isinstance(task.exception(), StoreUnavailable) for task in tasks)
    node.store.is_down = False
    again = read(node, "a")
    node.loop.settle()
    assert ["a"] == [history.channel for history in again.result()]


def test_who_gave_up_is_left_out(node: Fanout) -> None:
    """A cancelled request costs no lookup, and disturbs no other one."""
    node.store.is_manual = True
    first, second, third = read(node, "a"), read(node, "b"), read(node, "c")
    node.loop.step()
    node.loop.step()
    first.cancel()
    node.loop.settle()
    second.cancel()
    node.store.is_manual = False
    node.store.let_go()
    node.loop.settle()
    assert [True, True] == [first.cancelled(), second.cancelled()]
    assert ["c"] == [history.channel for history in third.result()]


def test_tenants_do_not_wait_for_each_other(node: Fanout) -> None:
    """One call each can be in flight."""
    node.store.is_manual = True
    for name in ("one", "other"):
        node.loop.create_task(node.reader.read(Tenant(name), [Lookup("a", START)]))
    node.loop.settle()
    assert 2 == node.store.waiting


def test_a_closed_reader_gives_up(node: Fanout) -> None:
    """Calls under way are cancelled, and none is left."""
    node.store.is_manual = True
    task = read(node, "a")
    node.loop.settle()
    node.loop.run(node.reader.close())
    assert {} == node.reader._waiting
    task.cancel()
    node.loop.settle()
    assert task.cancelled()
