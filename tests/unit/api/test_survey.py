"""The survey: what exists, what counts, and what is said when there is too much."""

from __future__ import annotations

import asyncio

import pytest

from broker.api.survey import Surveyor
from broker.census import Census, Circle
from broker.census.counting import Counted
from broker.core.cursor import START
from broker.core.headcount import Question
from broker.core.message import Draft
from broker.core.ring import Retention
from broker.store.base import Publication
from broker.store.memory import MemoryStore

STORED = {"a": 2, "b": 1, "c": 0}
LISTENING = {"b": 3, "d": 1}


async def store_messages(store: MemoryStore) -> None:
    """Store so many messages in each channel; none in `c`, which had one that is not kept."""
    for channel, count in STORED.items():
        retention = Retention(count, 60)
        drafts = [Draft(channel, b"1")] * max(1, count)
        await store.publish("main", [Publication(drafts, [retention] * len(drafts))], START)


@pytest.fixture
async def surveyor() -> Surveyor:
    """Return one with messages in `a` and `b`, and subscribers of `b` and `d`."""
    store = MemoryStore()
    await store_messages(store)

    def count(question: Question) -> Counted:
        channels = {name: many for name, many in LISTENING.items() if question.concerns(name)}
        return Counted(4 if question.is_whole else 0, channels, complete=True)

    clock = asyncio.get_running_loop().time
    return Surveyor(store, Census(Circle(store, clock), count, clock))


async def test_named_channels_are_told_in_their_order(surveyor: Surveyor) -> None:
    """Whether they exist or not: by messages, or by subscribers."""
    survey = await surveyor.named("main", ["d", "c", "a", "x"])
    assert [("d", 0, 0, 1), ("c", 1, 0, 0), ("a", 2, 2, 0), ("x", 0, 0, 0)] == [
        facts[:4] for facts in survey.channels
    ]
    assert [True, False, True, False] == [facts.exists for facts in survey.channels]
    assert survey.complete


async def test_channels_that_exist_are_listed_by_name(surveyor: Surveyor) -> None:
    """Those that only have subscribers among them."""
    survey = await surveyor.below("main", "")
    assert ["a", "b", "d"] == [facts.channel for facts in survey.channels]
    assert [0, 3, 1] == [facts.subscribers for facts in survey.channels]
    assert ["b"] == [facts.channel for facts in (await surveyor.below("main", "b")).channels]


async def test_a_summary_adds_up(surveyor: Surveyor) -> None:
    """Messages of channels that are gone count among the published."""
    summary = await surveyor.summary("main")
    assert (3, 4, 3, 4) == (
        summary.channels,
        summary.published,
        summary.stored,
        summary.subscribers,
    )
    assert summary.complete


async def test_too_many_channels_are_told_as_such(
    surveyor: Surveyor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first are listed, and the answer says that there are more."""
    monkeypatch.setattr("broker.api.survey.MAX_LISTED", 2)
    survey = await surveyor.below("main", "")
    assert ["a", "b"] == [facts.channel for facts in survey.channels]
    assert not survey.complete
    assert not (await surveyor.summary("main")).complete
