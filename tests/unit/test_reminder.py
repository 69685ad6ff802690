"""A store that has lost revocations is given them back."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from broker.core.errors import StoreUnavailable
from broker.core.revocations import Revocation, Revocations
from broker.reminder import PAGE, Reminder
from broker.store.memory import MemoryStore

NOW = 1_700_000_000.0
MANY = [Revocation("main", 2_000_000_000, sub=str(number)) for number in range(PAGE + 1)]


class Forgetful(MemoryStore):
    """A store that can lose what it keeps, and fail."""

    def __init__(self) -> None:
        super().__init__(lambda: NOW)
        self.lives = 1
        self.failures = 0
        self.looks = 0

    async def life(self) -> str:
        self.looks += 1
        return str(self.lives)

    async def restore(self, revocations: Sequence[Revocation]) -> int:
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("it is down")
        return await super().restore(revocations)


async def reminder(store: Forgetful, *known: Revocation) -> Reminder:
    """Return the reminder of a node that knows some revocations."""
    revocations = Revocations()
    for each in known:
        revocations.add(each, NOW)
    made = Reminder(store, revocations, lambda: NOW, 1.0)
    await made.open()
    return made


async def look(reminder: Reminder) -> None:
    """Have it look, and wait until it is done."""
    assert 101.0 == reminder.due(100.0)
    await reminder._background.join()


async def test_p9_a_store_that_lost_its_revocations_gets_them_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """All that hold, a page at a time; their number is logged, and nothing of them."""
    store = Forgetful()
    node = await reminder(store, *MANY, Revocation("main", int(NOW), sub="ended"))
    await look(node)
    assert [] == store.revocations()
    store.lives += 1
    await look(node)
    assert MANY == store.revocations()
    assert f"lost {len(MANY)} revocations" in caplog.text
    caplog.clear()
    await look(node)
    assert "" == caplog.text


async def test_p9_what_failed_is_tried_again() -> None:
    """A store that is down in the middle is asked again at the next look."""
    store = Forgetful()
    node = await reminder(store, *MANY)
    store.lives, store.failures = 2, 1
    await look(node)
    assert [] == store.revocations()
    await look(node)
    assert MANY == store.revocations()


async def test_a_node_that_knows_of_none_does_not_ask() -> None:
    """Nor does one that is about to stop."""
    store = Forgetful()
    node = await reminder(store)
    await look(node)
    busy = await reminder(store, *MANY)
    await busy.close()
    await look(busy)
    assert 2 == store.looks
