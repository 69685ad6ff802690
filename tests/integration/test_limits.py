"""Each limit: what happens at it, what is said of it, and that it lets go again."""

from __future__ import annotations

from contextlib import AsyncExitStack
from itertools import pairwise
from typing import Any, cast
import asyncio
import json
import re
import socket as sockets

import pytest

from broker.settings import ApiKey, Secret
from broker.transports.connection import Connection
from tests.support.node import RunningNode, running_node
from tests.support.scrape import scrape
from tests.support.slow import SlowStore
from tests.support.subscribers import UPGRADE, upgrade
from tests.support.target import publish_batch
from tests.support.waiting import eventually
from tests.support.wire import Answer, Http, connected, subscription, waiting

PROXY = "127.0.0.1/32"


def is_busy(answer: Answer, status: int, setting: str) -> bool:
    """Tell whether an answer is the refusal of a limit, with a wait of 20 to 30 s."""
    return (
        status == answer.status
        and setting == answer.problem["setting"]
        and 20 <= int(answer.headers["Retry-After"]) <= 30
    )


async def reached(node: RunningNode, setting: str) -> float:
    """Return how often a limit was reached."""
    return (await scrape(node))("limits_reached_total", limit=setting)


# --- connections ---------------------------------------------------------------------------


async def test_connections_beyond_the_limit_get_503_and_others_are_served() -> None:
    """The one too many is answered whatever it asks for; a place that is given back is taken."""
    async with running_node(max_connections=2) as node, AsyncExitStack() as stack:
        first = await stack.enter_async_context(node.websocket(["a.b"]))
        await stack.enter_async_context(node.events(["a.b"]))
        for target in ("/shortpoll/a.b", "/websocket/a.b", "/nothing"):
            async with node.connect() as http:
                assert is_busy(await http.ask(target, UPGRADE), 503, "max_connections")
                assert b"" == await http.ended()
        assert 3 == await reached(node, "max_connections")
        assert 3 == (await scrape(node))("refusals_total", listener="public", error="unavailable")
        async with node.connect_internal() as http:
            await http.ask("/publish/a.b", method="POST", body=b"1")
        assert 1 == (await first.envelope()).message
        first.cut()
        await eventually(lambda: node.sessions == 1, what="a place is free")

        async def is_served() -> bool:
            return (await node.poll(["a.b"])).status == 304

        await eventually(is_served, what="the place is taken")


async def test_connections_that_say_nothing_use_places_too() -> None:
    """A connection counts from its first moment, before it has asked for anything."""
    async with running_node(max_connections=1) as node, node.connect():
        await eventually(lambda: scrape_open(node), what="the silent connection is counted")
        assert is_busy(await node.poll(["a.b"]), 503, "max_connections")


async def scrape_open(node: RunningNode) -> bool:
    """Tell whether a connection is open that carries nothing yet."""
    return (await scrape(node))("connections", transport="http") == 1


async def test_who_is_turned_away_may_be_read_by_pages() -> None:
    """A page of any origin learns when to come back."""
    async with running_node(max_connections=1) as node, node.websocket(["a.b"]):
        answer = await node.poll(["a.b"])
        assert "*" == answer.headers["Access-Control-Allow-Origin"]
        assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"]
        assert "close" == answer.headers["Connection"]


@pytest.mark.jumping
async def test_who_is_turned_away_and_says_nothing_is_cut() -> None:
    """Those beyond the limit hold nothing for longer than a moment."""
    running = running_node(max_connections=1)
    async with running as node, node.websocket(["a.b"]), node.connect() as http:
        assert b"" == await http.ended()


async def test_publishers_have_a_limit_of_their_own() -> None:
    """Subscribers never keep publishers out, nor the other way round."""
    running = running_node(max_connections=1, max_internal_connections=1)
    async with running as node, node.websocket(["a.b"]), node.connect_internal() as http:
        assert 200 == (await http.ask("/publish/a.b", method="POST", body=b"1")).status
        async with node.connect_internal() as other:
            answer = await other.ask("/publish/a.b", method="POST", body=b"1")
        assert 503 == answer.status
        assert "max_internal_connections" == answer.problem["setting"]
        assert 200 == (await http.ask("/publish/a.b", method="POST", body=b"2")).status


