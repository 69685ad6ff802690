"""Background work ends, fails aloud, and can be given up."""

from __future__ import annotations

import asyncio

import pytest

from broker.background import Background
from broker.core.errors import StoreUnavailable
from tests.support.stepping import SteppingLoop


async def fail(error: Exception) -> None:
    """Fail."""
    raise error


async def wait_for_ever() -> None:
    """Wait for what never comes."""
    await asyncio.get_running_loop().create_future()


def start(loop: SteppingLoop, *works: object) -> Background:
    """Return a background with tasks."""
    background = Background()
    with loop.inside():
        for work in works:
            background.start(work)  # type: ignore[arg-type]
    return background


def test_a_refusal_is_no_fault(loop: SteppingLoop, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever waits hears it; the log does not."""
    start(loop, fail(StoreUnavailable("down")))
    loop.settle()
    assert [] == caplog.records


def test_a_fault_is_logged(loop: SteppingLoop, caplog: pytest.LogCaptureFixture) -> None:
    """Maybe nobody waits for the task."""
    start(loop, fail(ValueError("broken")))
    loop.settle()
    assert ["work in the background failed"] == [record.message for record in caplog.records]


def test_joining_waits_for_everything(loop: SteppingLoop) -> None:
    """Well done or not."""
    background = start(loop, asyncio.sleep(1.0), fail(StoreUnavailable("down")))
    assert background.is_busy
    join = loop.create_task(background.join())
    loop.advance(0.9)
    assert not join.done()
    loop.advance(0.2)
    assert (True, False) == (join.done(), background.is_busy)


def test_closing_gives_up(loop: SteppingLoop) -> None:
    """Everything under way is cancelled."""
    background = start(loop, wait_for_ever(), wait_for_ever())
    loop.settle()
    loop.run(background.close())
    assert (True, False) == (background.is_closed, background.is_busy)
