"""The promises P3 and P5 over real stores and wrong clocks: nothing silent, nothing twice."""

from __future__ import annotations

from itertools import pairwise
from random import Random
import asyncio

import pytest

from broker.core.cursor import Cursor
from broker.store.redis import RedisStore
from tests.support.node import OPEN_CHANNELS, RunningNode, SharedMemoryStore, running_node
from tests.support.stores import StoreServer
from tests.support.target import Published, publish, publish_batch
from tests.support.wire import Answer, subscription

IN_ONE_SECOND = 100_000
BATCH = 10_000
START = 1_800_000_000.0

pytestmark = pytest.mark.asyncio(loop_factories=["uvloop"])


class WrongClock:
    """
    A clock that goes where it is told.

    Attributes:
        now: Seconds since the epoch.
    """

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


def assert_ascending(messages: list[Published]) -> None:
    """Fail unless every message has a greater cursor than the one before it."""
    for earlier, later in pairwise(messages):
        assert earlier.cursor < later.cursor


async def test_P5_a_hundred_thousand_messages_in_one_second() -> None:
    """Tags go on without bound, ids without hole; a cursor among them resumes exactly."""
    clock = WrongClock()
    async with running_node(SharedMemoryStore(clock), clock=clock) as node:
        stored: list[Published] = []
        async with node.connect_internal() as http:
            for start in range(0, IN_ONE_SECOND, BATCH):
                numbers = range(start, start + BATCH)
                stored += await publish_batch(http, [("a", number) for number in numbers])
        assert IN_ONE_SECOND == len(stored)
        assert_ascending(stored)
        assert {int(START)} == {message.cursor.time for message in stored}
        assert list(range(1, IN_ONE_SECOND + 1)) == [message.id for message in stored]
        answer = await node.poll(["a"], stored[-501].cursor)
        heard = [envelope.message for envelope in answer.envelopes]
        assert list(range(IN_ONE_SECOND - 500, IN_ONE_SECOND)) == heard
        assert "X-Broker-Gap" not in answer.headers
        async with node.websocket(["a"], stored[-2].cursor) as socket:
            assert IN_ONE_SECOND - 1 == (await socket.envelope()).message


@pytest.mark.parametrize("seed", range(5))
async def test_P5_a_clock_that_jumps_never_brings_a_cursor_back(seed: int) -> None:
    """
    Hours forth and back: cursors ascend, and readers on both nodes hear each message once.

    Some messages go through a node that has just started: it knows no cursor to go on from.
    """
    random = Random(seed)
    clock = WrongClock()
    store = SharedMemoryStore(clock)
    rules = OPEN_CHANNELS.replace("age: 1h", "age: 30d")
    async with (
        running_node(store, channels=rules, clock=clock) as one,
        running_node(store, channels=rules, clock=clock) as two,
        one.connect() as http,
        two.websocket(["a", "b"]) as socket,
    ):
        cursor = await one.now(["a", "b"])
        stored: list[Published] = []
        polled: list[int] = []
        for number in range(200):
            clock.now += random.choice((0, 0, 1, -1, 0.3, 3600, -3600, -86_400, 86_400))
            channel = random.choice("ab")
            if number % 10 == 9:
                async with running_node(store, channels=rules, clock=clock) as fresh:
                    stored.append(await fresh.publish(channel, number))
            else:
                stored.append(await random.choice((one, two)).publish(channel, number))
            if random.random() < 0.5:
                answer = await http.ask(subscription("shortpoll", ["a", "b"], cursor))
                assert answer.cursor >= cursor
                cursor = answer.cursor
                polled += numbers(answer)
        polled += numbers(await http.ask(subscription("shortpoll", ["a", "b"], cursor)))
        assert_ascending(stored)
        assert list(range(200)) == polled
        assert list(range(200)) == [envelope.message for envelope in await socket.envelopes(200)]


def numbers(answer: Answer) -> list[int]:
    """Return the payloads of a poll's answer."""
    return [envelope.message for envelope in answer.envelopes] if answer.status == 200 else []


