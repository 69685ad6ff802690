"""Revoked tokens: what becomes of whoever came with one, on every transport and node."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any
import asyncio
import json
import time

import pytest
import redis

from broker.core.cursor import Cursor
from broker.core.revocations import Revocation
from broker.store.keys import RevocationKeys
from broker.store.memory import MemoryStore
from broker.store.options import StoreOptions
from broker.store.redis import RedisStore
from broker.store.revoked import encode_revocation
from tests.support.frames import TEXT
from tests.support.node import RunningNode, SharedMemoryStore, running_node, wall_clock
from tests.support.slow import SlowStore
from tests.support.stores import StoreServer
from tests.support.subscribers import UPGRADE, EventStream, WebSocket, upgrade
from tests.support.target import Target
from tests.support.waiting import PATIENCE, eventually
from tests.support.wire import Answer, Http, connect, read_cursor, subscription

CHANNEL = "closed.a"
MODES = ("websocket", "eventsource", "longpoll", "shortpoll")

ISSUED = 1_700_000_000
"""When the tokens here were issued."""


def reader(node: Target, sub: str = "7", /, **claims: object) -> str:
    """Return the token of a reader; the same one for the same claims."""
    return node.token(None, sub=sub, role="reader", **{"iat": ISSUED, **claims})


async def settled(answer: Answer) -> None:
    """Check that a revocation was taken."""
    assert 200 == answer.status, answer


async def held(node: RunningNode, http: Http, target: str) -> None:
    """Send a long poll and wait until it is held."""
    before = node.sessions
    await http.send(target)
    await eventually(lambda: node.sessions > before, what="the poll is held")


def token_revoked(answer: Answer) -> bool:
    """Tell whether an answer refuses a revoked token."""
    return (401, "urn:broker:error:token-revoked") == (answer.status, answer.problem["type"])


async def goodbye(websocket: WebSocket) -> Cursor:
    """Read the error frame and the close frame of a revoked token; return their cursor."""
    told = json.loads(await websocket.text())
    assert 401 == told["error"]["status"]
    cursor = read_cursor(told["tag"], told["time"])
    frame = await websocket.closing()
    assert (3401, {"cursor": str(cursor)}) == (frame.code, json.loads(frame.reason))
    return cursor


async def refused(node: Target, token: str) -> None:
    """Check that a token is refused on every transport."""
    for mode in MODES:
        headers = UPGRADE if mode == "websocket" else {}
        answer = await node.ask(subscription(mode, [CHANNEL], None, token), headers)
        assert token_revoked(answer), (mode, answer)


# --- one node -----------------------------------------------------------------------------------


async def test_p9_every_transport_ends_with_its_cursor(node: RunningNode) -> None:
    """WebSocket 3401, event stream `close`, held poll 401: each can go on where it ended."""
    mine, other = reader(node), reader(node, "8")
    async with (
        node.websocket([CHANNEL], None, mine) as websocket,
        node.events([CHANNEL], None, mine) as events,
        node.connect() as http,
        node.websocket([CHANNEL], None, other) as kept,
    ):
        sent = await node.publish(CHANNEL, 1)
        for each in (websocket, events, kept):
            assert sent.cursor == (await each.envelope()).cursor
        await held(node, http, subscription("longpoll", [CHANNEL], sent.cursor, mine))
        await settled(await node.revoke(sub="7"))

        cursors = [await goodbye(websocket)]
        event = await events.event()
        assert ("close", 401, "token-revoked") == (
            event.kind,
            event.told["status"],
            event.told["error"],
        )
        cursors.append(event.cursor)
        answer = await http.answer()
        assert token_revoked(answer)
        cursors.append(answer.cursor)
        await refused(node, mine)

        last = await node.publish(CHANNEL, 2)
        assert last.cursor == (await kept.envelope()).cursor
        for cursor in cursors:
            assert sent.cursor <= cursor < last.cursor
            [envelope] = (await node.poll([CHANNEL], cursor, other)).envelopes
            assert 2 == envelope.message
        assert 1 == node.sessions


MATCHES = [
    ({"jti": "a"}, "a"),
    ({"jti": "x"}, ""),
    ({"sub": "7"}, "ab"),
    ({"sub": 7}, "ab"),
    ({"sub": "a"}, ""),
    ({"tenant": "main"}, "abc"),
    ({"tenant": "shop"}, "d"),
    ({"tenant": "shop", "sub": "7"}, "d"),
    ({"tenant": "main", "jti": "a"}, "a"),
    ({"issued_before": ISSUED + 1}, "a"),
    ({"issued_before": ISSUED + 0.5}, "a"),
    ({"issued_before": ISSUED}, ""),
    ({"issued_before": "Tue, 14 Nov 2023 22:13:31 GMT"}, "abc"),
    ({"sub": "7", "issued_before": ISSUED + 11}, "ab"),
    ({"sub": "8", "issued_before": ISSUED + 10}, ""),
    ({"tenant": "shop", "issued_before": ISSUED + 1}, "d"),
]


@pytest.mark.parametrize(("members", "expected"), MATCHES, ids=[str(each) for each, _ in MATCHES])
async def test_p9_a_revocation_ends_those_it_names(
    node: RunningNode, members: dict[str, Any], expected: str
) -> None:
    """By id, subject, tenant and moment: exactly the tokens that are meant end, live and later."""
    tokens = {
        "a": reader(node, "7", jti="a"),
        "b": reader(node, "7", jti="b", iat=ISSUED + 10),
        "c": reader(node, "8", iat=ISSUED + 10),
        "d": reader(node, "7", tenant="shop"),
    }
    async with AsyncExitStack() as stack:
        sockets = {
            name: await stack.enter_async_context(node.websocket([CHANNEL], None, token))
            for name, token in tokens.items()
        }
        await settled(await node.revoke(**members))
        for name in expected:
            await goodbye(sockets[name])
        await eventually(lambda: node.sessions == 4 - len(expected))
        for name, token in tokens.items():
            answer = await node.poll([CHANNEL], None, token)
            assert (401 if name in expected else 304) == answer.status, name


async def test_p9_requests_that_are_known_are_refused_too(node: RunningNode) -> None:
    """A poll that came before, byte for byte, on the same connection and on others."""
    mine = reader(node)
    sent = await node.publish(CHANNEL, 1)
    target = subscription("shortpoll", [CHANNEL], sent.cursor, mine)
    handshake = subscription("websocket", [CHANNEL], sent.cursor, mine)
    async with node.connect() as http:
        for _ in range(3):
            assert 304 == (await http.ask(target)).status
            assert 304 == (await node.ask(target)).status
            async with node.connect() as other:
                await upgrade(other, handshake)
        await settled(await node.revoke(sub="7"))
        assert token_revoked(await http.ask(target))
        assert token_revoked(await node.ask(target))
        assert token_revoked(await node.ask(handshake, UPGRADE))


@pytest.mark.parametrize("mode", MODES)
async def test_p9_a_token_revoked_while_its_request_waits_is_refused(mode: str) -> None:
    """Between the look at the token and the first message lies the store: what changed counts."""
    store = SlowStore()
    async with running_node(store) as node, node.connect() as http:
        headers = UPGRADE if mode == "websocket" else {}
        await http.send(subscription(mode, [CHANNEL], Cursor(ISSUED, 1), reader(node)), headers)
        await eventually(lambda: store.waiting)
        await settled(await node.revoke(sub="7"))
        store.gate.set()
        assert token_revoked(await http.answer())
        assert 0 == node.sessions


async def test_p9_many_newcomers_revoked_at_the_door(node: RunningNode) -> None:
    """Whoever comes while the revocation comes is either refused or ended, never left."""
    mine = reader(node)
    target = subscription("websocket", [CHANNEL], None, mine)
    async with node.connect() as http:
        await upgrade(http, target)  # from here on the handshake is known
        peers = [await connect(node.public) for _ in range(100)]
        try:
            for peer in peers[:50]:
                await peer.send(target, UPGRADE)
            await settled(await node.revoke(sub="7"))
            for peer in peers[50:]:
                await peer.send(target, UPGRADE)
            heads = [await peer.head() for peer in peers]
            assert {101, 401} >= {head.status for head in heads}
            for peer, head in zip(peers, heads, strict=True):
                if head.status == 101:
                    assert TEXT == (await WebSocket(peer, head).frame()).opcode
            await eventually(lambda: node.sessions == 0)
        finally:
            for peer in peers:
                peer.cut()


@pytest.mark.jumping
async def test_a_revocation_ends_when_it_says() -> None:
    """Before its end the token is refused, behind it the token counts again."""
    clock = wall_clock()
    async with running_node(clock=clock) as node:
        mine = reader(node)
        await settled(await node.revoke(sub="7", until=int(clock()) + 60))
        await asyncio.sleep(50)
        assert token_revoked(await node.poll([CHANNEL], None, mine))
        await asyncio.sleep(20)
        assert 304 == (await node.poll([CHANNEL], None, mine)).status


@pytest.mark.jumping
async def test_a_revocation_lasts_as_long_as_tokens() -> None:
    """Without an end of its own it holds for `max_token_ttl_s`; the same again can end it."""
    clock = wall_clock()
    async with running_node(clock=clock, max_token_ttl_s=600) as node:
        now = clock()
        answer = await node.revoke(sub="7")
        until = json.loads(answer.body)["revoked"]["until"]
        assert 600 <= until - now <= 602
        await settled(await node.revoke(sub="7", until=int(clock()) + 2))
        await asyncio.sleep(3)
        assert 304 == (await node.poll([CHANNEL], None, reader(node))).status


# --- several nodes, restarts --------------------------------------------------------------------


async def test_p9_every_node_hears_within_a_second(valkey_url: str) -> None:
    """Three nodes, three transports each: a revocation at one ends all of them in time."""
    async with AsyncExitStack() as stack:
        nodes = [
            await stack.enter_async_context(running_node(RedisStore(valkey_url))) for _ in range(3)
        ]
        mine = reader(nodes[0])
        websockets: list[WebSocket] = []
        streams: list[EventStream] = []
        polls: list[Http] = []
        for node in nodes:
            websockets.append(
                await stack.enter_async_context(node.websocket([CHANNEL], None, mine))
            )
            streams.append(await stack.enter_async_context(node.events([CHANNEL], None, mine)))
            polls.append(await stack.enter_async_context(node.connect()))
            await held(node, polls[-1], subscription("longpoll", [CHANNEL], None, mine))
        async with asyncio.timeout(PATIENCE):
            await settled(await nodes[0].revoke(sub="7"))
            for websocket in websockets:
                await goodbye(websocket)
            for stream in streams:
                assert "close" == (await stream.event()).kind
            for poll in polls:
                assert token_revoked(await poll.answer())
        for node in nodes:
            await refused(node, mine)


@pytest.mark.parametrize("kind", ["memory", "valkey"])
async def test_p9_a_restarted_node_remembers(kind: str, valkey_url: str) -> None:
    """A node that starts later knows what was revoked before it serves its first request."""
    memory = SharedMemoryStore()

    def store() -> MemoryStore | RedisStore:
        return memory if kind == "memory" else RedisStore(valkey_url)

    async with running_node(store()) as node:
        mine, other = reader(node), reader(node, "8")
        await settled(await node.revoke(sub="7"))
        await settled(await node.revoke(tenant="shop", jti="x"))
    for _ in range(2):
        async with running_node(store()) as node:
            await refused(node, mine)
            await refused(node, reader(node, "9", tenant="shop", jti="x"))
            assert 304 == (await node.poll([CHANNEL], None, other)).status


async def test_p9_a_node_that_was_cut_off_learns_what_it_missed(
    valkey_server: StoreServer, valkey_url: str
) -> None:
    """A revocation that no announcement brought ends its sessions when the connection is back."""
    keys = RevocationKeys()
    missed = Revocation("main", int(time.time()) + 60, sub="7")
    async with running_node(RedisStore(valkey_url)) as node:
        mine = reader(node)
        async with node.websocket([CHANNEL], None, mine) as websocket:
            for key, member in (
                (keys.tenants, "main"),
                (keys.of("main"), encode_revocation(missed).decode()),
            ):
                valkey_server.command("ZADD", key, missed.until, member)
            assert 304 == (await node.poll([CHANNEL], None, mine)).status
            valkey_server.command("CLIENT", "KILL", "TYPE", "pubsub")
            await goodbye(websocket)
        await refused(node, mine)


# --- what is asked for --------------------------------------------------------------------------

MISTAKES = [
    (b"", "body", None),
    (b"[]", "object", None),
    (b"{}", "jti, sub, tenant", "sub"),
    (b'{"until":99999999999}', "jti, sub, tenant", "sub"),
    (b'{"subject":"7"}', "jti, sub, tenant", "subject"),
    (b'{"jti":"a","sub":"7"}', "one token", "jti"),
    (b'{"jti":"a","issued_before":1}', "one token", "jti"),
    (b'{"jti":""}', "text", "jti"),
    (b'{"jti":null}', "text", "jti"),
    (b'{"sub":7.5}', "text", "sub"),
    (b'{"sub":true}', "text", "sub"),
    (b'{"sub":["7"]}', "text", "sub"),
    (b'{"sub":"%b"}' % (b"7" * 513), "513 bytes", "sub"),
    (b'{"tenant":null}', "tenant", "tenant"),
    (b'{"tenant":"a b"}', "tenant", "tenant"),
    (b'{"issued_before":"soon"}', "HTTP date", "issued_before"),
    (b'{"issued_before":null}', "HTTP date", "issued_before"),
    (b'{"issued_before":true}', "HTTP date", "issued_before"),
    (b'{"issued_before":-1}', "1970", "issued_before"),
    (b'{"issued_before":1700000000000}', "milliseconds", "issued_before"),
    (b'{"sub":"7","until":1700000000}', "future", "until"),
    (b'{"sub":"7","until":"Tue, 14 Nov 2023 22:13:31 GMT"}', "future", "until"),
]


@pytest.mark.parametrize(
    ("body", "says", "field"), MISTAKES, ids=[str(row[0][:40]) for row in MISTAKES]
)
async def test_p9_mistakes_revoke_nothing(
    node: RunningNode, body: bytes, says: str, field: str | None
) -> None:
    """What cannot be meant is refused, naming the member at fault, and nothing is revoked."""
    async with node.connect_internal() as http:
        answer = await http.ask("/revoke", method="POST", body=body)
        assert (400, field) == (answer.status, answer.problem.get("field"))
        assert says in answer.problem["detail"]
        listed = await http.ask("/revocations")
        assert {"revocations": [], "complete": True} == json.loads(listed.body)


async def test_the_nearest_member_is_named(node: RunningNode) -> None:
    """A slip of the pen is told with what was probably meant, a limit with its number."""
    for members, told in (
        ({"issue_before": 1}, {"nearest": "issued_before"}),
        ({"sub": "7" * 600}, {"limit": 512}),
    ):
        problem = (await node.revoke(**members)).problem
        assert told.items() <= problem.items()
    answer = await node.revoke({"Content-Type": "text/plain"}, sub="7")
    assert (415, "application/json") == (answer.status, answer.problem["nearest"])


async def test_a_tenant_is_named_once_p9(node: RunningNode) -> None:
    """Header and body may name the tenant; when they disagree, nothing is revoked."""
    answer = await node.revoke({"X-Tenant": "shop"}, sub="7", tenant="main")
    assert (400, "tenant") == (answer.status, answer.problem["field"])
    await settled(await node.revoke({"x-tenant": "shop"}, sub="7", tenant="shop"))
    assert 304 == (await node.poll([CHANNEL], None, reader(node))).status
    assert 401 == (await node.poll([CHANNEL], None, reader(node, tenant="shop"))).status


async def test_revocations_are_listed(node: RunningNode) -> None:
    """What holds is listed per tenant, what ends last first, and the list says if it is whole."""
    end = 4_000_000_000
    await settled(await node.revoke(sub="7", issued_before=5, until=end))
    await settled(await node.revoke(jti="a", until=end + 2))
    await settled(await node.revoke(tenant="main", until=end + 1))
    await settled(await node.revoke(tenant="shop", sub="7"))
    rows = [
        {"tenant": "main", "jti": "a", "until": end + 2},
        {"tenant": "main", "until": end + 1},
        {"tenant": "main", "sub": "7", "issued_before": 5, "until": end},
    ]
    async with node.connect_internal() as http:
        for limit, complete in ((3, True), (2, False)):
            answer = await http.ask(f"/revocations?limit={limit}")
            expected = {"revocations": rows[:limit], "complete": complete}
            assert expected == json.loads(answer.body)
        answer = await http.ask("/revocations", {"X-Tenant": "shop"})
        assert [("shop", "7")] == [
            (row["tenant"], row["sub"]) for row in json.loads(answer.body)["revocations"]
        ]
        assert 400 == (await http.ask("/revocations?limit=0")).status


async def test_one_more_than_there_may_be_is_refused() -> None:
    """At the limit of a tenant a new one is refused, and the limit is named."""
    async with running_node(MemoryStore(options=StoreOptions(max_revocations=1))) as node:
        await settled(await node.revoke(sub="7"))
        answer = await node.revoke(sub="8")
        assert (409, 1) == (answer.status, answer.problem["limit"])
        assert "max_revocations" in answer.problem["detail"]
        assert 304 == (await node.poll([CHANNEL], None, reader(node, "8"))).status
        await settled(await node.revoke(sub="7"))


async def test_P9_a_flushed_store_is_given_the_revocations_back(valkey_url: str) -> None:
    """A node that starts after the flush knows them from the others, as does one that ran."""
    async with running_node(RedisStore(valkey_url), tick_s=0.05) as one:
        token = reader(one)
        await settled(await one.revoke(sub="7"))
        store = RedisStore(valkey_url)
        await store.open()
        before = await store.life()
        store_server = redis.Redis.from_url(valkey_url)
        store_server.flushall()
        assert before != await store.life()
        await eventually(lambda: store_server.exists(RevocationKeys().of("main")))
        store_server.close()
        await store.close()
        async with running_node(RedisStore(valkey_url)) as late:
            await refused(late, token)
        await refused(one, token)
