"""Readers that stop reading, on real sockets: what each policy of a channel does with them."""

from __future__ import annotations

from asyncio import Transport
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import cast
import json

from broker.core.cursor import Cursor
from broker.transports.traffic import Traffic
from tests.support.frames import CLOSE, TEXT
from tests.support.node import RunningNode, running_node
from tests.support.scrape import scrape
from tests.support.subscribers import EventStream, WebSocket
from tests.support.target import publish_batch
from tests.support.waiting import eventually
from tests.support.wire import subscription

RULES = """\
channels:
  - {name: "ping", history: {messages: 0}, subscribe: public}
  - {name: "place.{a}", slow_reader: conflate, subscribe: public}
  - {name: "book.{a}", slow_reader: close, subscribe: public}
  - {name: "{a}.{b}", subscribe: public}
"""

PADDING = "x" * 20_000
"""Makes each message as large as a few of them need to be to fill a connection."""

BURST = 400
"""Messages that no pair of small socket buffers takes: some 8 MB."""


@asynccontextmanager
async def slow_node(slow_reader_s: float = 10.0) -> AsyncIterator[RunningNode]:
    """Run a node whose connections fill up soon."""
    settings = {"send_buffer_bytes": 16_384, "slow_reader_s": slow_reader_s}
    async with running_node(None, channels=RULES, clock=None, **settings) as node:
        yield node


async def burst(node: RunningNode, channels: Sequence[str], count: int = BURST) -> Cursor:
    """Publish numbered messages to channels in turn; return the last one's cursor."""
    messages = [(channels[n % len(channels)], {"n": n, "padding": PADDING}) for n in range(count)]
    async with node.connect_internal() as http:
        stored = [
            each
            for start in range(0, count, 100)
            for each in await publish_batch(http, messages[start : start + 100])
        ]
    await node.settle()
    return stored[-1].cursor


async def is_stalled(node: RunningNode) -> bool:
    """Tell whether a reader's connection is full."""
    return any(session.slow is not None for session in node.node.attendance)


async def stall(node: RunningNode, reader: WebSocket | EventStream, channel: str) -> None:
    """Have a reader stop reading, and its connection fill up."""
    reader.http.writer.transport.pause_reading()  # type: ignore[attr-defined]
    await burst(node, [channel])
    await eventually(lambda: is_stalled(node), what="the connection is full")


def wake(reader: WebSocket | EventStream) -> None:
    """Have a reader read again."""
    reader.http.writer.transport.resume_reading()  # type: ignore[attr-defined]


async def test_P8_a_stalled_websocket_gets_the_newest_and_how_many_are_left_out() -> None:
    """In order, once, up to the very last message; what it did not get was counted for it."""
    async with slow_node() as node, node.websocket(["place.1"], notices="gap") as reader:
        await stall(node, reader, "place.1")
        last = await burst(node, ["place.1"])
        wake(reader)
        read: list[int] = []
        skipped, place = 0, Cursor(0, 0)
        while place < last:
            envelope = await reader.envelope()
            if envelope.id == -3:
                skipped += envelope.message["gap"]["skipped"]
                continue
            assert envelope.cursor > place
            read.append(envelope.id)
            place = envelope.cursor
        assert [*range(1, len(read)), 2 * BURST] == read
        assert 2 * BURST == len(read) + skipped
        assert skipped >= BURST - 1
        told = await scrape(node)
        assert skipped == told("conflated_messages_total", transport="websocket")
        await eventually(lambda: not any(s.slow for s in node.node.attendance), what="it is live")
        await burst(node, ["place.1"], 1)
        assert 2 * BURST + 1 == (await reader.envelope()).id


