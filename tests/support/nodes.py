"""Fixtures: the inside of a node, and loops that stand still."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from tests.support.fanout import Fanout
from tests.support.stepping import SteppingLoop

MakeFanout = Callable[..., Fanout]
"""Makes a node; the arguments are those of `Fanout`."""


@pytest.fixture
def loop() -> Iterator[SteppingLoop]:
    """Return a loop that stands still."""
    with closing(SteppingLoop()) as loop:
        yield loop


@pytest.fixture
def make_fanout() -> Iterator[MakeFanout]:
    """Return a function that makes nodes, closed at the end."""
    with ExitStack() as stack:

        def make(**options: Any) -> Fanout:
            return stack.enter_context(closing(Fanout(**options)))

        yield make


@pytest.fixture
def node(make_fanout: MakeFanout) -> Fanout:
    """Return a node as it is by default."""
    return make_fanout()
