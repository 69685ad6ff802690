"""Brokers for the tests of whole processes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Protocol
import os

import pytest

from tests.support.broker import BrokerProcess, serving
from tests.support.browser import Browser, Page
from tests.support.console import RULES, opened


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
    with serving("--store", "memory:", "--drain-s", "0") as broker:
        yield broker


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


# --- the console ----------------------------------------------------------------------------


@pytest.fixture(scope="session")
def artefacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder for pictures: `TEST_ARTEFACTS`, or one of pytest's own."""
    chosen = os.environ.get("TEST_ARTEFACTS")
    folder = Path(chosen) if chosen else tmp_path_factory.mktemp("console")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    """Give one broker to all tests of the console; each has channels and subjects of its own."""
    rules = tmp_path_factory.mktemp("rules") / "channels.yaml"
    rules.write_text(RULES)
    with serving("--store", "memory:", "--drain-s", "0", "--config", str(rules)) as broker:
        yield broker


@pytest.fixture
async def page(browser: Browser, console: BrokerProcess) -> AsyncIterator[Page]:
    """Give the console, opened; whatever is done in it, nothing may go wrong unseen."""
    async with opened(browser, console) as page:
        yield page
        assert [] == page.errors
        assert [] == await page.run("violations")
