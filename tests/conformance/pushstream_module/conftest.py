"""
One broker for all cases, or any other server.

`PUSHSTREAM_URL` is its address, `PUSHSTREAM_INTERNAL_URL` that of publishers where it differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
import asyncio
import os

import pytest

from tests.conformance.pushstream_module.case import Listener
from tests.support.broker import BrokerProcess
from tests.support.clock import loop_factories
from tests.support.tokens import SECRET

RULES = Path(__file__).parent / "channels.yaml"


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]] | None:
    """Run the cases on one loop: the loop under test is not theirs."""
    if "urls" not in getattr(item, "fixturenames", ()):
        return None
    return {"asyncio": loop_factories(jumping=False)["asyncio"]}


@pytest.fixture(scope="session")
def urls() -> Iterator[dict[Listener, str]]:
    """Give the addresses of the server that the cases are played against."""
    environ = os.environ
    if "PUSHSTREAM_URL" in environ:
        public = environ["PUSHSTREAM_URL"].rstrip("/")
        internal = environ.get("PUSHSTREAM_INTERNAL_URL", public).rstrip("/")
        yield {"public": public, "internal": internal}
        return
    flags = ("--drain-s", "0", "--heartbeat-s", "3600", "--config", str(RULES))
    broker = BrokerProcess(*flags, environ={"BROKER_JWT_SECRET": SECRET})
    try:
        asyncio.run(broker.start())
        yield {"public": broker.public, "internal": broker.internal}
    finally:
        broker.close()