# --- addresses -----------------------------------------------------------------------------


async def test_an_address_has_its_share_of_connections() -> None:
    """A client that connects itself is counted before it has said anything."""
    async with running_node(max_address_connections=2) as node, AsyncExitStack() as stack:
        first = await stack.enter_async_context(node.websocket(["a.b"]))
        await stack.enter_async_context(node.events(["a.b"]))
        answer = await node.ask("/websocket/a.b", UPGRADE)
        assert is_busy(answer, 429, "max_address_connections")
        assert 1 == await reached(node, "max_address_connections")
        first.cut()

        async def is_served() -> bool:
            return (await node.poll(["a.b"])).status == 304

        await eventually(is_served, what="the place is taken")


async def test_an_address_keeps_its_one_place_over_many_requests() -> None:
    """A connection that is handed from protocol to protocol uses one place, and gives it back."""
    async with running_node(max_address_connections=1) as node:
        for _ in range(3):

            async def is_let_in() -> bool:
                async with node.connect() as http:
                    targets = ("/shortpoll/a.b", "/nothing", "/shortpoll/a.b", "/shortpoll/a.b")
                    return [304, 404, 304, 304] == [(await http.ask(one)).status for one in targets]

            await eventually(is_let_in, what="the place was given back")


async def test_clients_behind_a_trusted_proxy_have_shares_of_their_own() -> None:
    """The proxy itself may have any number; each client that it names has its share."""
    settings: dict[str, Any] = {"max_address_connections": 1, "trusted_proxies": (PROXY,)}
    async with running_node(**settings) as node, AsyncExitStack() as stack:
        for client in ("192.0.2.1", "192.0.2.2"):
            http = await stack.enter_async_context(node.connect())
            headers = {**UPGRADE, "X-Forwarded-For": f"203.0.113.9, {client}"}
            assert 101 == (await http.ask("/websocket/a.b", headers)).status
        last = await stack.enter_async_context(node.connect())
        await upgrade(last, "/websocket/a.b", {"X-Forwarded-For": "2001:db8::1"})
        for client in ("192.0.2.1", "2001:db8::2"):  # the last one of the same network
            headers = {**UPGRADE, "X-Forwarded-For": client}
            answer = await node.ask("/websocket/a.b", headers)
            assert is_busy(answer, 429, "max_address_connections")
            answer = await node.ask("/eventsource/a.b", headers)
            assert is_busy(answer, 429, "max_address_connections")
        assert 4 == await reached(node, "max_address_connections")
        last.cut()

        async def is_served() -> bool:
            async with node.connect() as other:
                headers = {**UPGRADE, "X-Forwarded-For": "2001:db8::2"}
                return (await other.ask("/websocket/a.b", headers)).status == 101

        await eventually(is_served, what="the client may come again")


@pytest.mark.parametrize(
    ("settings", "header"),
    [
        ({}, "X-Forwarded-For"),
        ({"trusted_proxies": ("10.0.0.0/8",)}, "X-Forwarded-For"),
        ({"trusted_proxies": ("10.0.0.0/8",), "forwarded_header": "forwarded"}, "Forwarded"),
    ],
)
async def test_nobody_else_is_believed_about_addresses(
    settings: dict[str, Any], header: str
) -> None:
    """Who connects directly cannot take another address by saying so."""
    running = running_node(max_address_connections=1, **settings)
    async with running as node, node.websocket(["a.b"]):
        value = "for=192.0.2.7" if header == "Forwarded" else "192.0.2.7"
        answer = await node.ask("/shortpoll/a.b", {header: value})
        assert is_busy(answer, 429, "max_address_connections")


async def test_only_the_configured_header_is_read() -> None:
    """A client's own `Forwarded`, which a proxy passed on, does not move it elsewhere."""
    settings: dict[str, Any] = {"max_address_connections": 1, "trusted_proxies": (PROXY,)}
    async with running_node(**settings) as node, node.connect() as http:
        headers = {**UPGRADE, "X-Forwarded-For": "192.0.2.1", "Forwarded": "for=192.0.2.8"}
        assert 101 == (await http.ask("/websocket/a.b", headers)).status
        headers["Forwarded"] = "for=192.0.2.9"
        assert 429 == (await node.ask("/websocket/a.b", headers)).status


