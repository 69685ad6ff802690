"""A new token for a session that is open: nothing is lost, nothing repeated, nothing gained."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any
import asyncio
import json
import math

import pytest

from broker.auth import KeyRing
from broker.auth.keyring import RemoteKeys
from broker.auth.keys import secret_key
from broker.catalog import Catalog
from broker.core.cursor import Cursor
from tests.support.frames import BINARY, CLOSE, TEXT
from tests.support.node import RunningNode, running_node
from tests.support.subscribers import WebSocket
from tests.support.target import publish
from tests.support.tokens import SECRET, ec_key, jwks
from tests.support.waiting import eventually
from tests.support.wire import Envelope, read_cursor

RULES = """\
channels:
  - {name: ping, subscribe: public}
  - {name: "open.{id}", subscribe: public}
  - {name: "team.{id}", history: {messages: 2000, age: 1h}, subscribe: [{role: reader}]}
  - {name: "news.{id}", subscribe: [{role: reader}, {role: guest}]}
"""
TEAM = "team.1"


@pytest.fixture
async def node() -> AsyncIterator[RunningNode]:
    """Run a node under `RULES`."""
    async with running_node(channels=RULES) as running:
        yield running


def reader(node: RunningNode, lasts_s: float = 3600, /, **claims: Any) -> str:
    """Return a token that expires on the node's clock."""
    exp = math.ceil(node.clock() + lasts_s)
    return node.token(None, **{"sub": "7", "role": "reader", "exp": exp, **claims})


async def send(websocket: WebSocket, token: object) -> None:
    """Send a new token."""
    await websocket.send(TEXT, json.dumps({"auth_token": token}).encode())


async def told(websocket: WebSocket) -> tuple[dict[str, Any], Cursor]:
    """Return the next frame, which is no message, and its cursor."""
    frame = json.loads(await websocket.text())
    assert "channel" not in frame, frame
    return frame, read_cursor(frame.pop("tag"), frame.pop("time"))


async def closed(websocket: WebSocket, code: int) -> None:
    """Check that the session ends with a code, after the error frame of a token if there is one."""
    frame = await websocket.frame()
    if frame.opcode == TEXT:
        assert json.loads(frame.payload)["error"]["status"] in (401, 403)
        frame = await websocket.frame()
    assert (CLOSE, code) == (frame.opcode, frame.code)
    assert "cursor" in json.loads(frame.reason)


async def test_p9_a_new_token_takes_the_place_of_the_old_one(node: RunningNode) -> None:
    """The answer says until when; from then on the new token counts, and the old one no more."""
    old, new = reader(node, 60, jti="old"), reader(node, 600, jti="new")
    async with node.websocket([TEAM], None, old) as websocket:
        sent = await node.publish(TEAM, 1)
        assert sent.cursor == (await websocket.envelope()).cursor
        await send(websocket, new)
        answer, cursor = await told(websocket)
        expires_at = node.node._verifier.verify(new).expires_at
        assert {"refreshed": {"expires_at": expires_at}} == answer
        assert sent.cursor <= cursor
        assert 200 == (await node.revoke(jti="old")).status
        later = await node.publish(TEAM, 2)
        assert later.cursor == (await websocket.envelope()).cursor
        assert cursor < later.cursor
        assert 200 == (await node.revoke(jti="new")).status
        await closed(websocket, 3401)


async def test_a_token_without_an_end_is_told_as_one(node: RunningNode) -> None:
    """A token that never expires is answered by null."""
    async with node.websocket([TEAM], None, reader(node)) as websocket:
        await send(websocket, node.token(None, sub="7", role="reader"))
        assert {"refreshed": {"expires_at": None}} == (await told(websocket))[0]


REFUSALS: list[tuple[str, dict[str, Any], int]] = [
    ("expired", {"exp": 1_700_000_000}, 401),
    ("another subject", {"sub": "8"}, 403),
    ("no subject", {"sub": ""}, 403),
    ("another tenant", {"tenant": "shop"}, 403),
    ("fewer channels", {"role": "guest"}, 403),
    ("revoked", {"jti": "revoked"}, 401),
]


