"""The roster: fair shares, bounds, and what it says where a node does not answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple
import asyncio

import pytest

from broker.attendance import Attendance
from broker.census import Circle, Roster, Switchboard, Wanted
from broker.census.circle import Said
from broker.core.errors import NotFound, Unavailable
from broker.store.memory import MemoryStore
from broker.wheel import Wheel
from tests.support.fanout import Fanout

WANTED = Wanted("main", "", "", 100)


class Member(NamedTuple):
    """A node."""

    circle: Circle
    roster: Roster


async def begin(store: MemoryStore, node: Fanout) -> Member:
    """Return a node without sessions, which waits for others for a moment only."""
    loop = asyncio.get_running_loop()
    circle = Circle(store, loop.time)
    attendance = Attendance(Wheel(loop), loop.time, lambda: 0.0)
    roster = Roster(circle, attendance, node.hub, loop.time, wait_s=0.05)
    await circle.open(await store.listener(Switchboard(node.hub, circle)))
    return Member(circle, roster)


def telling(*numbers: int, complete: bool = True) -> Callable[[Said], Any]:
    """Return what answers with so many sessions."""

    async def tell(about: Said) -> Said:
        del about
        return {"sessions": [{"session": number} for number in numbers], "complete": complete}

    return tell


async def never(about: Said) -> Said:
    """Be asked, and answer nothing."""
    await asyncio.Event().wait()
    return about


async def test_every_node_has_its_part_of_a_short_list(node: Fanout) -> None:
    """One with many sessions does not crowd the others out."""
    store = MemoryStore()
    first, second, third = [await begin(store, node) for _ in range(3)]
    second.circle.answer("sessions", telling(*range(10)))
    third.circle.answer("sessions", telling(100, 101))
    listing = await first.roster.list(WANTED._replace(limit=5))
    assert not listing.complete
    assert {0, 100, 1, 101, 2} == {row["session"] for row in listing.rows}
    listing = await first.roster.list(WANTED)
    assert listing.complete
    assert 12 == len(listing.rows)


async def test_what_a_node_left_out_is_told(node: Fanout) -> None:
    """Its own list was cut, or cannot be understood."""
    store = MemoryStore()
    first, second = [await begin(store, node) for _ in range(2)]
    second.circle.answer("sessions", telling(1, complete=False))
    listing = await first.roster.list(WANTED)
    assert (1, False) == (len(listing.rows), listing.complete)
    second.circle.answer("sessions", telling())
    assert (await first.roster.list(WANTED)).complete


async def test_a_silent_node_is_named(node: Fanout) -> None:
    """And what it has cannot be ended, which is said as well."""
    store = MemoryStore()
    first, second = [await begin(store, node) for _ in range(2)]
    for kind in ("sessions", "end"):
        second.circle.answer(kind, never)
    assert (second.circle.who,) == (await first.roster.list(WANTED)).silent
    name = second.circle.who.node
    with pytest.raises(Unavailable, match=f"{name}.*did not answer within"):
        await first.roster.end("main", f"{name}.1.1")


@pytest.mark.parametrize("name", ["", "x", "x.1.1", "\n"])
async def test_who_is_on_no_node_is_not_found(node: Fanout, name: str) -> None:
    """A name that no node can have made says so at once."""
    first = await begin(MemoryStore(), node)
    with pytest.raises(NotFound, match="no node's"):
        await first.roster.end("main", name)


async def test_what_is_no_question_is_not_answered(node: Fanout) -> None:
    """A node of another version asks in vain, and breaks nothing."""
    store = MemoryStore()
    first, second = [await begin(store, node) for _ in range(2)]
    for kind in ("sessions", "end"):
        assert (second.circle.who,) == (await first.circle.ask(kind, {}, 0.02)).silent
    assert (await second.roster.list(WANTED)).silent == ()
