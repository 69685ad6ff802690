"""Waiting for a condition, never for a while."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar, overload
import asyncio
import inspect
import os
import time

T = TypeVar("T")

PATIENCE = float(os.environ.get("TEST_PATIENCE", "1"))
"""Factor on every deadline; a slow machine sets `TEST_PATIENCE=5`."""

EVERY_S = 0.005
"""Seconds between two looks at a condition."""


@overload
async def eventually(
    condition: Callable[[], Awaitable[T]], deadline_s: float = ..., *, what: str = ...
) -> T: ...
@overload
async def eventually(
    condition: Callable[[], T], deadline_s: float = ..., *, what: str = ...
) -> T: ...
async def eventually(
    condition: Callable[[], object], deadline_s: float = 5.0, *, what: str = ""
) -> object:
    """
    Look at a condition until it holds, and return its value.

    Args:
        condition: Function, plain or async, whose true value ends the wait.
        deadline_s: Seconds to wait at most on the clock of the loop, times `PATIENCE`.
        what: What is waited for, for the failure.

    Raises:
        AssertionError: the condition did not hold in time.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + deadline_s * PATIENCE
    while True:
        value = condition()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        if loop.time() >= end:
            raise AssertionError(_complaint(condition, deadline_s, what, value))
        await asyncio.sleep(EVERY_S)


def wait_until(condition: Callable[[], T], deadline_s: float = 5.0, *, what: str = "") -> T:
    """
    Look at a condition until it holds, outside a loop; otherwise as `eventually`.

    Raises:
        AssertionError: the condition did not hold in time.
    """
    end = time.monotonic() + deadline_s * PATIENCE
    while not (value := condition()):
        if time.monotonic() >= end:
            raise AssertionError(_complaint(condition, deadline_s, what, value))
        time.sleep(EVERY_S)
    return value


def _complaint(condition: Callable[..., object], deadline_s: float, what: str, last: object) -> str:
    subject = what or getattr(condition, "__qualname__", repr(condition))
    return f"{subject}: not within {deadline_s * PATIENCE:g} s; the last value was {last!r}"
