"""Tests of the chaos suite: what it judges by, so one loop is enough."""

from __future__ import annotations

from collections.abc import Callable, Mapping
import asyncio

import pytest


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run each async test once."""
    return {"asyncio": asyncio.new_event_loop}
