"""Publishing over a WebSocket: only where a mount says so, and a rule or a grant."""

from __future__ import annotations

from typing import Any
import asyncio
import json

import pytest

from tests.support.frames import TEXT
from tests.support.node import RunningNode, running_node
from tests.support.subscribers import WebSocket, websocket
from tests.support.waiting import eventually
from tests.support.wire import connected

RULES = """\
mounts:
  - standard
  - {path: /ws, mode: websocket, publish: true}
channels:
  - {name: ping, history: {messages: 0}, subscribe: public}
  - {name: "talk.{id}", subscribe: public, publish: [{role: speaker}]}
  - {name: "short.{id}", max_message: 8, subscribe: public, publish: [{role: speaker}]}
  - {name: "quiet.{id}", subscribe: public}
"""
SPEAKER = {"sub": "7", "role": "speaker"}


def running(**settings: Any) -> Any:
    """Run a node on which subscribers may talk."""
    return running_node(channels=RULES, **settings)


async def stored(node: RunningNode, channel: str) -> list[Any]:
    """Return what a channel holds."""
    async with connected(node.internal) as http:
        answer = await http.ask(f"/channels/{channel}/messages")
    return [row["message"] for row in json.loads(answer.body)["messages"]]


def talk(node: RunningNode, *names: str, mount: str = "ws", **claims: Any) -> Any:
    """Open a WebSocket on a mount."""
    token = node.token(**(claims or SPEAKER))
    return websocket(node.public, f"/{mount}/{'/'.join(names)}?auth_token={token}")


async def error(socket: WebSocket) -> dict[str, Any]:
    """Return what the next frame tells of a refusal."""
    told: dict[str, Any] = json.loads(await socket.text())
    return told


async def test_everybody_hears_what_is_said() -> None:
    """The sender, too; JSON stays JSON, text becomes a string."""
    async with running() as node, talk(node, "talk.1") as one, talk(node, "talk.1") as other:
        for text, message in ((b'{"a": 1}', {"a": 1}), (b"hello\n", "hello\n"), (b"7", 7)):
            await one.send(TEXT, text)
            assert message == (await one.envelope()).message
            assert message == (await other.envelope()).message


async def test_a_text_goes_to_every_channel_that_a_rule_allows() -> None:
    """Channels without such a rule are left out, `ping` always is."""
    async with running() as node, talk(node, "talk.1", "quiet.1", "talk.2", "ping") as socket:
        await socket.send(TEXT, b"1")
        await eventually(lambda: stored(node, "talk.2"))
        assert [1] == await stored(node, "talk.1")
        assert [1] == await stored(node, "talk.2")
        assert [] == await stored(node, "quiet.1")


@pytest.mark.parametrize(
    ("mount", "channel", "claims"),
    [
        ("websocket", "talk.1", SPEAKER),
        ("ws", "quiet.1", SPEAKER),
        ("ws", "talk.1", {"sub": "7", "role": "listener"}),
        ("ws", "ping", SPEAKER),
    ],
)
async def test_nobody_publishes_without_a_mount_and_a_rule_p9(
    mount: str, channel: str, claims: dict[str, str]
) -> None:
    """What is said there is dropped, as the module drops it, and the connection stays."""
    async with running() as node, talk(node, channel, mount=mount, **claims) as socket:
        await socket.send(TEXT, b"1")
        async with talk(node, "talk.9") as witness:
            await witness.send(TEXT, b"2")
            assert 2 == (await witness.envelope()).message
        async with connected(node.internal) as http:
            answer = await http.ask("/channels")
        assert ["talk.9"] == [row["channel"] for row in json.loads(answer.body)["channels"]]


async def test_a_grant_of_the_token_is_enough_p9() -> None:
    """A token may name the channels that it publishes to."""
    granted = {"publish": ["quiet.*"]}
    async with running() as node, talk(node, "quiet.1", channels=granted) as socket:
        await socket.send(TEXT, b'"hi"')
        assert "hi" == (await socket.envelope()).message


async def test_what_is_too_large_is_told() -> None:
    """The error carries the session's own cursor; the connection stays."""
    async with running() as node, talk(node, "short.1") as socket:
        await socket.send(TEXT, b'"0123456789"')
        told = await error(socket)
        assert 413 == told["error"]["status"]
        assert told["tag"]
        await socket.send(TEXT, b"1")
        assert 1 == (await socket.envelope()).message


async def test_one_that_says_too_much_is_closed() -> None:
    """Beyond its rate a connection ends with 1008; what it said before is stored."""
    async with running(max_client_publish_rate=2.0) as node, talk(node, "talk.1") as socket:
        for number in range(4):
            await socket.send(TEXT, b"%d" % number)
        while (frame := await socket.frame()).opcode == TEXT:
            pass
        assert 1008 == frame.code
        await eventually(lambda: stored(node, "talk.1"))
        assert [0, 1] == await stored(node, "talk.1")


async def test_no_token_is_ever_published() -> None:
    """A text that may hold one goes to who looks after tokens, and nowhere else."""
    async with running() as node, talk(node, "talk.1") as socket:
        token = node.token(**SPEAKER)
        await socket.send(TEXT, json.dumps({"auth_token": token}).encode())
        assert "refreshed" in await error(socket)
        await socket.send(TEXT, b'x "auth_token" y')
        await socket.send(TEXT, b"1")
        assert 1 == (await socket.envelope()).message
        await asyncio.sleep(0)
        assert [1] == await stored(node, "talk.1")
