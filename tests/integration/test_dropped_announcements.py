"""Announcements dropped one by one on their way to a node: who misses what, and how it heals."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pytest

from broker.store.redis import RedisStore
from tests.chaos.link import Link, no_loss
from tests.support.node import RunningNode, running_node
from tests.support.stores import StoreServer
from tests.support.target import publish_batch
from tests.support.waiting import eventually
from tests.support.wire import Envelope

A, B = "news.a", "news.b"


class Dropper:
    """
    Drops chosen announcements of `A`.

    Args:
        link: The way to the store.
    """

    def __init__(self, link: Link) -> None:
        self._link = link

    @property
    def dropped(self) -> int:
        """How many were dropped so far."""
        return self._link.dropped

    def drop(self, *numbers: int) -> None:
        """Drop the announcements of `A` with these numbers, from 1 for the next one; no others."""
        heard = 0

        def loss(name: bytes) -> float:
            nonlocal heard
            if not name.endswith(A.encode()):
                return 0.0
            heard += 1
            return float(heard in numbers)

        self._link.lose(loss)

    async def dropped_one(self) -> None:
        """Wait until one was dropped; drop nothing any more."""
        await eventually(lambda: self._link.dropped == 1, what="an announcement is dropped")
        self._link.lose(no_loss)


@asynccontextmanager
async def dropping(
    server: StoreServer, **settings: Any
) -> AsyncIterator[tuple[RunningNode, Dropper]]:
    """Run a node that reaches its store through a link."""
    server.command("FLUSHALL")
    link = Link(server.port, Random(1))
    await link.open()
    try:
        store = RedisStore(f"redis://127.0.0.1:{link.port}")
        async with running_node(store, **settings) as node:
            yield node, Dropper(link)
    finally:
        await link.close()


async def send(node: RunningNode, *batch: tuple[str, int]) -> None:
    """Publish one batch of numbers."""
    async with node.connect_internal() as http:
        await publish_batch(http, [(channel, {"n": number}) for channel, number in batch])


def heard(envelopes: Sequence[Envelope]) -> list[tuple[str, int]]:
    """Return channels and numbers, by channel."""
    return sorted((each.channel, each.message["n"]) for each in envelopes)


@pytest.mark.parametrize("stream", ["websocket", "events"])
async def test_P7_a_dropped_announcement_is_made_up_for(
    valkey_server: StoreServer, stream: str
) -> None:
    """When the next message of the channel names it, what was dropped comes, in channel order."""
    async with (
        dropping(valkey_server) as (node, dropper),
        getattr(node, stream)([A, B]) as subscriber,
    ):
        dropper.drop(2)
        await send(node, (A, 1), (B, 1))
        got = await subscriber.envelopes(2)
        await send(node, (A, 2), (B, 2))
        got += await subscriber.envelopes(1)  # by now B is ahead of what was dropped
        await send(node, (A, 3), (B, 3))
        got += await subscriber.envelopes(3)
    assert 1 == dropper.dropped
    assert [(A, 1), (A, 2), (A, 3), (B, 1), (B, 2), (B, 3)] == heard(got)
    assert [1, 2, 3] == [each.message["n"] for each in got if each.channel == A]
    assert sorted(each.cursor for each in got) == [each.cursor for each in got]


@pytest.mark.parametrize("stream", ["websocket", "events"])
async def test_P7_one_dropped_among_others_that_arrive_together_is_made_up_for(
    valkey_server: StoreServer, stream: str
) -> None:
    """The same where the dropped one, another channel's and the next one come in one piece."""
    async with (
        dropping(valkey_server) as (node, dropper),
        getattr(node, stream)([A, B]) as subscriber,
    ):
        dropper.drop(2)
        await send(node, (A, 1), (B, 1))
        await send(node, (A, 2), (B, 2), (A, 3), (B, 3))
        got = await subscriber.envelopes(5)
    assert 1 == dropper.dropped
    assert [(A, 1), (A, 2), (A, 3)] == heard([each for each in got if each.channel == A])


async def test_P7_the_audit_finds_what_nothing_names(valkey_server: StoreServer) -> None:
    """What was dropped last comes without a later message, within a few ticks."""
    async with (
        dropping(valkey_server, tick_s=0.1) as (node, dropper),
        node.websocket([A, B]) as subscriber,
    ):
        await send(node, (A, 1))
        got = [await subscriber.envelope()]
        dropper.drop(1)
        await send(node, (A, 2), (B, 1))
        await dropper.dropped_one()
        got += await subscriber.envelopes(2)
    assert 1 == dropper.dropped
    assert [(A, 1), (A, 2), (B, 1)] == heard(got)


@pytest.mark.parametrize("mode", ["longpoll", "shortpoll"])
async def test_P7_a_poll_gets_what_was_dropped_before_its_cursor(
    valkey_server: StoreServer, mode: str
) -> None:
    """A poller that was answered before the drop shows gets the message with a later answer."""
    async with dropping(valkey_server) as (node, dropper):
        cursor = await node.now([A, B])
        dropper.drop(1)
        await send(node, (A, 1), (B, 1))
        await dropper.dropped_one()
        first = await node.poll([A, B], cursor, mode=mode)
        await send(node, (A, 2))
        got = [*first.envelopes]
        second = await node.poll([A, B], first.cursor, mode=mode)
        got += second.envelopes
    assert 1 == dropper.dropped
    assert [(A, 1), (A, 2), (B, 1)] == heard(got)
