"""The census: every node is asked, none is waited for longer than agreed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import asyncio

import orjson
import pytest

from broker.census.census import NODES, Census
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


class Deaf(Census):
    """A node that hears questions and does not answer."""

    def _answer(self, said: Mapping[str, object]) -> None:
        del said


async def begin(
    store: MemoryStore, hub: Hub, subscribers: int, kind: type[Census] = Census, wait_s: float = 5.0
) -> Census:
    """Return the census of a node that says it has so many subscribers in channel `a`."""
    loop = asyncio.get_running_loop()
    counted = Counted(subscribers, {"a": subscribers}, complete=True)
    census = kind(store, lambda _: counted, loop.time, wait_s)
    await census.open(await store.listener(Switchboard(hub, census)))
    return census


@pytest.fixture
def hub(node: Fanout) -> Hub:
    """Return a hub that hears of channels."""
    return node.hub


async def test_a_node_alone_asks_nobody(hub: Hub) -> None:
    """It answers for itself, and sends nothing but its hello."""
    store = MemoryStore()
    census = await begin(store, hub, 3)
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
    for census in nodes:
        population = await census.take(QUESTION)
        assert 7 == population.subscribers
        assert {"a": 7} == population.channels()
        assert census.name == population.counts[0].node
        assert population.complete


async def test_one_node_can_be_asked_alone(hub: Hub) -> None:
    """Asked for its own numbers, it leaves the others out."""
    store = MemoryStore()
    first, _ = [await begin(store, hub, count) for count in (1, 2)]
    assert 1 == (await first.take(QUESTION, alone=True)).subscribers


async def test_a_node_that_goes_is_not_waited_for(hub: Hub) -> None:
    """Its farewell ends what waits for it, too."""
    store = MemoryStore()
    first = await begin(store, hub, 1, wait_s=60.0)
    second = await begin(store, hub, 2, Deaf)
    asking = asyncio.create_task(first.take(QUESTION))
    await asyncio.sleep(0)
    await second.close()
    population = await asking
    assert 1 == population.subscribers
    assert [] == list(first.others)


async def test_a_silent_node_is_told_of_and_then_taken_for_gone(hub: Hub) -> None:
    """The answer says that one is missing; the next question does not wait for it."""
    store = MemoryStore()
    first = await begin(store, hub, 1, wait_s=0.05)
    second = await begin(store, hub, 2, Deaf)
    population = await first.take(QUESTION)
    assert 1 == population.silent
    assert not population.complete
    assert [] == list(first.others)
    second.greet()
    await asyncio.sleep(0)
    assert [second.name] == list(first.others)


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
    answers = await asyncio.gather(*map(nodes[0].take, questions))
    assert 1 == store.questions
    assert [{"a": 3}] * 30 == [answer.channels() for answer in answers]
    await asyncio.gather(*[nodes[0].take(Question("main", prefix="")) for _ in range(2)])
    assert 3 == store.questions


async def test_who_no_longer_waits_takes_nobody_with_it(hub: Hub) -> None:
    """Those who share a question get their answer though one of them has gone."""
    store = MemoryStore()
    nodes = [await begin(store, hub, count) for count in (1, 2)]
    gone = asyncio.create_task(nodes[0].take(QUESTION))
    staying = asyncio.create_task(nodes[0].take(QUESTION))
    await asyncio.sleep(0)
    gone.cancel()
    assert 3 == (await staying).channels()["a"]
    assert gone.cancelled()


async def test_questions_that_wait_are_bounded(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is refused, and says that there are too many."""
    monkeypatch.setattr("broker.census.census.MAX_ASKED", 1)
    store = MemoryStore()
    first = await begin(store, hub, 1, wait_s=60.0)
    deaf = await begin(store, hub, 2, Deaf)
    waiting = asyncio.create_task(first.take(QUESTION))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await first.take(QUESTION)
    await deaf.close()
    await waiting


@pytest.mark.parametrize(
    "said",
    [
        [],
        {},
        {"node": "x"},
        {"node": "x", "say": "ask", "number": 1, "to": "answers.0", "about": 7},
        {"node": "x", "say": "ask", "number": 1, "to": "answers.0", "about": {}},
        {"node": "x", "say": "answer", "number": "1", "for": "y"},
    ],
)
async def test_what_cannot_be_understood_is_passed_over(hub: Hub, said: object) -> None:
    """A node of another version breaks nothing."""
    store = MemoryStore()
    first = await begin(store, hub, 1, wait_s=0.05)
    draft = Draft("calls", orjson.dumps(said))
    await store.publish(NODES, [Publication([draft], [Retention(0, 0)])], START)
    assert 1 == (await first.take(QUESTION)).subscribers