# --- subjects ------------------------------------------------------------------------------


@pytest.mark.parametrize("refuse_websocket", ["handshake", "close"])
async def test_a_subject_has_its_share_of_subscriptions(refuse_websocket: str) -> None:
    """Whatever tokens a subject has, its subscriptions are counted together, upgrades refused."""
    settings: dict[str, Any] = {"max_subject_connections": 2, "refuse_websocket": refuse_websocket}
    async with running_node(**settings) as node, AsyncExitStack() as stack:
        first, second = (node.token(sub="7", role="reader", jti=jti) for jti in ("a", "b"))
        socket = await stack.enter_async_context(node.websocket(["closed.a"], None, first))
        await stack.enter_async_context(node.events(["closed.a"], None, second))
        for mode in ("websocket", "eventsource", "longpoll"):
            for token in (first, second):
                target = subscription(mode, ["closed.a"], None, token)
                answer = await node.ask(target, UPGRADE if mode == "websocket" else {})
                assert is_busy(answer, 429, "max_subject_connections")
        assert 6 == await reached(node, "max_subject_connections")
        others = (
            node.token(sub="8", role="reader"),
            node.token(role="reader"),
            node.token(sub="7", role="reader", tenant="other"),
        )
        for token in others:
            await stack.enter_async_context(node.websocket(["closed.a"], None, token))
        socket.cut()
        await eventually(lambda: node.sessions == 4, what="the socket is gone")
        await stack.enter_async_context(node.websocket(["closed.a"], None, second))


async def test_many_handshakes_at_once_do_not_pass_a_share() -> None:
    """Handshakes that wait for the store together are counted once they are let in."""
    store = SlowStore()
    async with running_node(store, max_subject_connections=3) as node, AsyncExitStack() as stack:
        token = node.token(sub="7", role="reader")
        target = subscription("websocket", ["closed.a"], None, token)
        clients = [await stack.enter_async_context(node.connect()) for _ in range(8)]
        for client in clients:
            await client.send(target, UPGRADE)
        await eventually(lambda: store.waiting > 0, what="they wait for the store")
        store.gate.set()
        statuses = sorted([(await client.head()).status for client in clients])
        assert [101] * 3 + [429] * 5 == statuses


# --- waiting for the store -----------------------------------------------------------------


async def test_a_storm_waits_in_a_room_of_its_own_size() -> None:
    """While the store is slow, so many wait as may; the others are sent away, and come back."""
    store = SlowStore()
    async with running_node(store, max_waiting_subscribers=3) as node, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(node.connect()) for _ in range(3)]
        for client in clients:
            await client.send("/websocket/a.b", UPGRADE)

        async def all_wait() -> bool:
            return (await scrape(node))("attaches_waiting") == 3

        await eventually(all_wait, what="three wait")
        for mode in ("websocket", "eventsource", "shortpoll"):
            answer = await node.ask(f"/{mode}/a.b", UPGRADE if mode == "websocket" else {})
            assert is_busy(answer, 503, "max_waiting_subscribers")
        assert 3 == await reached(node, "max_waiting_subscribers")
        store.gate.set()
        assert [101] * 3 == [(await client.head()).status for client in clients]
        assert 304 == (await node.poll(["a.b"])).status
        assert 0 == (await scrape(node))("attaches_waiting")


async def test_clients_sent_away_together_are_asked_back_apart() -> None:
    """The waits of 20 to 30 s differ, so that nobody comes back in a crowd (D49)."""
    async with running_node(max_connections=1) as node, node.websocket(["a.b"]):
        answers = [await node.poll(["a.b"]) for _ in range(20)]
        waits = {int(answer.headers["Retry-After"]) for answer in answers}
        assert waits <= set(range(20, 31))
        assert len(waits) > 2


