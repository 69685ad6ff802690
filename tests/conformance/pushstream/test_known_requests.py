"""Requests that come again: served without being parsed, and still exactly as at first."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
import asyncio

import pytest

from broker.catalog import Catalog
from broker.core.cursor import Cursor
from tests.support.node import (
    OPEN_CHANNELS,
    RunningNode,
    SharedMemoryStore,
    running_node,
    wall_clock,
)
from tests.support.scrape import scrape
from tests.support.slow import SlowClock
from tests.support.subscribers import UPGRADE
from tests.support.waiting import eventually
from tests.support.wire import Answer, subscription

PAGE = {"Origin": "https://page.example"}
LONG_AGO = Cursor(1_000_000_000, 1)


@pytest.fixture
async def node() -> AsyncIterator[RunningNode]:
    """Run a node with one message in `closed.a`, which only readers may have."""
    async with running_node() as running:
        await running.publish("closed.a", "secret")
        yield running


def reader(node: RunningNode) -> dict[str, str]:
    """Return headers of somebody who may read `closed.a`."""
    return {"Authorization": f"Bearer {node.token(role='reader')}"}


async def test_a_preflight_is_not_taken_for_the_request_behind_it(node: RunningNode) -> None:
    """Preflight and poll on one connection: the next preflight, of anybody, gets no message."""
    wanted = subscription("shortpoll", ["closed.a"], LONG_AGO)
    for _ in range(3):
        async with node.connect() as http:
            preflight = await http.ask(wanted, PAGE, method="OPTIONS")
            assert (200, b"") == (preflight.status, preflight.body)
            answer = await http.ask(wanted, {**PAGE, **reader(node)})
            assert ["secret"] == [envelope.message for envelope in answer.envelopes]


@pytest.mark.parametrize(
    ("line", "more"),
    [
        ("GET {} HTTP/1.1", "Content-Length: 4\r\n"),
        ("PUT {} HTTP/1.1", ""),
        ("GET /no{} HTTP/1.1", ""),
        ("GET {}%zz HTTP/1.1", ""),
        ("GET {}&notices=gap HTTP/1.1", ""),
    ],
    ids=["body", "method", "path", "escape", "no token"],
)
async def test_a_refused_request_is_not_taken_for_the_one_behind_it(
    node: RunningNode, line: str, more: str
) -> None:
    """Whatever was refused on a connection stays refused after a good request on the same one."""
    wanted = subscription("shortpoll", ["closed.a"], LONG_AGO)
    refused = f"{line.format(wanted)}\r\nHost: x\r\n{more}\r\n".encode()
    for _ in range(3):
        async with node.connect() as http:
            await http.send_bytes(refused)
            if more:
                await asyncio.sleep(0)  # so that the head comes alone
                await http.send_bytes(b"body")
            answer = await http.answer()
            assert answer.status >= 400
            if "close" in answer.headers.get("Connection", ""):
                continue
            assert 200 == (await http.ask(wanted, reader(node))).status


async def test_a_key_in_another_spelling_opens_a_websocket_each_time(node: RunningNode) -> None:
    """The header of the nonce may be spelled in any way, the second time too."""
    for name in ("SEC-WEBSOCKET-KEY", "Sec-Websocket-Key", "sec-websocket-key"):
        headers = {key: value for key, value in UPGRADE.items() if not key.endswith("Key")}
        headers[name] = UPGRADE["Sec-WebSocket-Key"]
        for _ in range(3):
            async with node.connect() as http:
                answer = await http.ask(subscription("websocket", ["a"], LONG_AGO), headers)
            assert 101 == answer.status
            assert "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" == answer.headers["Sec-WebSocket-Accept"]


async def test_each_nonce_gets_its_own_proof(node: RunningNode) -> None:
    """A handshake that came before is answered for the key of this one."""
    proofs = {
        "dGhlIHNhbXBsZSBub25jZQ==": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        "x3JJHMbDL1EzLkh9GBhXDw==": "HSmrc0sMlYUkAGmm5OPpG2HaGWk=",
    }
    for cursor in (None, LONG_AGO):
        for _ in range(2):
            for key, proof in proofs.items():
                async with node.connect() as http:
                    wanted = subscription("websocket", ["a"], cursor)
                    answer = await http.ask(wanted, {**UPGRADE, "Sec-WebSocket-Key": key})
                assert proof == answer.headers["Sec-WebSocket-Accept"]


async def test_a_crowd_is_known_while_its_first_one_waits() -> None:
    """A handshake is remembered once it is admitted; those who come then need no parser."""
    store = SlowClock()
    async with running_node(store) as node, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(node.connect()) for _ in range(8)]
        await node.poll(["a"])
        before = await scrape(node)

        async def waiting() -> float:
            return (await scrape(node))("attaches_waiting")

        async def all_wait() -> bool:
            return await waiting() == len(clients)

        store.gate.clear()
        await clients[0].send(subscription("websocket", ["a"], None), UPGRADE)
        await eventually(waiting, what="the first one waits for the store")
        for client in clients[1:]:
            await client.send(subscription("websocket", ["a"], None), UPGRADE)
        await eventually(all_wait, what="all of them wait")
        now = await scrape(node)
        for outcome, count in {"hit": 7, "miss": 1}.items():
            of = {"listener": "public", "outcome": outcome}
            assert count == now("known_requests_total", **of) - before("known_requests_total", **of)
        store.gate.set()
        assert [101] * 8 == [(await client.head()).status for client in clients]


@pytest.mark.parametrize("key", ["\0", "", "x", "dGhlIHNhbXBsZSBub25jZQ=", "%00" * 8])
async def test_a_wrong_key_is_refused_where_a_right_one_was_known(
    node: RunningNode, key: str
) -> None:
    """400, and the broker goes on."""
    wanted = subscription("websocket", ["a"], LONG_AGO)
    for _ in range(2):
        async with node.connect() as http:
            assert 101 == (await http.ask(wanted, UPGRADE)).status
        async with node.connect() as http:
            assert 400 == (await http.ask(wanted, {**UPGRADE, "Sec-WebSocket-Key": key})).status


@pytest.mark.jumping
async def test_a_known_request_is_refused_once_its_token_expired() -> None:
    """The token is checked each time, on new connections and on the same one."""
    async with running_node() as node, node.connect() as http:
        await node.publish("closed.a", "secret")
        token = node.token(None, role="reader", exp=int(node.clock()) + 8)
        wanted = subscription("shortpoll", ["closed.a"], LONG_AGO, token)
        for _ in range(3):
            assert 200 == (await http.ask(wanted)).status
            assert 200 == (await node.ask(wanted)).status
        await asyncio.sleep(9)
        assert 401 == (await http.ask(wanted)).status
        assert 401 == (await node.ask(wanted)).status


async def test_a_known_request_is_refused_once_the_rules_forbid_it(node: RunningNode) -> None:
    """New rules hold for the next request, known or not."""
    wanted = subscription("shortpoll", ["a"], LONG_AGO)
    upgrade = subscription("websocket", ["a"], LONG_AGO)
    for _ in range(3):
        assert 304 == (await node.ask(wanted)).status
        async with node.connect() as http:
            assert 101 == (await http.ask(upgrade, UPGRADE)).status
    closed = OPEN_CHANNELS.replace('{name: "{a}", subscribe: public}', '{name: "{a}"}')
    node.node.catalog = Catalog.parse(closed)
    assert 401 == (await node.ask(wanted)).status
    assert 401 == (await node.ask(upgrade, UPGRADE)).status


SAME_AGAIN = [
    ("/shortpoll/a?tag={0}&time={1}", {}),
    ("/shortpoll/a?time={1}&tag={0}", {}),
    ("/shortpoll/a?time={1}&tag=W/{0}&x=1", {}),
    ("/shortpoll/a?time={1}&tag={0}&tag=1", {}),
    ("/shortpoll/a?TIME={1}&tag={0}", {}),
    ("/shortpoll/a?ti%6De={1}&tag={0}", {}),
    ("/shortpoll/a?time={1}", {}),
    ("/shortpoll/a?tag={0}", {}),
    ("/shortpoll/a?time=&tag=", {}),
    ("/shortpoll/a?", {"If-None-Match": "W/{0}", "If-Modified-Since": "{2}"}),
    ("/shortpoll/a", {"if-none-match": "W/{0}", "if-modified-since": "{2}"}),
    ("/shortpoll/a", {"If-None-Match": '"{0}"', "If-Modified-Since": "{2}"}),
    ("/shortpoll/a", {"If-None-Match": "W/{0}"}),
    ("/shortpoll/a", {"If-Modified-Since": "{2}"}),
    ("/shortpoll/a?time={1}&tag={0}", {"If-None-Match": "W/1", "If-Modified-Since": "{2}"}),
    ("/shortpoll/a", {"Last-Event-ID": "{3}-{0}"}),
    ("/shortpoll/a?time={1}&tag={0}", {"Origin": "https://page.example"}),
    ("/shortpoll/a?time={1}&tag={0}", {"Connection": "close"}),
    ("/shortpoll/a?_=1&time={1}&tag={0}", {}),
    ("/longpoll/a/b?time={1}&tag={0}", {}),
    ("/longpoll/a%2Fb?time={1}&tag={0}", {}),
    ("/longpoll/a?tag={0}&time={1}&auth_token=rubbish", {}),
    ("/longpoll/a?tag=1.5&time={1}", {}),
]


@pytest.mark.parametrize(("target", "headers"), SAME_AGAIN)
async def test_a_known_request_gets_what_a_new_one_gets(
    target: str, headers: dict[str, str]
) -> None:
    """Answers of a node that remembers requests, and of one that does not, are the same."""
    store = SharedMemoryStore(wall_clock())
    async with (
        running_node(store) as knowing,
        running_node(store, known_requests=0) as forgetful,
        knowing.connect() as kept,
    ):
        messages = [await knowing.publish("a", number) for number in range(4)]
        await forgetful.settle()
        for message in messages[:3]:
            cursor = message.cursor
            date = cursor.http_date
            parts = (cursor.tag, date.replace(" ", "%20").replace(",", "%2C"), date, cursor.time)
            sent = {name: value.format(*parts) for name, value in headers.items()}
            wanted = target.format(*parts)
            expected = facts(await forgetful.ask(wanted, sent))
            for _ in range(2):
                assert expected == facts(await knowing.ask(wanted, sent))
            if "Connection" not in headers:
                assert expected == facts(await kept.ask(wanted, sent))


def facts(answer: Answer) -> tuple[object, ...]:
    """Return everything of an answer but the time at which it was made, or another node's now."""
    if answer.status == 200:
        assert answer.envelopes[-1].cursor <= answer.cursor
    made = {"date", "last-modified", "etag"}
    headers = {
        (name.lower(), value) for name, value in answer.headers.items() if name.lower() not in made
    }
    return answer.status, answer.body, headers


@pytest.mark.parametrize("query", ["channels=a?_=%d", "_=7&channels=a?_=%d", "_=%d"])
async def test_a_value_that_looks_like_a_parameter_is_a_value(query: str) -> None:
    """Channels that differ in nothing but what changes elsewhere are not taken for one another."""
    argument = query.rpartition("&")[2].partition("=")[0]
    mounts = f"mounts: [standard, {{path: /list, mode: shortpoll, argument: {argument}}}]\n"
    async with running_node(channels=mounts + OPEN_CHANNELS) as node:
        for number in (1, 2, 3):
            await node.publish((query % number).rpartition(f"{argument}=")[2], number)
        for number in (1, 2, 3, 1, 2, 3):
            since = f"time={LONG_AGO.time}&tag=1"
            answer = await node.ask(f"/list?{since}&{query % number}")
            assert [number] == [each.message for each in answer.envelopes]
