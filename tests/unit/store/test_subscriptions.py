"""What is listened to, over any number of connections."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
import asyncio

import pytest

from broker.core.errors import StoreUnavailable
from broker.store.announcements import AnnouncementProtocol, Route
from broker.store.subscriptions import Subscriptions


class Server(AnnouncementProtocol):
    """A connection that keeps what was asked, to be confirmed by hand."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, bytes]] = []
        self.commands = 0

    def subscribe(
        self, names: Sequence[bytes], confirmed: Callable[[AnnouncementProtocol], None]
    ) -> None:
        self.commands += bool(names)
        self.asked += [("+", name) for name in names]

    def unsubscribe(self, names: Sequence[bytes]) -> None:
        self.commands += bool(names)
        self.asked += [("-", name) for name in names]

    def answer(self, subscriptions: Subscriptions) -> None:
        """Confirm the oldest unanswered wish."""
        kind, _ = self.asked.pop(0)
        if kind == "+":
            subscriptions.confirmed(self)


def wanted(*names: str) -> dict[bytes, Route]:
    """Return channels as a listener wants them."""
    return {name.encode(): Route("main", name) for name in names}


async def turns() -> None:
    """Let everything that can run do so."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_wishes_of_one_turn_leave_together() -> None:
    """Several listens become one command, and each waits for its own confirmations."""
    subscriptions, server = Subscriptions({}), Server()
    subscriptions.attach(server)
    tasks = [asyncio.create_task(subscriptions.want(wanted(*names))) for names in ("ab", "bc")]
    await turns()
    assert ([("+", b"a"), ("+", b"b"), ("+", b"c")], 1) == (server.asked, server.commands)
    server.answer(subscriptions)
    server.answer(subscriptions)
    await turns()
    assert [True, False] == [task.done() for task in tasks]
    server.answer(subscriptions)
    await asyncio.gather(*tasks)


async def test_what_is_confirmed_need_not_be_asked_again() -> None:
    """Wanting a channel that is listened to returns at once."""
    subscriptions, server = Subscriptions({}), Server()
    subscriptions.attach(server)
    task = asyncio.create_task(subscriptions.want(wanted("a")))
    await turns()
    server.answer(subscriptions)
    await task
    await subscriptions.want(wanted("a"))
    assert server.commands == 1


async def test_an_old_confirmation_does_not_count() -> None:
    """After giving a channel back, wanting it waits for the new subscription."""
    subscriptions, server = Subscriptions({}), Server()
    subscriptions.attach(server)
    first = asyncio.create_task(subscriptions.want(wanted("a")))
    await turns()
    server.answer(subscriptions)
    await first
    subscriptions.drop([b"a"])
    second = asyncio.create_task(subscriptions.want(wanted("a")))
    await turns()
    assert [("-", b"a"), ("+", b"a")] == server.asked
    server.answer(subscriptions)
    await turns()
    assert not second.done()
    server.answer(subscriptions)
    await second


async def test_a_wish_given_up_is_taken_back() -> None:
    """A cancelled listen leaves no channel, save those that others have or want."""
    subscriptions, server = Subscriptions({}), Server()
    subscriptions.attach(server)
    held = asyncio.create_task(subscriptions.want(wanted("a")))
    await turns()
    server.answer(subscriptions)
    await held
    gone = asyncio.create_task(subscriptions.want(wanted("a", "b", "c")))
    stays = asyncio.create_task(subscriptions.want(wanted("b")))
    await turns()
    gone.cancel()
    await turns()
    assert {b"a", b"b"} == subscriptions.routes.keys()
    while server.asked:
        server.answer(subscriptions)
    await stays


async def test_a_wish_outlives_a_drop() -> None:
    """Dropping a channel that another call waits for leaves it to that call."""
    subscriptions, server = Subscriptions({}), Server()
    subscriptions.attach(server)
    task = asyncio.create_task(subscriptions.want(wanted("a")))
    await turns()
    subscriptions.drop([b"a", b"never wanted"])
    await turns()
    assert [("+", b"a")] == server.asked
    server.answer(subscriptions)
    await task
    subscriptions.drop([b"a"])
    await turns()
    assert [("-", b"a")] == server.asked


async def test_p7_everything_is_wanted_of_the_next_connection() -> None:
    """A new connection is asked for all that is wanted by then, and wakes who waited."""
    subscriptions, first, second = Subscriptions({}), Server(), Server()
    assert subscriptions.attach(first).done()
    held = asyncio.create_task(subscriptions.want(wanted("a", "b")))
    await turns()
    first.answer(subscriptions)
    subscriptions.detach()
    late = asyncio.create_task(subscriptions.want(wanted("c")))
    subscriptions.drop([b"never wanted"])
    await turns()
    settled = subscriptions.attach(second)
    assert [("+", b"a"), ("+", b"b"), ("+", b"c")] == second.asked
    for _ in range(3):
        assert not settled.done()
        second.answer(subscriptions)
    await asyncio.gather(held, late, settled)


async def test_what_is_wanted_can_be_looked_up() -> None:
    """The index that all tenants share has what is wanted, and nothing else."""
    index = {b"other": Route("other", "x")}
    subscriptions, server = Subscriptions(index), Server()
    subscriptions.attach(server)
    task = asyncio.create_task(subscriptions.want(wanted("a", "b")))
    await turns()
    server.answer(subscriptions)
    server.answer(subscriptions)
    await task
    subscriptions.drop([b"a", b"other"])
    assert {b"other": Route("other", "x"), b"b": Route("main", "b")} == index


async def test_confirmations_of_a_former_connection_do_not_count() -> None:
    """What an old connection still says is not taken for the new one's word."""
    subscriptions, first, second = Subscriptions({}), Server(), Server()
    subscriptions.attach(first)
    task = asyncio.create_task(subscriptions.want(wanted("a")))
    await turns()
    subscriptions.detach()
    subscriptions.attach(second)
    first.answer(subscriptions)
    await turns()
    assert not task.done()
    second.answer(subscriptions)
    await task


