"""Flows: numbers of transports and patterns, added up either way."""

from __future__ import annotations

from broker.hub.flow import MOST, OTHER, Flows


def test_numbers_are_added_up_by_transport_and_by_pattern() -> None:
    """The same flows give both, and neither counts anything twice."""
    flows = Flows()
    for transport, pattern, messages in (("poll", "a.{x}", 1), ("poll", "b", 2), ("sse", "b", 4)):
        flows.of(transport, pattern).messages += messages
    assert {"poll": 3, "sse": 4} == flows.read(lambda flow: flow.messages)
    assert {"a.{x}": 1, "b": 6} == flows.read_patterns(lambda flow: flow.messages)


def test_patterns_beyond_the_limit_are_counted_together() -> None:
    """However often rules change, the number of flows is bounded."""
    flows = Flows()
    for number in range(MOST + 50):
        flows.of("poll", f"p{number}").begun += 1
    told = flows.read_patterns(lambda flow: flow.begun)
    assert MOST + 1 == len(told)
    assert 50 == told[OTHER]
    assert {"poll": MOST + 50} == flows.read(lambda flow: flow.begun)
