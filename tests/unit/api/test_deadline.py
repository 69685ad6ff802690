"""One deadline for many waits."""

from __future__ import annotations

import asyncio

import pytest

from broker.api.deadline import Deadline
from tests.support.waiting import eventually

pytestmark = pytest.mark.jumping


async def _after(seconds: float, result: str = "done") -> str:
    await asyncio.sleep(seconds)
    return result


async def test_what_is_in_time_returns() -> None:
    """A wait that ends in time gives its result."""
    assert await Deadline(5.0).wait(_after(4.9)) == "done"


async def test_what_is_late_ends() -> None:
    """A wait ends at its own time, although the timer belongs to all."""
    deadline = Deadline(5.0)
    loop = asyncio.get_running_loop()
    began = loop.time()
    waits = []
    for _ in range(3):
        waits.append(asyncio.create_task(deadline.wait(_after(60))))
        await asyncio.sleep(1)
    for started, wait in enumerate(waits):
        with pytest.raises(TimeoutError):
            await wait
        assert started + 5 == pytest.approx(loop.time() - began, abs=0.1)


async def test_waits_of_one_task_follow_each_other() -> None:
    """A task that waits again gets the whole time again, also across the timer's end."""
    deadline = Deadline(5.0)
    for _ in range(4):
        assert await deadline.wait(_after(3)) == "done"


async def test_a_failure_passes_through() -> None:
    """What the work raises is raised."""

    async def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        await Deadline(5.0).wait(fail())


async def test_cancelling_from_outside_stays_cancelling() -> None:
    """A task that somebody cancels ends as cancelled, not as late."""
    deadline = Deadline(5.0)
    task = asyncio.create_task(deadline.wait(_after(60)))
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_nothing_is_kept_of_waits_that_ended() -> None:
    """After the last wait, neither waits nor a timer are left."""
    deadline = Deadline(5.0)
    with pytest.raises(TimeoutError):
        await deadline.wait(_after(60))
    await deadline.wait(_after(1))
    await eventually(lambda: deadline._timer is None, 60.0)
    assert not deadline._ends
    assert not deadline._late
