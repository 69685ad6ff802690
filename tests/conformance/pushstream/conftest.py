"""
The broker whose wire is tested: one with default settings, started here, or any other one.

`CONFORMANCE_PUBLIC` and `CONFORMANCE_INTERNAL` name the base URLs of a running broker with default
settings and rules, `CONFORMANCE_TOKEN_SECRET` the secret of the tokens that it believes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import count
import asyncio
import os
import random

import pytest

from broker.auth.sources import shared_secret
from tests.support.broker import serving
from tests.support.clock import loop_factories
from tests.support.default_node import http, node
from tests.support.target import Target

__all__ = ["http", "node"]

_RUN = random.randrange(10**9)
_APPS = count(_RUN * 1000)


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]] | None:
    """Run tests of a broker elsewhere on one loop: the loop under test is not theirs."""
    if "target" not in getattr(item, "fixturenames", ()):
        return None
    return {"asyncio": loop_factories(jumping=False)["asyncio"]}


@pytest.fixture(scope="session")
def target() -> Iterator[Target]:
    """Give a broker with default settings; tests use apps of their own and restart nothing."""
    environ = os.environ
    if "CONFORMANCE_PUBLIC" in environ:
        yield Target(
            environ["CONFORMANCE_PUBLIC"].rstrip("/"),
            environ["CONFORMANCE_INTERNAL"].rstrip("/"),
            environ["CONFORMANCE_TOKEN_SECRET"],
        )
        return
    with serving("--drain-s", "0") as broker:
        yield Target(broker.public, broker.internal, shared_secret("", broker.data))


@pytest.fixture
def app() -> str:
    """Give an app that no other test uses."""
    return str(next(_APPS))