async def test_P8_an_event_stream_beside_another_channel_loses_only_what_it_is_told() -> None:
    """Of two channels of one list, one is conflated; the other comes whole, all in order."""
    async with slow_node() as node, node.events(["place.1", "a.b"]) as reader:
        await stall(node, reader, "a.b")
        last = await burst(node, ["place.1", "a.b"])
        wake(reader)
        read: dict[str, list[int]] = {"place.1": [], "a.b": []}
        skipped, place = 0, Cursor(0, 0)
        while place < last:
            event = await reader.event()
            if event.kind == "gap":
                assert "place.1" == event.told["channel"]
                skipped += event.told["skipped"]
                continue
            envelope = event.envelope
            assert envelope.cursor > place
            read[envelope.channel].append(envelope.id)
            place = envelope.cursor
        assert [*range(1, BURST + BURST // 2 + 1)] == read["a.b"]
        assert BURST // 2 == len(read["place.1"]) + skipped
        assert BURST // 2 == read["place.1"][-1]


async def test_who_comes_back_gets_what_was_left_out() -> None:
    """History is never conflated: the cursor of a notice leads back to everything (P2)."""
    async with slow_node() as node:
        async with node.websocket(["place.1"], notices="gap") as reader:
            await stall(node, reader, "place.1")
            last = await burst(node, ["place.1"], 100)
            wake(reader)
            envelope = await reader.envelope()
            while envelope.id != -3:
                envelope = await reader.envelope()
        notice = envelope.message["gap"]
        async with node.websocket(["place.1"], Cursor.parse(notice["after"])) as reader:
            read = [await reader.envelope()]
            while read[-1].cursor < last:
                read.append(await reader.envelope())
        ids = [each.id for each in read]
        assert [*range(ids[0], BURST + 100 + 1)] == ids
        assert notice["skipped"] < len(ids)


async def test_P8_a_reader_of_a_channel_that_does_not_wait_is_closed_with_its_cursor() -> None:
    """It reads what was on its way, then 1013; with the cursor nothing is missing."""
    async with slow_node(slow_reader_s=0.2) as node:
        async with node.websocket(["book.1"]) as reader, node.websocket(["book.1"]) as healthy:
            healthy.http.reader._limit = 2**30  # type: ignore[attr-defined]  # it reads all
            reader.http.writer.transport.pause_reading()  # type: ignore[attr-defined]
            last = await burst(node, ["book.1"])
            await eventually(lambda: node.sessions == 1, what="the slow one is sent away")
            wake(reader)
            ids, frame = [], await reader.frame()
            while frame.opcode == TEXT:
                ids.append(json.loads(frame.payload)["id"])
                frame = await reader.frame()
            assert (CLOSE, 1013) == (frame.opcode, int.from_bytes(frame.payload[:2]))
            cursor = Cursor.parse(json.loads(frame.payload[2:])["cursor"])
            read = [each.id for each in await healthy.envelopes(BURST)]
        assert [*range(1, BURST + 1)] == read
        assert [*range(1, len(ids) + 1)] == ids
        async with node.websocket(["book.1"], cursor) as reader:
            rest = await reader.envelopes(BURST - len(ids))
        assert [*range(len(ids) + 1, BURST + 1)] == [each.id for each in rest]
        assert last == rest[-1].cursor
        told = await scrape(node)
        assert 1 == told("closes_total", transport="websocket", code="1013")
        assert 1 == told("slow_readers_closed_total", transport="websocket")
        assert 1 == told("limits_reached_total", limit="slow_reader_s")


async def test_an_event_stream_that_is_closed_is_told_why() -> None:
    """Its last event names the channel, the limit and the cursor."""
    async with slow_node(slow_reader_s=0.2) as node, node.events(["a.b", "book.1"]) as reader:
        await stall(node, reader, "a.b")
        await burst(node, ["book.1"], 1)
        await eventually(lambda: node.sessions == 0, what="the slow one is sent away")
        wake(reader)
        event = await reader.event()
        while event.kind == "message":
            event = await reader.event()
        assert ("close", "too-slow", 408) == (event.kind, event.told["error"], event.told["status"])
        assert "book.1" in event.told["message"]
        assert event.told["cursor"] == event.id


def buffered(traffic: Traffic) -> int:
    """Return how many bytes wait in the process for clients to take them."""
    return sum(
        cast("Transport", transport).get_write_buffer_size() for transport in traffic._connections
    )


async def test_P8_polls_whose_answers_nobody_reads_wait_for_their_turn() -> None:
    """One answer is buffered, however often it is asked for; then each request gets its own."""
    async with slow_node() as node, node.connect() as http:
        await burst(node, ["a.b"], 40)
        wanted = subscription("shortpoll", ["a.b"], Cursor(1, 0))
        whole = await http.ask(wanted)
        assert 40 == len(whole.envelopes)
        http.writer.transport.pause_reading()  # type: ignore[attr-defined]
        endpoints = node.node._endpoints
        assert endpoints is not None
        for _ in range(20):
            await http.send(wanted)
            await node.settle()
            assert buffered(endpoints._services.traffic.poll) <= len(whole.body) + 1000
        http.writer.transport.resume_reading()  # type: ignore[attr-defined]
        for _ in range(20):
            assert whole.body == (await http.answer()).body
        assert 304 == (await http.ask(subscription("shortpoll", ["a.b"], whole.cursor))).status


async def test_P8_publishers_that_read_no_answers_are_not_read_themselves() -> None:
    """Their answers stay within a connection's buffer, and none is lost once they read."""
    async with slow_node() as node, node.connect_internal() as http:
        traffic = cast("Traffic", node.node.internal.hang_up.__self__)  # type: ignore[attr-defined]
        await http.ask("/publish/a.b", method="POST", body=b"0")
        http.writer.transport.pause_reading()  # type: ignore[attr-defined]
        [connection] = traffic._connections
        publish = b"POST /publish/a.b HTTP/1.1\r\nHost: %b\r\nContent-Length: 1\r\n\r\n1"
        transport, count = cast("Transport", connection), 0
        while transport.is_reading():
            http.writer.write(publish % http.host.encode() * 100)
            count += 100
            await node.settle()
            assert count < 100_000, "whatever is not read is buffered"
        assert buffered(traffic) < 200_000
        http.writer.transport.resume_reading()  # type: ignore[attr-defined]
        ids = [json.loads((await http.answer()).body)["messages"][0]["id"] for _ in range(count)]
        assert list(range(2, count + 2)) == ids
