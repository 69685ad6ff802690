"""What `/metrics` says is what happened, on real sockets."""

from __future__ import annotations

from contextlib import AsyncExitStack
import asyncio

from broker.core.cursor import Cursor
from broker.settings import ApiKey, Secret
from tests.support.frames import CLOSE
from tests.support.node import RunningNode, running_node
from tests.support.scrape import scrape
from tests.support.waiting import eventually
from tests.support.wire import connected

BEFORE = Cursor(1, 0)


async def test_published_messages_are_counted_by_pattern(node: RunningNode) -> None:
    """Messages and their bytes stand under the pattern, and no channel's name is told."""
    for channel in ("short.1", "short.2", "a.b", "short.1"):
        await node.publish(channel, "hello")
    told = await scrape(node)
    assert 3 == told("published_messages_total", pattern="short.{a}")
    assert 21 == told("published_bytes_total", pattern="short.{a}")
    assert 1 == told("published_messages_total", pattern="{a}.{b}")
    assert 4 == told("publish_call_messages_sum")
    assert 4 == told("store_call_seconds_count", call="publish")


async def test_a_publish_that_is_repeated_is_counted_once(node: RunningNode) -> None:
    """An answer from before is no message."""
    async with node.connect_internal() as http:
        for _ in range(3):
            headers = {"Idempotency-Key": "k1"}
            await http.ask("/publish/a.b", headers, method="POST", body=b"1")
    told = await scrape(node)
    assert 1 == told("published_messages_total", pattern="{a}.{b}")
    assert 2 == told("publishes_repeated_total")


async def test_deliveries_are_counted_for_each_subscriber(node: RunningNode) -> None:
    """Two messages to three WebSockets are six, and an event stream has numbers of its own."""
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(node.websocket(["a.b"])) for _ in range(3)]
        stream = await stack.enter_async_context(node.events(["a.b"]))
        for number in range(2):
            await node.publish("a.b", number)
        for socket in sockets:
            await socket.envelopes(2)
        await stream.envelopes(2)
        told = await scrape(node)
        for name in ("sessions", "connections", "handshakes_total"):
            assert 3 == told(name, transport="websocket")
        assert 1 == told("sessions", transport="eventsource")
        assert 0 == told("sessions_lagging", transport="websocket")
        assert 6 == told("delivered_messages_total", transport="websocket")
        assert 2 == told("delivered_messages_total", transport="eventsource")
        size = told("delivered_bytes_total", transport="websocket")
        assert size > 6 * len('{"id":1,"channel":"a.b","message":0}')
        assert 0 == told("replayed_messages_total", transport="websocket")
        assert 2 <= told("feeds") <= 3  # `publish` polls as well
        assert 1 == told("channels")
        assert 0 < told("ring_memory_bytes")


async def test_deliveries_are_counted_by_pattern(node: RunningNode) -> None:
    """A list is counted under the pattern of its first channel, and its rings under their own."""
    first = await node.publish("short.1", 0)
    for number in range(3):
        await node.publish("short.1", number)
    lists = ["short.1", "a.b"], ["ping", "a.b"]
    async with node.websocket(lists[0], first.cursor) as one, node.events(lists[1]) as other:
        await one.envelopes(3)
        await node.publish("a.b", "hello")
        await one.envelope()
        await other.envelopes(2)
        told = await scrape(node)
        assert 1 == told("pattern_sessions", pattern="short.{a}")
        assert 1 == told("pattern_sessions", pattern="{a}.{b}")
        assert 0 == told("pattern_sessions_lagging", pattern="short.{a}")
        assert 4 == told("pattern_delivered_messages_total", pattern="short.{a}")
        assert 3 == told("pattern_replayed_messages_total", pattern="short.{a}")
        assert 0 < told("pattern_delivered_bytes_total", pattern="{a}.{b}")
        assert 1 == told("ring_channels", pattern="short.{a}")
        assert 5 == told("ring_capacity_messages", pattern="short.{a}")
        assert 0 <= told("ring_messages", pattern="short.{a}") <= 5


async def test_what_comes_out_of_history_is_told_apart(node: RunningNode) -> None:
    """Messages that a subscriber had missed are replayed ones, and so are those of a poll."""
    first = await node.publish("a.b", 0)
    for number in range(1, 4):
        await node.publish("a.b", number)
    async with node.websocket(["a.b"], first.cursor) as socket:
        await socket.envelopes(3)
    await node.poll(["a.b"], first.cursor)
    told = await scrape(node)
    for transport in ("websocket", "poll"):
        assert 3 == told("replayed_messages_total", transport=transport)
        assert 3 == told("delivered_messages_total", transport=transport)
        assert 0 == told("gaps_told_total", transport=transport)


async def test_P3_gaps_are_counted_where_they_are_told(node: RunningNode) -> None:
    """Who comes back too late is counted, on each transport."""
    for number in range(8):
        await node.publish("short.1", number)
    async with node.websocket(["short.1"], BEFORE, notices="gap") as socket:
        await socket.text()
    await node.poll(["short.1"], BEFORE)
    told = await scrape(node)
    assert 1 == told("gaps_told_total", transport="websocket")
    assert 1 == told("gaps_told_total", transport="poll")
    assert 2 == told("pattern_gaps_told_total", pattern="short.{a}")