async def test_wishes_before_a_break_are_not_sent_after_it() -> None:
    """A command that did not leave before the connection broke is part of the next batch only."""
    subscriptions, first, second = Subscriptions({}), Server(), Server()
    subscriptions.attach(first)
    task = asyncio.create_task(subscriptions.want(wanted("a")))
    await asyncio.sleep(0)
    subscriptions.detach()
    subscriptions.attach(second)
    await turns()
    assert ([], [("+", b"a")]) == (first.asked, second.asked)
    second.answer(subscriptions)
    await task


async def test_closing_fails_who_waits() -> None:
    """A closed listener confirms nothing any more."""
    subscriptions = Subscriptions({})
    task = asyncio.create_task(subscriptions.want(wanted("a")))
    await turns()
    subscriptions.close()
    with pytest.raises(StoreUnavailable):
        await task
    assert {} == subscriptions.routes


@pytest.mark.parametrize("seed", range(20))
async def test_random_wishes_end_as_the_server_has_them(seed: int) -> None:
    """Whatever is wanted, dropped and cut, a call that returned has its channels in force."""
    random = Random(seed)
    subscriptions, server = Subscriptions({}), Server()
    subscriptions.attach(server)
    tasks: list[asyncio.Task[None]] = []
    for _ in range(60):
        step = random.randrange(6)
        names = random.sample("abcdef", random.randrange(1, 4))
        if step < 2:
            tasks.append(asyncio.create_task(subscriptions.want(wanted(*names))))
        elif step == 2:
            subscriptions.drop([name.encode() for name in names])
        elif step == 3 and tasks:
            random.choice(tasks).cancel()
        elif step == 4 and random.random() < 0.3:
            subscriptions.detach()
            server = Server()
            subscriptions.attach(server)
        while server.asked and random.random() < 0.6:
            server.answer(subscriptions)
        await asyncio.sleep(0)
    everything = asyncio.create_task(subscriptions.want(wanted(*"abcdef")))
    await turns()
    in_force = set[bytes]()
    while server.asked:
        server.answer(subscriptions)
    await everything
    await asyncio.gather(*tasks, return_exceptions=True)
    fresh = Server()
    subscriptions.attach(fresh)
    in_force = {name for _, name in fresh.asked}
    assert wanted(*"abcdef").keys() == in_force == subscriptions.routes.keys()
