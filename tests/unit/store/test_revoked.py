"""Revocations as text, and handing them over in order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
import asyncio

from hypothesis import given
from hypothesis import strategies as st
import pytest

from broker.core.errors import StoreUnavailable
from broker.core.revocations import Revocation
from broker.store.revoked import RevocationWatch, decode_news, encode_revocation

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
TENANTS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,9}", fullmatch=True)
TIMES = st.integers(0, 253_402_300_799)


@given(st.builds(Revocation, TENANTS, TIMES, TEXTS, TEXTS, st.none() | TIMES))
def test_what_is_announced_is_read_as_it_was(revocation: Revocation) -> None:
    """Whatever ids and subjects hold, line feeds and spaces too, the text gives it back."""
    tenant, until, *_ = revocation
    payload = b"%d %b %b" % (until, tenant.encode(), encode_revocation(revocation))
    assert revocation == decode_news(payload)


@given(st.binary(max_size=40) | TEXTS.map(str.encode))
def test_anything_else_is_refused(payload: bytes) -> None:
    """What is no revocation is told by one kind of error."""
    with pytest.raises(ValueError):  # noqa: PT011 - any text
        decode_news(payload)


class Scene:
    """A watch whose reading waits for the test."""

    def __init__(self) -> None:
        self.heard: list[Revocation] = []
        self.answer: asyncio.Future[Sequence[Revocation]] = asyncio.Future()
        self.watch = RevocationWatch(self.read, self.heard.extend)

    async def read(self) -> AsyncIterator[Sequence[Revocation]]:
        """Read, once the test says what."""
        for each in await self.answer:
            yield [each]


OLD, NEW = Revocation("main", 100, sub="7"), Revocation("main", 50, sub="7")


async def test_what_is_announced_during_a_read_comes_after_it() -> None:
    """The last end counts, so what was read before it was stored must not come last."""
    scene = Scene()
    reading = asyncio.create_task(scene.watch.catch_up())
    await asyncio.sleep(0)
    scene.watch.announced(NEW)
    assert [] == scene.heard
    scene.answer.set_result([OLD])
    await reading
    scene.watch.announced(OLD)
    assert [OLD, NEW, OLD] == scene.heard


async def test_a_read_that_fails_holds_nothing_back() -> None:
    """After a failure new ones are handed over again; another read brings what was missed."""
    scene = Scene()
    scene.answer.set_exception(StoreUnavailable("it is gone"))
    with pytest.raises(StoreUnavailable):
        await scene.watch.catch_up()
    scene.watch.announced(NEW)
    assert [NEW] == scene.heard