async def test_how_long_clients_are_asked_to_wait_is_configurable() -> None:
    """`retry_after_s` and `retry_jitter_s` make the wait, on 503 and at a drain (D49)."""
    async with running_node(max_connections=1, retry_after_s=3.0, retry_jitter_s=2.0) as node:
        async with node.websocket(["a.b"]) as websocket:
            waits = [int((await node.poll(["a.b"])).headers["Retry-After"]) for _ in range(20)]
            assert set(waits) <= {3, 4, 5}
            assert len(set(waits)) > 1
            async with asyncio.TaskGroup() as group:
                group.create_task(node.node.stop())
                frame = await websocket.closing()
        assert 3 <= json.loads(frame.payload[2:])["retry_after"] <= 5


async def test_everybody_who_connects_is_counted() -> None:
    """The accept rate can be read off the metrics, with those who were turned away."""
    async with running_node(max_connections=1) as node, node.websocket(["a.b"]):
        before = (await scrape(node))("connections_accepted_total", listener="public")
        for _ in range(5):
            await node.poll(["a.b"])
        after = (await scrape(node))("connections_accepted_total", listener="public")
        assert 5 == after - before


# --- publishers ----------------------------------------------------------------------------

KEYS = (ApiKey("one", Secret("key-of-one")), ApiKey("two", Secret("key-of-two")))


@pytest.mark.jumping
async def test_a_key_that_publishes_too_much_waits_and_others_do_not() -> None:
    """Beyond the rate there is 429 with the exact wait; after it, the key may go on."""
    async with running_node(api_keys=KEYS, max_publish_rate=5.0) as node:
        async with node.connect_internal() as http:
            one = {"X-Api-Key": "key-of-one"}
            answers = [
                await http.ask("/publish/a.b", one, method="POST", body=b"1") for _ in range(5)
            ]
            assert [200] * 5 == [answer.status for answer in answers]
            answer = await http.ask("/publish/a.b", one, method="POST", body=b"1")
            assert (429, "max_publish_rate") == (answer.status, answer.problem["setting"])
            assert "1" == answer.headers["Retry-After"]
            two = {"X-Api-Key": "key-of-two"}
            assert 200 == (await http.ask("/publish/a.b", two, method="POST", body=b"1")).status
            await asyncio.sleep(1.0)
            assert 200 == (await http.ask("/publish/a.b", one, method="POST", body=b"1")).status
        key = {"X-Api-Key": "key-of-two"}
        async with node.connect_internal() as http:
            told = (await http.ask("/metrics", key)).body.decode()
        assert 'broker_limits_reached_total{limit="max_publish_rate"} 1.0' in told
        assert 'broker_published_messages_total{pattern="{a}.{b}"} 7.0' in told


@pytest.mark.jumping
async def test_a_batch_is_paid_for_by_its_messages() -> None:
    """A batch larger than the rate is stored, whole; then its publisher waits that long."""
    async with running_node(max_publish_rate=10.0) as node, node.connect_internal() as http:
        batch = b"\n".join([b'{"channel":"a.b","message":1}'] * 50)
        ndjson = {"Content-Type": "application/x-ndjson"}
        assert 200 == (await http.ask("/publish", ndjson, method="POST", body=batch)).status
        for target, headers in (("/publish", ndjson), ("/publish/a.b", {})):
            answer = await http.ask(target, headers, method="POST", body=batch)
            assert 429 == answer.status
            assert "5" == answer.headers["Retry-After"]  # 41 messages at 10 a second
        await asyncio.sleep(4.2)
        assert 200 == (await http.ask("/publish/a.b", method="POST", body=b"1")).status


# --- large requests ------------------------------------------------------------------------


async def test_lines_and_headers_are_as_long_as_a_token_may_be() -> None:
    """What is longer is refused with the setting, counted, and its connection closed."""
    async with running_node(max_token_bytes=2048) as node:
        fits = {"Authorization": "Bearer " + "x" * 2000}
        assert 401 == (await node.ask("/shortpoll/a.b", fits)).status
        line, header = "/shortpoll/a.b?x=" + "y" * 40_000, {"X-Long": "y" * 4000}
        for target, headers in ((line, {}), ("/shortpoll/a.b", header)):
            async with node.connect() as http:
                answer = await http.ask(target, headers)
                assert (400, "max_token_bytes") == (answer.status, answer.problem["setting"])
                assert b"" == await http.ended()
        assert 2 == await reached(node, "max_token_bytes")


