"""The census: every node is asked, none is waited for longer than agreed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
import asyncio

import orjson
import pytest

from broker.census.census import Census
from broker.census.circle import NODES, Circle, Said
from broker.census.counting import Counted
from broker.census.switchboard import Switchboard
from broker.core.cursor import START, Cursor
from broker.core.errors import Unavailable
from broker.core.headcount import Question
from broker.core.message import Draft
from broker.core.ring import Retention
from broker.hub import Hub
from broker.store.base import Outcome, Publication
from broker.store.memory import MemoryStore
from tests.support.fanout import Fanout

QUESTION = Question("main", ("a",))

ASKING = {
    "node": "x",
    "host": "elsewhere",
    "pid": 1,
    "of": "",
    "say": "ask",
    "number": 1,
    "to": "answers.0",
}
"""What a node says that asks, all but the question."""


class Deaf(Census):
    """A node that hears questions and does not answer."""

    async def _answer(self, about: Said) -> Said:
        await asyncio.Event().wait()
        return about


class Member(NamedTuple):
    """A node: its place among the others, and what it counts with."""

    circle: Circle
    census: Census


async def begin(
    store: MemoryStore, hub: Hub, subscribers: int, kind: type[Census] = Census, wait_s: float = 5.0
) -> Member:
    """Return a node that says it has so many subscribers in channel `a`."""
    loop = asyncio.get_running_loop()
    counted = Counted(subscribers, {"a": subscribers}, complete=True)
    circle = Circle(store, loop.time)
    census = kind(circle, lambda _: counted, loop.time, wait_s)
    await circle.open(await store.listener(Switchboard(hub, circle)))
    return Member(circle, census)


@pytest.fixture
def hub(node: Fanout) -> Hub:
    """Return a hub that hears of channels."""
    return node.hub


async def test_a_node_alone_asks_nobody(hub: Hub) -> None:
    """It answers for itself, and sends nothing but its hello."""
    store = MemoryStore()
    _, census = await begin(store, hub, 3)
    before = await store.channels(NODES, "", 10)
    population = await census.take(QUESTION)
    assert 3 == population.subscribers
    assert {"a": 3} == population.channels()
    assert population.complete
    assert before == await store.channels(NODES, "", 10)


async def test_nodes_that_begin_later_are_counted(hub: Hub) -> None:
    """Whoever began first knows those who came behind it, and they know it."""
    store = MemoryStore()
    nodes = [await begin(store, hub, count) for count in (1, 2, 4)]
    for circle, census in nodes:
        population = await census.take(QUESTION)
        assert 7 == population.subscribers
        assert {"a": 7} == population.channels()
        assert circle.who == population.counts[0][:3]
        assert population.complete


async def test_one_node_can_be_asked_alone(hub: Hub) -> None:
    """Asked for its own numbers, it leaves the others out."""
    store = MemoryStore()
    first, _ = [await begin(store, hub, count) for count in (1, 2)]
    assert 1 == (await first.census.take(QUESTION, alone=True)).subscribers


async def test_a_node_that_goes_is_not_waited_for(hub: Hub) -> None:
    """Its farewell ends what waits for it, too."""
    store = MemoryStore()
    first = await begin(store, hub, 1, wait_s=60.0)
    second = await begin(store, hub, 2, Deaf)
    asking = asyncio.create_task(first.census.take(QUESTION))
    await asyncio.sleep(0)
    await second.circle.close()
    population = await asking
    assert 1 == population.subscribers
    assert population.complete
    assert [] == list(first.circle.others)


async def test_a_silent_node_is_named_until_it_is_heard_of(hub: Hub) -> None:
    """The answer says who is missing; later ones do so as well, without waiting for it."""
    store = MemoryStore()
    first = await begin(store, hub, 1, wait_s=0.05)
    second = await begin(store, hub, 2, Deaf)
    for _ in range(2):
        population = await first.census.take(QUESTION)
        assert (second.circle.who,) == population.silent
        assert not population.complete
        assert [] == list(first.circle.others)
    second.circle.greet()
    await asyncio.sleep(0)
    assert [second.circle.who.node] == list(first.circle.others)
    assert () == first.circle.silent


class Counting(MemoryStore):
    """A store that counts questions."""

    questions = 0

    async def publish(
        self, tenant: str, publications: Sequence[Publication], floor: Cursor
    ) -> list[Outcome]:
        """Count a question, and store it."""
        said = [orjson.loads(draft.body)["say"] for each in publications for draft in each.drafts]
        self.questions += said.count("ask")
        return await super().publish(tenant, publications, floor)


async def test_those_who_ask_at_once_share_a_question(hub: Hub) -> None:
    """Each gets the answer for its own channels; those of a summary ask for themselves."""
    store = Counting()
    nodes = [await begin(store, hub, count) for count in (1, 2)]
    questions = [Question("main", (name,)) for name in "abc" * 10]
    answers = await asyncio.gather(*map(nodes[0].census.take, questions))
    assert 1 == store.questions
    assert [{"a": 3}] * 30 == [answer.channels() for answer in answers]
    await asyncio.gather(*[nodes[0].census.take(Question("main", prefix="")) for _ in range(2)])
    assert 3 == store.questions


async def test_who_no_longer_waits_takes_nobody_with_it(hub: Hub) -> None:
    """Those who share a question get their answer though one of them has gone."""
    store = MemoryStore()
    nodes = [await begin(store, hub, count) for count in (1, 2)]
    gone = asyncio.create_task(nodes[0].census.take(QUESTION))
    staying = asyncio.create_task(nodes[0].census.take(QUESTION))
    await asyncio.sleep(0)
    gone.cancel()
    assert 3 == (await staying).channels()["a"]
    assert gone.cancelled()


async def test_questions_that_wait_are_bounded(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is refused, and says that there are too many."""
    monkeypatch.setattr("broker.census.circle.MAX_ASKED", 1)
    store = MemoryStore()
    first = await begin(store, hub, 1, wait_s=60.0)
    deaf = await begin(store, hub, 2, Deaf)
    waiting = asyncio.create_task(first.census.take(QUESTION))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await first.census.take(QUESTION)
    await deaf.circle.close()
    await waiting


@pytest.mark.parametrize(
    "said",
    [
        [],
        {},
        {"node": "x"},
        {"node": "x", "say": "hello", "to": "answers.0"},
        {"node": "x", "host": "h", "pid": 0, "say": "hello", "to": "answers.0"},
        {**ASKING, "kind": "headcount", "about": 7},
        {**ASKING, "kind": "headcount", "about": {}},
        {**ASKING, "kind": "unheard of", "about": {}},
        {**ASKING, "say": "answer", "for": "y"},
    ],
)
async def test_what_cannot_be_understood_is_passed_over(hub: Hub, said: object) -> None:
    """A node of another version breaks nothing."""
    store = MemoryStore()
    first = await begin(store, hub, 1, wait_s=0.05)
    draft = Draft("calls", orjson.dumps(said))
    await store.publish(NODES, [Publication([draft], [Retention(0, 0)])], START)
    assert 1 == (await first.census.take(QUESTION)).subscribers