async def test_closes_are_counted_by_code(node: RunningNode) -> None:
    """A client's own code, a broken rule, and a client that vanishes are told apart."""
    async with node.websocket(["a.b"]) as socket:
        await socket.send(CLOSE, (1001).to_bytes(2))
        await socket.closing()
    async with node.websocket(["a.b"]) as socket:
        await socket.send(CLOSE, (4711).to_bytes(2))
        await socket.closing()
    async with node.websocket(["a.b"]) as socket:
        await socket.send(3)  # no such opcode
        await socket.closing()
    async with node.websocket(["a.b"]) as socket:
        socket.cut()
    async with node.events(["a.b"]) as stream:
        stream.cut()

    async def is_told() -> bool:
        told = await scrape(node)
        gone = 0 == told("connections", transport="websocket")
        lost = ("websocket", "1006"), ("eventsource", "1006")
        codes = (*lost, ("websocket", "1001"), ("websocket", "1002"), ("websocket", "other"))
        return gone and all(
            1 == told("closes_total", transport=transport, code=code) for transport, code in codes
        )

    await eventually(is_told, what="every close is counted once")


async def test_connections_come_back_to_none(node: RunningNode) -> None:
    """However a connection is handed on, it is counted once, and not once it is gone."""
    async with node.connect() as http:
        for target in ("/shortpoll/a.b", "/nothing", "/shortpoll/a.b", "/shortpoll/a.b"):
            await http.ask(target)
            told = await scrape(node)
            kinds = ("http", "websocket", "eventsource", "poll")
            assert 1 == sum(told("connections", transport=kind) for kind in kinds)
    async with node.connect() as http:
        http.cut()

    async def is_empty() -> bool:
        told = await scrape(node)
        return not any(told("connections", transport=kind) for kind in ("http", "poll"))

    await eventually(is_empty, what="nobody is counted any more")
    told = await scrape(node)
    assert 2 == told("connections_accepted_total", listener="public")
    assert 1 == told("connections", transport="internal")


async def test_known_requests_are_counted(node: RunningNode) -> None:
    """The same request again is a hit, a new one a miss."""
    async with node.connect() as http:
        cursor = (await http.ask("/shortpoll/a.b")).cursor
        for _ in range(3):
            await http.ask(f"/shortpoll/a.b?tag={cursor.tag}&time={cursor.time}")
    told = await scrape(node)
    assert 2 == told("known_requests_total", listener="public", outcome="miss")
    assert 2 == told("known_requests_total", listener="public", outcome="hit")


async def test_tokens_are_counted(node: RunningNode) -> None:
    """A token's signature is checked once; later it is remembered."""
    token = node.token(role="reader")
    for _ in range(3):
        await node.poll(["closed.a"], None, token)
    await node.poll(["closed.a"], None, "nonsense")
    told = await scrape(node)
    assert 1 == told("token_checks_total", outcome="verified")
    assert 2 <= told("token_checks_total", outcome="remembered")
    assert 1 == told("refusals_total", listener="public", error="token-malformed")


async def test_refusals_are_counted_by_listener_and_error(node: RunningNode) -> None:
    """A refusal stands under its name, and under the limit that was reached."""
    await node.poll([f"a.{number}" for number in range(51)])
    async with node.connect_internal() as http:
        await http.ask("/publish/a.b", method="POST", body=b"{")
    told = await scrape(node)
    assert 1 == told("refusals_total", listener="public", error="too-many-channels")
    assert 1 == told("limits_reached_total", limit="max_channels")
    assert 1 == told("refusals_total", listener="internal", error="bad-body")


async def test_a_sample_of_messages_is_timed_to_the_socket(node: RunningNode) -> None:
    """A message that somebody reads is timed; one that nobody reads is not."""
    await node.publish("a.b", 0)
    assert 0 == (await scrape(node))("publish_to_socket_seconds_count")
    async with node.websocket(["a.b"]) as socket:

        async def is_timed() -> bool:
            await node.publish("a.b", 1)
            await socket.envelope()
            return (await scrape(node))("publish_to_socket_seconds_count") > 0

        await eventually(is_timed, what="a message is timed")


async def test_the_process_is_told(node: RunningNode) -> None:
    """Memory, files and CPU time of the process are those of this one, under its label."""
    told = await scrape(node)
    assert 10**7 < told("process_resident_memory_bytes", worker="0") < 10**10
    assert 3 < told("process_open_fds", worker="0") <= told("process_max_fds", worker="0")
    assert 0 < told("process_cpu_seconds_total", worker="0")
    assert 1 == told("workers")
    assert 1 == told("announcements_connected")


async def test_tasks_are_told(node: RunningNode) -> None:
    """Tasks of the node's event loop are counted while they are there."""
    before = (await scrape(node))("loop_tasks", worker="0")
    async with asyncio.TaskGroup() as group:
        more = [group.create_task(asyncio.Event().wait()) for _ in range(100)]
        during = (await scrape(node))("loop_tasks", worker="0")
        for task in more:
            task.cancel()
    assert 0 < before < during - 50


async def test_metrics_need_a_key_where_there_are_keys() -> None:
    """With API keys, Prometheus has to send one."""
    running = running_node(api_keys=(ApiKey("monitor", Secret("key-of-monitor")),))
    async with running as node, connected(node.internal) as http:
        assert 401 == (await http.ask("/metrics")).status
        answer = await http.ask("/metrics", {"Authorization": "Bearer key-of-monitor"})
    assert 200 == answer.status


async def test_openmetrics_is_told_to_who_asks_for_it(node: RunningNode) -> None:
    """The type follows `Accept`."""
    async with connected(node.internal) as http:
        accept = {"Accept": "application/openmetrics-text;version=1.0.0"}
        answer = await http.ask("/metrics", accept)
        assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
        assert answer.body.endswith(b"# EOF\n")
