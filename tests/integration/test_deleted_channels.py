"""Deleting a channel: what it kept is gone, and who missed something is told."""

from __future__ import annotations

from broker.store.redis import RedisStore
from tests.support.node import running_node
from tests.support.wire import connected

CHANNEL = "chat.1"


async def test_P3_a_deleted_ring_is_a_gap_for_those_who_missed_it() -> None:
    """On the node that deletes, polls get nothing of it, and the notice; ids go on."""
    async with (
        running_node() as node,
        connected(node.public) as reader,
        connected(node.internal) as writer,
    ):
        first = await reader.ask("/shortpoll/chat.1")
        target = f"/shortpoll/chat.1?tag={first.cursor.tag}&time={first.cursor.time}"
        for body in (b"1", b"2"):
            await writer.ask("/publish/chat.1", {}, method="POST", body=body)
        assert [1, 2] == [message.id for message in (await reader.ask(target)).envelopes]
        assert 200 == (await writer.ask("/channels/chat.1", {}, method="DELETE")).status
        gone = await reader.ask(target)
        assert 304 == gone.status
        assert "X-Broker-Gap" in gone.headers
        await writer.ask("/publish/chat.1", {}, method="POST", body=b"3")
        after = await reader.ask(target)
        assert [3] == [message.id for message in after.envelopes]
        assert "X-Broker-Gap" in after.headers


async def test_P3_what_one_node_deletes_no_node_replays(store_url: str) -> None:
    """A node that holds a copy drops it: the notice for who missed it, nothing for who did not."""
    async with (
        running_node(RedisStore(store_url)) as one,
        running_node(RedisStore(store_url)) as other,
    ):
        first = await other.now([CHANNEL])
        async with other.websocket([CHANNEL], first, notices="gap") as reader:
            for number in (1, 2):
                await one.publish(CHANNEL, number)
            assert [1, 2] == [each.message for each in await reader.envelopes(2)]
            assert [1, 2] == [
                each.message for each in (await other.poll([CHANNEL], first)).envelopes
            ]
            async with one.connect_internal() as writer:
                answer = await writer.ask(f"/channels/{CHANNEL}", {}, method="DELETE")
            assert 200 == answer.status
            await other.settle()
            for node in (one, other):
                gone = await node.poll([CHANNEL], first)
                assert (304, True) == (gone.status, "X-Broker-Gap" in gone.headers)
            await one.publish(CHANNEL, 3)
            assert [3] == [each.message for each in await reader.envelopes(1)]
        await other.settle()
        late = await other.poll([CHANNEL], first)
        assert [3] == [each.message for each in late.envelopes]
        assert "X-Broker-Gap" in late.headers