async def test_P5_a_flushed_store_gives_out_no_cursor_again(store_server: StoreServer) -> None:
    """After FLUSHALL cursors go on, on nodes that knew the old ones and on those that did not."""
    url = store_server.unix_url
    store_server.command("FLUSHALL")
    stored: list[Published] = []
    for _ in range(3):
        async with running_node(RedisStore(url)) as node:
            stored += [await node.publish("a", number) for number in range(5)]
            store_server.command("FLUSHALL")
            stored += [await node.publish("a", number) for number in range(5)]
            async with node.connect() as http:
                answer = await http.ask(subscription("shortpoll", ["a"], stored[-7].cursor))
            assert "X-Broker-Gap" in answer.headers
        store_server.command("FLUSHALL")
    assert_ascending(stored)


@pytest.mark.parametrize("transport", ["websocket", "eventsource", "shortpoll", "longpoll"])
async def test_P3_a_gap_is_told_by_a_node_that_never_saw_the_channel(
    valkey_url: str, transport: str
) -> None:
    """Ring of 5, twenty published on one node: the other one tells what is missing, exactly."""
    async with running_node(RedisStore(valkey_url)) as writer:
        stored = [await writer.publish("short.a", number) for number in range(1, 21)]
    async with running_node(RedisStore(valkey_url)) as node:
        first, messages = await resume(node, transport, stored[0].cursor)
        assert str(stored[15].cursor) == first
        assert [16, 17, 18, 19, 20] == messages
        first, messages = await resume(node, transport, stored[14].cursor)
        assert first is None
        assert [16, 17, 18, 19, 20] == messages


async def resume(node: RunningNode, transport: str, cursor: Cursor) -> tuple[str | None, list[int]]:
    """Resume `short.a`; return the first cursor that a gap notice names, and five messages."""
    if transport == "websocket":
        async with node.websocket(["short.a"], cursor, notices="gap") as socket:
            envelopes = await socket.envelopes(5)
            if envelopes[0].id > 0:
                return None, [envelope.message for envelope in envelopes]
            envelopes.append(await socket.envelope())
            first: str = envelopes[0].message["gap"]["first"]
            return first, [envelope.message for envelope in envelopes[1:]]
    if transport == "eventsource":
        async with node.events(["short.a"], cursor) as stream:
            event = await stream.event()
            if event.kind == "gap":
                messages = await stream.envelopes(5)
                return event.told["first"], [envelope.message for envelope in messages]
            messages = [event.envelope, *await stream.envelopes(4)]
            return None, [envelope.message for envelope in messages]
    answer = await node.poll(["short.a"], cursor, mode=transport)
    return answer.headers.get("X-Broker-Gap"), numbers(answer)


async def test_P3_every_jump_of_a_slow_reader_is_told(valkey_url: str) -> None:
    """A reader that sleeps through many rings hears, for each channel, messages or a notice."""
    names = ["short.a", "short.b", "whole"]
    async with running_node(RedisStore(valkey_url)) as node:
        before = await node.now(names)
        async with node.websocket(names, before, notices="gap") as socket:
            socket.http.writer.transport.pause_reading()  # type: ignore[attr-defined]  # it reads
            async with node.connect_internal() as http:
                for number in range(150):
                    await publish(http, names, [number, "x" * 30_000])
            socket.http.writer.transport.resume_reading()  # type: ignore[attr-defined]
            last = dict.fromkeys(names, 0)
            told: set[str] = set()
            jumps = 0
            while min(last.values()) < 150:
                envelope = await socket.envelope()
                if envelope.id == -3:
                    told.add(envelope.channel)
                    continue
                if envelope.id != last[envelope.channel] + 1:
                    assert envelope.channel in told, "a silent jump"
                    jumps += 1
                    told.discard(envelope.channel)
                last[envelope.channel] = envelope.id
    assert jumps > 0, "nothing fell out of a ring, so this shows nothing"


async def test_P5_a_cursor_of_the_far_future_is_not_handed_on() -> None:
    """Whoever comes with one is put back to now; nobody else ever sees it."""
    async with running_node(longpoll_timeout_s=0.2) as node:
        future = Cursor(9_999_999_999, 1)
        for mode in ("shortpoll", "longpoll"):
            asking = asyncio.create_task(node.poll(["a"], future, mode=mode))
            await node.publish("a", 1)
            answer = await asking
            assert answer.cursor < future
        stored = await node.publish("a", 2)
        assert stored.cursor < future
        assert (await node.now(["a"])) < future
