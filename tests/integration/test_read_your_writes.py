"""What a publisher was told is stored is there for whoever asks next, on the same node."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from broker.store.redis import RedisStore
from tests.support.node import RunningNode, running_node
from tests.support.wire import connected


@pytest.fixture
async def node(valkey_url: str) -> AsyncIterator[RunningNode]:
    """Run a node over a real store, whose announcements take their time."""
    async with running_node(RedisStore(valkey_url)) as running:
        yield running


async def test_D47_a_short_poll_after_the_answer_finds_the_message(node: RunningNode) -> None:
    """Publish, wait for the 200, poll: never a 304, whichever way the poll is read."""
    async with connected(node.public) as reader, connected(node.internal) as writer:
        answer = await reader.ask("/shortpoll/chat.1")
        for number in range(300):
            cursor = answer.cursor
            published = await writer.ask(
                "/publish/chat.1", {}, method="POST", body=str(number).encode()
            )
            assert 200 == published.status
            query = f"tag={cursor.tag}&time={cursor.time}"
            answer = await reader.ask(f"/shortpoll/chat.1?{query}")
            assert 200 == answer.status
            assert b'"message":%d,' % number in answer.body


async def test_D47_a_poll_that_was_idle_finds_the_message_too(node: RunningNode) -> None:
    """The same bytes again, answered 304 just before the publish: 200 right after it."""
    async with connected(node.public) as reader, connected(node.internal) as writer:
        answer = await reader.ask("/shortpoll/chat.1")
        for number in range(100):
            cursor = answer.cursor
            target = f"/shortpoll/chat.1?tag={cursor.tag}&time={cursor.time}"
            for _ in range(2):
                assert 304 == (await reader.ask(target)).status
            published = await writer.ask(
                "/publish/chat.1", {}, method="POST", body=str(number).encode()
            )
            assert 200 == published.status
            answer = await reader.ask(target)
            assert 200 == answer.status
            assert b'"message":%d,' % number in answer.body
