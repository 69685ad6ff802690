"""Metrics of a node, read back from its `/metrics`."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families

from tests.support.node import RunningNode
from tests.support.wire import connected

Numbers = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


class Scrape:
    """
    What a node told at one moment.

    Args:
        text: The answer of `/metrics`.
    """

    def __init__(self, text: str) -> None:
        self._numbers: Numbers = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def __call__(self, name: str, **labels: str) -> float:
        """Return a number, without the `broker_` that every name begins with; 0 for none."""
        return self._numbers.get((f"broker_{name}", frozenset(labels.items())), 0.0)


async def scrape(node: RunningNode) -> Scrape:
    """Ask a node for its metrics."""
    async with connected(node.internal) as http:
        answer = await http.ask("/metrics")
    assert 200 == answer.status, answer
    return Scrape(answer.body.decode())