@pytest.mark.parametrize(
    ("claims", "status"),
    [row[1:] for row in REFUSALS],
    ids=[row[0] for row in REFUSALS],
)
async def test_p9_a_token_that_does_not_fit_changes_nothing(
    node: RunningNode, claims: dict[str, Any], status: int
) -> None:
    """It is answered by an error with the session's cursor, and the old token stays in force."""
    assert 200 == (await node.revoke(jti="revoked")).status
    channels = [TEAM, "news.1"]
    async with node.websocket(channels, None, reader(node, jti="old")) as websocket:
        sent = await node.publish(TEAM, 1)
        await websocket.envelope()
        await send(websocket, reader(node, **claims))
        answer, cursor = await told(websocket)
        assert status == answer["error"]["status"]
        assert sent.cursor <= cursor
        later = await node.publish("news.1", 2)
        assert later.cursor == (await websocket.envelope()).cursor
        assert 200 == (await node.revoke(jti="old")).status
        await closed(websocket, 3401)


@pytest.mark.parametrize("token", ["rubbish", "", 7, None, ["a"], "a" * 9000])
async def test_p9_what_is_no_token_changes_nothing(node: RunningNode, token: object) -> None:
    """Whatever stands in its place is refused as a token is, and the session goes on."""
    async with node.websocket([TEAM], None, reader(node)) as websocket:
        await send(websocket, token)
        assert 401 == (await told(websocket))[0]["error"]["status"]
        await node.publish(TEAM, 1)
        assert 1 == (await websocket.envelope()).message


async def test_who_came_without_a_token_gets_none(node: RunningNode) -> None:
    """A session of nobody stays one of nobody."""
    async with node.websocket(["open.1"]) as websocket:
        await send(websocket, reader(node))
        assert 403 == (await told(websocket))[0]["error"]["status"]
        await node.publish("open.1", 1)
        assert 1 == (await websocket.envelope()).message


async def test_rules_of_the_moment_count_p9(node: RunningNode) -> None:
    """What a new token must allow are the session's channels under the rules that hold now."""
    guest = node.token(None, sub="7", role="guest")
    async with node.websocket(["news.1"], None, guest) as websocket:
        await send(websocket, node.token(None, sub="7", role="writer"))
        assert 403 == (await told(websocket))[0]["error"]["status"]
        node.node.replace_rules(Catalog.parse(RULES.replace("reader}, {role", "writer}, {role")))
        await node.publish("news.1", 1)
        assert 1 == (await websocket.envelope()).message


async def test_other_texts_are_dropped(node: RunningNode) -> None:
    """What is no new token is read and forgotten, as ever."""
    texts = (b"auth_token", b'"auth_token"', b'["auth_token"]', b'{"auth_token" 7}', b"{}")
    async with node.websocket([TEAM], None, reader(node)) as websocket:
        for text in (*texts, b'{"x":{"auth_token":"a"}}'):
            await websocket.send(TEXT, text)
        await websocket.send(BINARY, b'{"auth_token":"a"}')
        await node.publish(TEAM, 1)
        assert 1 == (await websocket.envelope()).message


async def test_the_longest_token_fits(node: RunningNode) -> None:
    """What was taken at the beginning is taken as a new one, too."""
    padding = 6000
    token = reader(node, note="x" * padding)
    assert 8000 < len(token) <= 8192
    async with node.websocket([TEAM], None, token) as websocket:
        await send(websocket, token)
        assert "refreshed" in (await told(websocket))[0]


@pytest.mark.jumping
async def test_one_token_a_second_is_looked_at() -> None:
    """Who sends them slowly may go on for ever, who sends them faster is closed with 1008."""
    async with running_node(channels=RULES) as node:
        token = reader(node)
        async with node.websocket([TEAM], None, token) as websocket:
            for _ in range(5):
                await send(websocket, token)
                assert "refreshed" in (await told(websocket))[0]
                await asyncio.sleep(1.01)
            await send(websocket, "rubbish")
            assert "error" in (await told(websocket))[0]
            await send(websocket, token)
            await closed(websocket, 1008)
        await eventually(lambda: node.sessions == 0)


# --- at the end of a token ----------------------------------------------------------------------


async def storm(node: RunningNode, count: int, pause_s: float) -> None:
    """Publish numbers, one after the other."""
    async with node.connect_internal() as http:
        for number in range(count):
            await publish(http, TEAM, number)
            await asyncio.sleep(pause_s)


