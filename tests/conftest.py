"""What every test stands on: its loops, its stores, a plain environment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
import asyncio
import os

from blockbuster import BlockBuster, blockbuster_ctx
from hypothesis import settings
import pytest

from tests.support.clock import loop_factories
from tests.support.node import CROSSED, WRITE_PATHS

pytest_plugins = [
    "tests.support.browser",
    "tests.support.nodes",
    "tests.support.stores",  # first of those that build on it
    "tests.support.stepped",
    "tests.support.store_nodes",
]

# Machines are shared: an example may take its time.
settings.register_profile("quick", deadline=None, max_examples=50)
settings.register_profile("default", deadline=None, max_examples=200, print_blob=True)
settings.register_profile("thorough", deadline=None, max_examples=10_000, print_blob=True)
settings.load_profile("default")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the write path of nodes be chosen: every test passes with each, on each loop."""
    parser.addoption(
        "--io-uring",
        choices=(CROSSED, "on", "off"),
        default=CROSSED,
        help="how nodes in tests write; by default by io_uring on uvloop, and plainly on asyncio",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Take the write path over."""
    WRITE_PATHS["of nodes"] = config.getoption("--io-uring")


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """
    Run each async test on asyncio and on uvloop, or, marked `jumping`, on the jumping clock.

    Tests of processes need only one: the loop under test is not theirs. Stores of several servers
    take long to break, and one server shows what is special to a loop.
    """
    factories = loop_factories(jumping=item.get_closest_marker("jumping") is not None)
    if "e2e" in item.path.parts:
        return dict([next(iter(factories.items()))])
    if item.get_closest_marker("several_servers"):
        return dict([list(factories.items())[-1]])
    return factories


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the caller's `BROKER_*` variables out of the environment."""
    for name in [name for name in os.environ if name.startswith("BROKER_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def no_blocking() -> Iterator[BlockBuster]:
    """Fail the test where code of the broker blocks the loop."""
    with blockbuster_ctx("broker") as blockbuster:
        yield blockbuster
