"""Gap notices: what the ring no longer holds is said, on every transport (P3)."""

from __future__ import annotations

import asyncio

import pytest

from broker.core.cursor import Cursor
from tests.support.node import RunningNode, running_node
from tests.support.target import Published, publish_batch
from tests.support.wire import Envelope

RING = 5
PUBLISHED = 20


@pytest.fixture
async def stored(node: RunningNode) -> list[Published]:
    """Publish twenty messages to a channel that keeps five."""
    return [await node.publish("short.a", number) for number in range(1, PUBLISHED + 1)]


def kept(stored: list[Published]) -> list[int]:
    """Return the payloads that the ring still holds."""
    return [message.message for message in stored[-RING:]]


@pytest.mark.parametrize("mode", ["shortpoll", "longpoll"])
async def test_P3_a_poll_is_told_the_first_cursor_there_is(
    node: RunningNode, stored: list[Published], mode: str
) -> None:
    """Resuming at 1: `X-Broker-Gap` names message 16, and the body begins with it."""
    answer = await node.poll(["short.a"], stored[0].cursor, mode=mode)
    assert kept(stored) == [envelope.message for envelope in answer.envelopes]
    assert str(stored[-RING].cursor) == answer.headers["X-Broker-Gap"]
    assert "X-Broker-Gap" in answer.headers["Access-Control-Expose-Headers"]


async def test_P3_an_event_stream_gets_a_gap_event(
    node: RunningNode, stored: list[Published]
) -> None:
    """An event `gap` says what is missing, with the client's own cursor as its id."""
    async with node.events(["short.a"], stored[0].cursor) as stream:
        event = await stream.event()
        assert "gap" == event.kind
        assert stored[0].cursor == event.cursor
        assert {
            "channel": "short.a",
            "after": str(stored[0].cursor),
            "first": str(stored[-RING].cursor),
        } == event.told
        assert kept(stored) == [envelope.message for envelope in await stream.envelopes(RING)]


async def test_P3_a_websocket_that_asks_for_it_gets_a_notice(
    node: RunningNode, stored: list[Published]
) -> None:
    """With `notices=gap`: an envelope with id -3, which carries the client's own cursor."""
    async with node.websocket(["short.a"], stored[0].cursor, notices="gap") as socket:
        notice = await socket.envelope()
        assert (-3, "short.a") == (notice.id, notice.channel)
        assert stored[0].cursor == notice.cursor
        told = notice.message["gap"]
        assert str(stored[0].cursor) == told["after"]
        assert str(stored[-RING].cursor) == told["first"]
        assert kept(stored) == [envelope.message for envelope in await socket.envelopes(RING)]


async def test_P3_a_legacy_websocket_gets_only_messages(
    node: RunningNode, stored: list[Published]
) -> None:
    """Without asking, no frame comes that the vendor's client would not know."""
    async with node.websocket(["short.a"], stored[0].cursor) as socket:
        assert kept(stored) == [envelope.message for envelope in await socket.envelopes(RING)]


@pytest.mark.parametrize("missing", range(PUBLISHED - RING - 1, PUBLISHED))
async def test_P3_the_notice_is_exact(
    node: RunningNode, stored: list[Published], missing: int
) -> None:
    """It comes if and only if a message after the cursor is gone: one sooner or later decides."""
    answer = await node.poll(["short.a"], stored[missing].cursor)
    gone = missing + 1 < PUBLISHED - RING
    assert gone == ("X-Broker-Gap" in answer.headers)
    heard = [envelope.message for envelope in answer.envelopes] if answer.status == 200 else []
    assert kept(stored)[max(0, missing + 1 - PUBLISHED + RING) :] == heard