async def test_a_body_beyond_the_limit_is_counted() -> None:
    """So is a message beyond its own; each names its setting."""
    async with running_node(max_body_bytes=4096, max_message_bytes=1024) as node:
        for size, setting in ((5000, "max_body_bytes"), (2000, "max_message_bytes")):
            body = b'"' + b"x" * size + b'"'
            async with node.connect_internal() as http:
                answer = await http.ask("/publish/a.b", method="POST", body=body)
            assert (413, setting) == (answer.status, answer.problem["setting"])
            assert 1 == await reached(node, setting)


# --- slow clients --------------------------------------------------------------------------

HALVES = (
    b"",
    b"G",
    b"GET /shortpoll/a.b HTTP/1.1\r\n",
    b"GET /shortpoll/a.b HTTP/1.1\r\nHost: x\r\nX-Slow: ",
    b"POST /publish/a.b HTTP/1.1\r\nHost: x\r\nContent-Length: 5",
)


async def trickle(http: Http, data: bytes) -> float:
    """Send a byte a second until the peer closes; return the seconds until then."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for place in range(len(data)):
        if http.reader.at_eof():
            break
        http.writer.write(data[place : place + 1])
        await asyncio.sleep(1.0)
    assert http.reader.at_eof(), "the peer waits still"
    return loop.time() - began


@pytest.mark.jumping
@pytest.mark.parametrize("listener", ["public", "internal"])
@pytest.mark.parametrize("half", HALVES)
async def test_a_head_that_is_never_whole_ends_its_connection(listener: str, half: bytes) -> None:
    """However much of the head has come, the connection is closed in time."""
    running = running_node(request_timeout_s=10.0)
    async with running as node, connected(getattr(node, listener)) as http:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await http.send_bytes(half)
        await http.ended()
        assert 9.9 < loop.time() - began < 12.5
        assert 1 == await reached(node, "request_timeout_s")


@pytest.mark.jumping
@pytest.mark.parametrize("listener", ["public", "internal"])
async def test_a_head_that_trickles_ends_its_connection(listener: str) -> None:
    """A byte now and then does not put the deadline off."""
    running = running_node(request_timeout_s=10.0)
    async with running as node, connected(getattr(node, listener)) as http:
        head = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: " + b"a" * 40
        assert 9.9 < await trickle(http, head) < 12.5


@pytest.mark.jumping
@pytest.mark.parametrize("known", [False, True])
async def test_a_body_that_trickles_is_refused(known: bool) -> None:
    """A publish has its body in time or gets 408, also one that was taken before."""
    async with running_node(request_timeout_s=10.0) as node, node.connect_internal() as http:
        if known:
            for _ in range(2):
                await http.ask("/publish/a.b", method="POST", body=b'"' + b"a" * 38 + b'"')
        head = f"POST /publish/a.b HTTP/1.1\r\nHost: {http.host}\r\nContent-Length: 40\r\n\r\n"
        await http.send_bytes(head.encode())
        sending = asyncio.create_task(trickle(http, b'"' + b"a" * 38 + b'"'))
        answer = await http.answer()
        assert (408, "request_timeout_s") == (answer.status, answer.problem["setting"])
        assert await sending < 14.0
        assert 1 == await reached(node, "request_timeout_s")
    assert (2.0 if known else 0.0) == node.node.meters.publishing.messages.of("{a}.{b}").value


@pytest.mark.jumping
@pytest.mark.parametrize(("listener", "idle_s"), [("public", 75.0), ("internal", 75.0)])
async def test_a_connection_that_nobody_uses_is_closed(listener: str, idle_s: float) -> None:
    """After its answer a connection stays open for the next request, and not for ever."""
    async with running_node() as node, connected(getattr(node, listener)) as http:
        if listener == "public":
            await http.ask("/shortpoll/a.b")
        else:
            await http.ask("/publish/a.b", method="POST", body=b"1")
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert b"" == await http.ended()
        assert idle_s - 1.0 < loop.time() - began < idle_s + 6.0


async def test_the_kernel_watches_for_dead_peers() -> None:
    """Accepted sockets of both listeners have keep-alive and the user timeout."""
    async with running_node(peer_timeout_s=60.0) as node, node.events(["a.b"]):
        server = node.node.public
        assert server is not None
        for listener in (server, node.node.internal):
            [listening] = listener._servers[0].sockets
            tcp = sockets.IPPROTO_TCP
            assert listening.getsockopt(sockets.SOL_SOCKET, sockets.SO_KEEPALIVE)
            assert 60_000 == listening.getsockopt(tcp, sockets.TCP_USER_TIMEOUT)
            assert 12 == listening.getsockopt(tcp, sockets.TCP_KEEPIDLE)
        [session] = node.node.attendance
        connection = cast("Connection", session.outlet)
        assert connection._transport is not None
        accepted = connection._transport.get_extra_info("socket")
        assert accepted.getsockopt(sockets.SOL_SOCKET, sockets.SO_KEEPALIVE)
        assert 60_000 == accepted.getsockopt(sockets.IPPROTO_TCP, sockets.TCP_USER_TIMEOUT)
        assert 12 == accepted.getsockopt(sockets.IPPROTO_TCP, sockets.TCP_KEEPINTVL)


# --- signs of life -------------------------------------------------------------------------


@pytest.mark.jumping
async def test_a_silent_event_stream_gets_a_comment_now_and_then() -> None:
    """Without the channel `ping`, a comment comes every 15 s; it is no event and no message."""
    async with running_node() as node, node.events(["a.b"]) as stream:
        loop = asyncio.get_running_loop()
        assert b"retry: 3000\n\n" == await stream.http.chunk()
        assert re.fullmatch(rb"id: \d+-\d+\n\n", await stream.http.chunk())
        times = []
        for _ in range(3):
            async with waiting():
                assert b": \n\n" == await stream.http.chunk()
            times.append(loop.time())
        for earlier, later in pairwise(times):
            assert 14.9 < later - earlier < 15.3
        stored = await node.publish("a.b", 1)
        assert stored.cursor == (await stream.envelope()).cursor
        assert 1 == (await scrape(node))("delivered_messages_total", transport="eventsource")


@pytest.mark.jumping
async def test_the_ping_channel_is_sign_of_life_enough() -> None:
    """With the channel `ping`, nothing else comes."""
    async with running_node() as node, node.events(["ping"]) as stream:
        for _ in range(5):
            assert "ping" == (await stream.envelope()).channel
        assert b"" == stream.http.reader._buffer  # type: ignore[attr-defined]  # nothing is left


# --- channels that nobody reads ----------------------------------------------------------------


async def test_made_up_channels_cost_a_bounded_memory() -> None:
    """Whoever polls one list of new names after the other has the oldest ones forgotten."""
    async with running_node(max_idle_channels=1000) as node, node.connect() as http:
        before = await node.publish("a.b", 1)
        for number in range(60):
            names = [f"made{number}.up{place}" for place in range(50)]
            assert 304 == (await http.ask(subscription("shortpoll", names))).status
        told = await scrape(node)
        assert told("channels") <= 1050
        assert told("limits_reached_total", limit="max_idle_channels") > 30
        await node.publish("a.b", 2)
        assert [2] == [each.message for each in (await node.poll(["a.b"], before.cursor)).envelopes]


async def test_memory_of_rings_is_bounded_and_told_of() -> None:
    """Beyond it rings are emptied; who needs what was in them gets it from the store."""
    async with running_node(ring_memory_bytes=2**20, tick_s=0.1) as node:
        began = await node.now(["a.b"])
        async with node.websocket(["a.b"]) as socket, node.connect_internal() as http:
            await publish_batch(http, [("a.b", "x" * 8192)] * 200)
            assert 200 == len(await socket.envelopes(200))

            async def is_told() -> bool:
                return (await scrape(node))("limits_reached_total", limit="ring_memory_bytes") > 0

            await eventually(is_told)
            assert (await scrape(node))("ring_memory_bytes") <= 2**20
        answer = await node.poll(["a.b"], began)
        assert [1] == [answer.envelopes[0].id]
