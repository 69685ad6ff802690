"""Brokers for the tests of whole processes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Protocol
import asyncio

import pytest

from tests.support.broker import BrokerProcess


class StartBroker(Protocol):
    """Starts brokers of a test's own; they are killed behind it."""

    async def __call__(
        self, *flags: str, data: Path | None = None, environ: Mapping[str, str] | None = None
    ) -> BrokerProcess:
        """Take the arguments of `BrokerProcess`, return it started."""


@pytest.fixture(scope="session")
def shared_broker() -> Iterator[BrokerProcess]:
    """
    Give one broker with a store in memory and default settings, for the whole run.

    For tests that leave it as they found it: each uses channels of its own, and none restarts it.
    """
    broker = BrokerProcess("--store", "memory:", "--drain-s", "0")
    try:
        asyncio.run(broker.start())
        yield broker
    finally:
        broker.close()


@pytest.fixture
async def broker() -> AsyncIterator[BrokerProcess]:
    """Give a broker of the test's own: default settings, embedded store, empty."""
    async with BrokerProcess("--drain-s", "0") as running:
        yield running


@pytest.fixture
async def start_broker() -> AsyncIterator[StartBroker]:
    """Give a function that starts brokers of the test's own, with any flags and data."""
    async with AsyncExitStack() as stack:

        async def start(
            *flags: str, data: Path | None = None, environ: Mapping[str, str] | None = None
        ) -> BrokerProcess:
            return await stack.enter_async_context(
                BrokerProcess(*flags, data=data, environ=environ)
            )

        yield start
