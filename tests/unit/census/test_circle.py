"""The circle: one node can be asked alone, who falls silent is named, and forgotten in the end."""

from __future__ import annotations

from asyncio.subprocess import PIPE
import asyncio
import os
import sys

import orjson
import pytest

from broker.census.circle import FORGET_S, NODES, Circle, Said
from broker.census.switchboard import Switchboard
from broker.core.cursor import START
from broker.core.message import Draft
from broker.core.nodes import NodeId
from broker.core.ring import Retention
from broker.hub import Hub
from broker.store.base import Publication
from broker.store.memory import MemoryStore
from tests.support.fanout import Fanout

KIND = "echo"


class Clock:
    """Seconds that the test moves on."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def hub(node: Fanout) -> Hub:
    """Return a hub that hears of channels."""
    return node.hub


async def begin(store: MemoryStore, hub: Hub, clock: Clock | None = None) -> Circle:
    """Return a node that answers with what it was asked, and its name."""
    circle = Circle(store, clock or Clock())

    async def echo(about: Said) -> Said:
        return {**about, "by": circle.who.node}

    circle.answer(KIND, echo)
    await circle.open(await store.listener(Switchboard(hub, circle)))
    return circle


async def never(about: Said) -> Said:
    """Be asked, and answer nothing."""
    await asyncio.Event().wait()
    return about


async def say(store: MemoryStore, **said: object) -> None:
    """Say something to all nodes."""
    draft = Draft("calls", orjson.dumps(said))
    await store.publish(NODES, [Publication([draft], [Retention(0, 0)])], START)


async def test_all_others_are_asked_or_one_alone(hub: Hub) -> None:
    """Who is not asked does not answer."""
    store = MemoryStore()
    first, second, third = [await begin(store, hub) for _ in range(3)]
    answers = await first.ask(KIND, {"x": 1}, 5.0)
    assert () == answers.silent
    assert {second.who.node, third.who.node} == {told["by"] for told in answers.told}
    answers = await first.ask(KIND, {"x": 1}, 5.0, third.who.node)
    assert [{"x": 1, "by": third.who.node}] == answers.told


async def test_a_silent_node_can_still_be_asked_alone(hub: Hub) -> None:
    """It is back as soon as it answers."""
    store = MemoryStore()
    first, second = [await begin(store, hub) for _ in range(2)]
    second.answer(KIND, never)
    assert (second.who,) == (await first.ask(KIND, {}, 0.02)).silent
    assert first.knows(second.who.node)
    answers = await first.ask(KIND, {}, 0.02, second.who.node)
    assert ((second.who,), []) == (answers.silent, answers.told)


async def test_who_is_silent_for_long_is_forgotten(hub: Hub) -> None:
    """So that a machine that is gone for good is not named for ever."""
    store, clock = MemoryStore(), Clock()
    first = await begin(store, hub, clock)
    await say(store, node="x", host="elsewhere", pid=1, say="here")
    gone = NodeId("x", "elsewhere", 1)
    assert (gone,) == (await first.ask(KIND, {}, 0.02)).silent
    clock.now += FORGET_S
    assert [gone] == list(first.silent)
    clock.now += 1
    assert [] == list(first.silent)
    assert not first.knows("x")


async def test_a_process_of_this_machine_that_ended_is_forgotten_at_once(hub: Hub) -> None:
    """A worker that was killed said no farewell, and has no sessions that could be missing."""
    store = MemoryStore()
    first = await begin(store, hub)
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=PIPE)
    host = first.who.host
    await say(store, node="x", host=host, pid=process.pid, say="here")
    assert (NodeId("x", host, process.pid),) == (await first.ask(KIND, {}, 0.02)).silent
    process.kill()
    await process.wait()
    assert [] == list(first.silent)


async def test_questions_that_are_answered_at_once_are_bounded(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asks beyond that finds the node silent."""
    monkeypatch.setattr("broker.census.circle.MAX_ANSWERING", 1)
    store = MemoryStore()
    first, second = [await begin(store, hub) for _ in range(2)]
    second.answer("long", never)
    waiting = asyncio.create_task(first.ask("long", {}, 60.0))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (second.who,) == (await first.ask(KIND, {}, 0.02)).silent
    await second.close()
    assert () == (await waiting).silent


async def test_a_node_says_which_process_of_which_machine_it_is(hub: Hub) -> None:
    """So that it can be found."""
    circle = await begin(MemoryStore(), hub)
    assert os.getpid() == circle.who.pid
    assert circle.who.node in str(circle.who)
    assert circle.who.host in str(circle.who)
