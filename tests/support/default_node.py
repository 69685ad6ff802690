"""Fixtures: a node as it is by default, for the conftests of tests that speak to one."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.node import RunningNode, running_node
from tests.support.wire import Http, connected


@pytest.fixture
async def node() -> AsyncIterator[RunningNode]:
    """Run a node."""
    async with running_node() as running:
        yield running


@pytest.fixture
async def http(node: RunningNode) -> AsyncIterator[Http]:
    """Connect to the node's internal listener."""
    async with connected(node.internal) as connection:
        yield connection