async def test_P3_the_notice_is_exact_on_another_node_and_after_a_flush(
    node: RunningNode, stored: list[Published]
) -> None:
    """Who was at the end, and whose channel was emptied, missed nothing; who was not, did."""
    async with node.connect_internal() as http:
        assert (await http.ask("/channels/short.a", method="DELETE")).status in (200, 204)
    await node.settle()
    assert "X-Broker-Gap" not in (await node.poll(["short.a"], stored[-1].cursor)).headers
    later = await node.publish("short.a", "later")
    answer = await node.poll(["short.a"], stored[-1].cursor)
    assert ["later"] == [envelope.message for envelope in answer.envelopes]
    assert "X-Broker-Gap" not in answer.headers
    answer = await node.poll(["short.a"], stored[-2].cursor)
    assert str(later.cursor) == answer.headers["X-Broker-Gap"]


async def test_P3_a_gap_in_one_channel_spares_the_others(
    node: RunningNode, stored: list[Published]
) -> None:
    """Other channels of the list replay whole, merged with what is left."""
    whole = [await node.publish("whole", f"w{number}") for number in range(3)]
    async with node.websocket(["whole", "short.a"], stored[0].cursor, notices="gap") as socket:
        notice = await socket.envelope()
        heard: list[Envelope] = await socket.envelopes(RING + len(whole))
    assert "short.a" == notice.channel
    assert [*kept(stored), "w0", "w1", "w2"] == [envelope.message for envelope in heard]
    assert sorted(envelope.cursor for envelope in heard) == [envelope.cursor for envelope in heard]


async def test_P3_a_notice_comes_once(node: RunningNode, stored: list[Published]) -> None:
    """Who goes on from the answer that told of a gap is not told again."""
    answer = await node.poll(["short.a"], stored[0].cursor)
    assert "X-Broker-Gap" in answer.headers
    answer = await node.poll(["short.a"], answer.cursor)
    assert "X-Broker-Gap" not in answer.headers


@pytest.mark.jumping
async def test_P3_messages_that_grew_too_old_are_a_gap() -> None:
    """A ring that keeps ten seconds tells of what it dropped by age."""
    async with running_node() as node:
        first = await node.publish("brief.a", "first")
        await node.publish("brief.a", "second")
        await asyncio.sleep(first.cursor.time + 12 - node.clock())
        third = await node.publish("brief.a", "third")
        answer = await node.poll(["brief.a"], first.cursor)
        assert ["third"] == [envelope.message for envelope in answer.envelopes]
        assert str(third.cursor) == answer.headers["X-Broker-Gap"]


@pytest.mark.jumping
async def test_P3_a_ring_that_is_empty_by_age_is_a_gap_too() -> None:
    """Where all was dropped and nothing new came, even a 304 says that something is missing."""
    async with running_node() as node:
        first = await node.publish("brief.a", "first")
        await node.publish("brief.a", "second")
        await asyncio.sleep(first.cursor.time + 15 - node.clock())
        answer = await node.poll(["brief.a"], first.cursor)
        assert "X-Broker-Gap" in answer.headers


async def test_P3_a_store_that_lost_everything_is_a_gap(node: RunningNode) -> None:
    """A cursor from before the store began is told so."""
    answer = await node.poll(["a"], Cursor(1_000_000_000, 1))
    assert "X-Broker-Gap" in answer.headers


async def test_P3_a_reader_overtaken_by_the_ring_is_told(node: RunningNode) -> None:
    """Who reads slower than the ring turns never jumps silently: a notice stands in each jump."""
    before = await node.now(["short.a"])
    pad = "x" * 40_000
    async with node.websocket(["short.a"], before, notices="gap") as socket:
        async with node.connect_internal() as http:
            for start in range(0, 400, 20):
                numbers = range(start, start + 20)
                await publish_batch(http, [("short.a", [number, pad]) for number in numbers])
        last, notices, told = 0, 0, False
        while last < 400:
            envelope = await socket.envelope()
            if envelope.id == -3:
                notices, told = notices + 1, True
                continue
            assert envelope.id == last + 1 or (told and envelope.id > last)
            last, told = envelope.id, False
    assert notices > 0
