"""Headcounts: what nodes answer, read and added up."""

from __future__ import annotations

import pytest

from broker.core.headcount import (
    MAX_COUNTED,
    Headcount,
    Population,
    Question,
    counted,
    decode_headcount,
    decode_question,
)
from broker.core.nodes import NodeId

FIRST = Headcount("a", "here", 1, 10, 3, {"x": 2, "y": 1})
SECOND = Headcount("b", "there", 2, 20, 1, {"x": 1})


def test_several_nodes_add_up() -> None:
    """Subscribers are added up, altogether and by channel."""
    population = Population((FIRST, SECOND))
    assert 4 == population.subscribers
    assert {"x": 3, "y": 1} == population.channels()
    assert population.complete


@pytest.mark.parametrize(
    "population",
    [
        Population((FIRST,), (NodeId("b", "there", 2),)),
        Population((FIRST, SECOND._replace(complete=False))),
    ],
)
def test_what_is_missing_is_told(population: Population) -> None:
    """A silent node, or one that left channels out, makes the count incomplete."""
    assert not population.complete


def test_a_count_is_bounded() -> None:
    """Beyond the limit the first names are counted; channels without subscribers never are."""
    many = [(f"c{number:06}", 1) for number in range(MAX_COUNTED + 1)]
    channels, complete = counted([("none", 0), *many])
    assert MAX_COUNTED == len(channels)
    assert not complete
    assert "c000000" in channels
    assert ({"a": 1}, True) == counted([("a", 1), ("b", 0)])


def test_a_question_says_what_it_is_about() -> None:
    """By name, or by prefix."""
    assert Question("main", ("a",)).concerns("a")
    assert not Question("main", ("a",)).concerns("ab")
    assert Question("main", prefix="a").concerns("ab")


@pytest.mark.parametrize("question", [Question("main", ("a", "b")), Question("main", prefix="")])
def test_a_question_is_read_back(question: Question) -> None:
    """What one node asks, the other reads."""
    assert question == decode_question({**question._asdict(), "names": list(question.names)})


def test_a_headcount_is_read_back() -> None:
    """What one node answers, the other reads."""
    assert FIRST == decode_headcount(FIRST._asdict())


@pytest.mark.parametrize(
    "members", [{}, {"tenant": 1, "names": [], "prefix": None}, {"tenant": "main", "names": "a"}]
)
def test_another_question_is_refused(members: dict[str, object]) -> None:
    """What has other members is no question."""
    with pytest.raises(ValueError, match="no question"):
        decode_question(members)


@pytest.mark.parametrize("change", [{"pid": "1"}, {"channels": []}, {"complete": 1}])
def test_another_headcount_is_refused(change: dict[str, object]) -> None:
    """What has other members is no headcount."""
    with pytest.raises(ValueError, match="no headcount"):
        decode_headcount({**FIRST._asdict(), **change})
