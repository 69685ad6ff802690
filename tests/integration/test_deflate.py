"""Compression on WebSockets: one compressed message for everybody who offers it."""

from __future__ import annotations

import json

import aiohttp
import pytest

from tests.support.frames import CLOSE, TEXT, client_frame
from tests.support.node import RunningNode, running_node
from tests.support.subscribers import upgrade
from tests.support.wire import waiting

LONG = {"text": "again " * 200}
OFFER = {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}
AGREED = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"


async def test_a_foreign_client_reads_what_is_compressed(node: RunningNode) -> None:
    """Short and long messages, alive and from history, by aiohttp's own implementation."""
    url = f"{node.public}/websocket/a"
    async with aiohttp.ClientSession() as session, session.ws_connect(url, compress=15) as early:
        assert early.compress
        for number in range(3):
            await node.publish("a", {"number": number})
            await node.publish("a", {"number": number, **LONG})
        first = [json.loads(await early.receive_str()) for _ in range(6)]
        since = {"tag": "0", "time": "Thu, 01 Jan 1970 00:00:01 GMT"}
        async with session.ws_connect(url, compress=15, params=since) as late:
            assert first == [json.loads(await late.receive_str()) for _ in range(6)]
    assert [0, 0, 1, 1, 2, 2] == [message["message"]["number"] for message in first]
    assert LONG["text"] == first[1]["message"]["text"]


async def test_everybody_gets_the_same_bytes(node: RunningNode) -> None:
    """A known handshake is answered alike; who offers nothing is sent plain frames."""
    async with node.connect() as one, node.connect() as two, node.connect() as other:
        sockets = [await upgrade(http, "/websocket/a", OFFER) for http in (one, two)]
        plain = await upgrade(other, "/websocket/a")
        for websocket in sockets:
            assert AGREED == websocket.answer.headers["Sec-WebSocket-Extensions"]
        assert "Sec-WebSocket-Extensions" not in plain.answer.headers
        await node.publish("a", LONG)
        async with waiting():
            whole = await plain.frame()
            heads = [await websocket.http.reader.readexactly(2) for websocket in sockets]
            assert {0xC1} == {head[0] for head in heads}
            packed = {
                await websocket.http.reader.readexactly(head[1])
                for websocket, head in zip(sockets, heads, strict=True)
            }
        assert 1 == len(packed)
        assert len(packed.pop()) < len(whole.payload) / 5


@pytest.mark.parametrize("deflate_bytes", [0, 100_000])
async def test_a_setting_says_from_where_on(deflate_bytes: int) -> None:
    """With 0 nothing is agreed on; shorter messages are sent plain."""
    async with running_node(deflate_bytes=deflate_bytes) as node, node.connect() as http:
        websocket = await upgrade(http, "/websocket/a", OFFER)
        assert (deflate_bytes > 0) == ("Sec-WebSocket-Extensions" in websocket.answer.headers)
        await node.publish("a", LONG)
        assert LONG == (await websocket.envelope()).message


async def test_compressed_messages_are_not_agreed_on_with_those_who_do_not_offer(
    node: RunningNode,
) -> None:
    """Who compresses all the same is closed."""
    async with node.connect() as http:
        websocket = await upgrade(http, "/websocket/a")
        await http.send_bytes(client_frame(TEXT, b"\x00" * 100, reserved=4))
        frame = await websocket.frame()
        assert (CLOSE, 1002) == (frame.opcode, frame.code)
