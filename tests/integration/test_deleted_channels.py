"""Deleting a channel: what it kept is gone, and who missed something is told."""

from __future__ import annotations

from tests.support.node import running_node
from tests.support.wire import connected


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
