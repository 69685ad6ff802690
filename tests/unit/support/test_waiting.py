"""Waiting ends with the condition, or with a complaint that says what was missing."""

from __future__ import annotations

from collections.abc import Iterator
import itertools

import pytest

from tests.support.waiting import eventually, wait_until


def after(looks: int) -> Iterator[bool]:
    """Yield False for some looks, then True."""
    return itertools.chain(itertools.repeat(False, looks), itertools.repeat(True))


@pytest.mark.jumping
async def test_eventually_returns_the_value_of_a_plain_condition() -> None:
    """A condition that comes true after some looks gives its value."""
    looks = after(3)
    assert await eventually(lambda: next(looks) and "value") == "value"


@pytest.mark.jumping
async def test_eventually_awaits_an_async_condition() -> None:
    """An async condition is awaited at every look."""
    looks = after(3)

    async def condition() -> bool:
        return next(looks)

    assert await eventually(condition) is True


@pytest.mark.jumping
async def test_eventually_gives_up() -> None:
    """A condition that never holds fails with what was waited for and the last value."""
    with pytest.raises(AssertionError, match=r"the moon: not within 2.* last value was 0"):
        await eventually(lambda: 0, 2, what="the moon")


def test_wait_until_returns_the_value() -> None:
    """Outside a loop a condition gives its value too."""
    looks = after(3)
    assert wait_until(lambda: next(looks)) is True


def test_wait_until_gives_up() -> None:
    """Outside a loop a condition that never holds fails as well."""
    with pytest.raises(AssertionError, match="not within"):
        wait_until(lambda: None, 0.01)