@pytest.mark.jumping
async def test_p9_a_token_that_is_refreshed_at_its_end_loses_nothing() -> None:
    """Ten tokens in a row, each renewed just before its end, under a storm of messages."""
    count = 2000
    async with running_node(channels=RULES) as node:
        async with node.websocket([TEAM], None, reader(node, 4)) as websocket:
            storming = asyncio.create_task(storm(node, count, 0.02))
            heard: list[Envelope] = []
            renewed, waiting, asked_at = 0, False, node.clock()
            while len(heard) < count:
                raw = await websocket.text()
                if b'"channel"' in raw[:100]:
                    heard.append(Envelope.read(raw))
                else:
                    frame = json.loads(raw)
                    assert "refreshed" in frame, frame
                    cursor = read_cursor(frame["tag"], frame["time"])
                    # P4: not ahead of what was written before it.
                    assert not heard or heard[-1].cursor <= cursor
                    heard_then = len(heard)
                    renewed, waiting = renewed + 1, False
                    following = Envelope.read(await websocket.text())
                    assert cursor < following.cursor
                    assert heard_then == len(heard)
                    heard.append(following)
                if not waiting and node.clock() - asked_at > 3:
                    waiting, asked_at = True, node.clock()
                    await send(websocket, reader(node, 4))
            await storming
        assert list(range(count)) == [each.message for each in heard]
        assert 10 <= renewed


@pytest.mark.jumping
async def test_p9_polls_go_on_with_new_tokens_and_lose_nothing() -> None:
    """A held poll ends with 401 at the end of its token; the next one brings a new token."""
    count = 500
    async with running_node(channels=RULES) as node:
        token = reader(node, 2)
        cursor = await node.now([TEAM], token)
        storming = asyncio.create_task(storm(node, count, 0.1))
        heard: list[int] = []
        refused = 0
        while len(heard) < count:
            answer = await node.poll([TEAM], cursor, token, "longpoll")
            if answer.status == 401:
                refused, token = refused + 1, reader(node, 2)
                with suppress(KeyError):  # of a poll that was held; others keep their own
                    cursor = answer.cursor
                continue
            cursor = answer.cursor
            if answer.status == 200:
                heard += [each.message for each in answer.envelopes]
        await storming
        assert list(range(count)) == heard
        assert 10 <= refused


async def test_p9_a_slow_reader_can_have_a_new_token(node: RunningNode) -> None:
    """The answer waits in its place behind what was written; what follows follows."""
    count, body = 1500, "x" * 10_000
    async with node.websocket([TEAM], None, reader(node)) as websocket:
        async with node.connect_internal() as http:
            for number in range(count):
                await publish(http, TEAM, [number, body])
        await send(websocket, reader(node))
        await asyncio.sleep(0)
        heard: list[Envelope] = []
        answers: list[tuple[int, Cursor]] = []
        while len(heard) < count or not answers:
            raw = await websocket.text()
            if raw.startswith(b'{"id"'):
                heard.append(Envelope.read(raw))
            else:
                frame = json.loads(raw)
                answers.append((len(heard), read_cursor(frame["tag"], frame["time"])))
        assert list(range(count)) == [each.message[0] for each in heard]
        [(before, cursor)] = answers
        assert before == 0 or heard[before - 1].cursor <= cursor
        assert before == count or cursor < heard[before].cursor


async def test_p9_keys_may_have_to_be_fetched_for_it(node: RunningNode) -> None:
    """While a provider's new key is fetched the session goes on; a second token ends it."""
    gate, key = asyncio.Event(), ec_key("new")
    fetches = 0

    async def fetch(_: str) -> bytes:
        nonlocal fetches
        fetches += 1
        await gate.wait()
        return jwks([key]).encode()

    loop = asyncio.get_running_loop()
    remote = RemoteKeys("https://issuer.example/jwks", fetch, loop.time)
    node.node._verifier._keys = KeyRing([secret_key(SECRET)], [remote])
    new = key.mint(600, sub="7", role="reader")
    async with (
        node.websocket([TEAM], None, reader(node)) as one,
        node.websocket([TEAM], None, reader(node)) as two,
    ):
        await send(one, new)
        await send(two, new)
        await eventually(lambda: fetches)
        await node.publish(TEAM, 1)
        assert [1, 1] == [(await one.envelope()).message, (await two.envelope()).message]
        await send(two, new)
        await closed(two, 1008)
        gate.set()
        assert "refreshed" in (await told(one))[0]
        await node.publish(TEAM, 2)
        assert 2 == (await one.envelope()).message
    assert 1 == fetches
