"""A store and its listener, as one broker process has them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from itertools import pairwise
from typing import Self
import asyncio

import pytest

from broker.core.cursor import START, Cursor
from broker.core.message import Draft, Message, Stamp
from broker.core.ring import History, Retention
from broker.store.base import Listener, Lookup, Publication, Stored
from broker.store.options import StoreOptions
from broker.store.redis import RedisStore
from tests.conformance.store_subjects import Recorder

KEPT = 10_000
"""Messages that a ring keeps, and a read returns."""


class Node:
    """
    A store, a listener on channel `a`, and what it heard.

    Attributes:
        store: The store.
        listener: The listener.
        recorder: What the listener heard.
    """

    def __init__(self, store: RedisStore, listener: Listener, recorder: Recorder) -> None:
        self.store = store
        self.listener = listener
        self.recorder = recorder

    async def publish(self, body: bytes = b"1", channel: str = "a", tenant: str = "main") -> int:
        """Publish one message and return its id."""
        return (await self.stamp(body, channel, tenant)).id

    async def stamp(
        self, body: bytes = b"1", channel: str = "a", tenant: str = "main", floor: Cursor = START
    ) -> Stamp:
        """Publish one message and return its stamp."""
        publication = Publication([Draft(channel, body)], [Retention(KEPT, 3600)])
        (outcome,) = await self.store.publish(tenant, [publication], floor)
        assert isinstance(outcome, Stored)
        return outcome.stamps[0]

    async def history(
        self, after: Cursor = START, channel: str = "a", tenant: str = "main"
    ) -> History:
        """Return what is kept after a cursor."""
        (history,) = await self.store.read(tenant, [Lookup(channel, after)], KEPT, START)
        return history

    async def bodies(self, channel: str = "a", tenant: str = "main") -> list[bytes]:
        """Return every kept body."""
        return [message.body for message in (await self.history(START, channel, tenant)).messages]


Connect = Callable[..., Awaitable[Node]]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Give a function that opens a store and a listener on channel `a`."""
    async with AsyncExitStack() as stack:

        async def connect(
            url: str, options: StoreOptions | None = None, *, tenant: str = "main"
        ) -> Node:
            store = RedisStore(url, options)
            stack.push_async_callback(store.close)
            await store.open()
            recorder = Recorder()
            listener = await store.listener(recorder)
            stack.push_async_callback(listener.close)
            await listener.listen(tenant, ["a"])
            return Node(store, listener, recorder)

        yield connect


async def assert_works(node: Node) -> None:
    """Check that a message goes all the way."""
    assert await node.publish(b"hello") == 1
    await node.listener.tick("main", START)
    assert [b"hello"] == node.recorder.bodies == await node.bodies()


class Storm:
    """
    Numbered messages published one after the other, each with a floor that knows nothing.

    Args:
        node: Who publishes.
        channel: Where.
        tenant: Whose.

    Attributes:
        stamps: Of those that were answered, in order.
    """

    def __init__(self, node: Node, channel: str = "a", tenant: str = "main") -> None:
        self._node = node
        self._place = (channel, tenant)
        self._task: asyncio.Task[None] | None = None
        self.stamps: list[Stamp] = []

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._blow())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.calm()

    async def calm(self) -> None:
        """End it; raise what it failed with."""
        if self._task is not None:
            task, self._task = self._task, None
            await task

    @property
    def bodies(self) -> list[bytes]:
        """Bodies of what was answered."""
        return [b"%d" % number for number in range(len(self.stamps))]

    async def _blow(self) -> None:
        while self._task is not None:
            self.stamps.append(await self._node.stamp(b"%d" % len(self.stamps), *self._place))


def is_rising(messages: Sequence[Message | Stamp]) -> bool:
    """Tell whether each message, or stamp, is after the one before it."""
    cursors = [message.cursor for message in messages]
    return all(first < second for first, second in pairwise(cursors))
