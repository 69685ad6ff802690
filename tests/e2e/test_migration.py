"""Ten configurations of nginx: the broker that they become answers as nginx was asked.

Where nginx is installed, it is in front with the locations that were written, so that the requests
are the old ones, on one port.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
import asyncio
import json
import re

import pytest

from tests.support.migrated import CONFIGURATIONS, EPOCH, Migrated, migrated

Ask = Callable[[Migrated], Awaitable[None]]

ALL = "&time=Thu,%2001%20Jan%201970%2000:00:00%20GMT&tag=0"
"""Asks for everything that is kept."""


async def basic(place: Migrated) -> None:
    """Publish, stream, tell of a channel, delete it."""
    async with place.reading("/sub/a") as reading:
        answer = await place.post("/pub?id=a", "hello")
        told = json.loads(answer.text)
        assert (200, "a", 1, 0, 1) == (
            answer.status,
            *(told["channel"], told["published_messages"]),
            *(told["stored_messages"], told["subscribers"]),
        )
        assert "hello" == await reading.until("hello")
        told = json.loads((await place.get("/channels-stats?id=a")).text)
        assert ("a", 1) == (told["channel"], told["published_messages"])
        assert 1 == json.loads((await place.get("/channels-stats")).text)["channels"]
    async with place.reading("/sub/a"):
        assert 200 == (await place.ask("DELETE", "/pub?id=a")).status
    assert 404 == (await place.ask("DELETE", "/pub?id=none")).status


async def longpoll(place: Migrated) -> None:
    """Poll with the channels and the cursor in the query; run out of time; call back."""
    assert 200 == (await place.post("/publish-here?channel=a", "one")).status
    query = f"?channels=a/b&since={EPOCH.replace(' ', '%20')}&nr=0"
    [message] = [json.loads((await place.get(f"/poll{query}")).text)]
    assert (1, "one") == (message["id"], message["text"])
    later = f"?channels=a/b&since={message['time'].replace(' ', '%20')}&nr={message['tag']}"
    waiting = asyncio.create_task(place.get(f"/lp{later}"))
    await place.settled(polls=1)
    await place.post("/publish-here?channel=b", "two")
    answer = await waiting
    assert ("two", "*") == (
        json.loads(answer.text)["text"],
        answer.headers["Access-Control-Allow-Origin"],
    )
    assert answer.headers["Content-Type"].startswith("application/json")
    assert re.fullmatch(
        r"(?:/\*\*/)?fn\(\[\{.*\}\]\);", (await place.get(f"/lp{query}&callback=fn")).text.strip()
    )
    over = await place.get(f"/lp{later.replace('channels=a/b', 'channels=c')}")
    assert (200, -3) == (over.status, json.loads(over.text)["id"])
    await place.post("/publish-here?channel=a", "long " * 1000)
    assert "gzip" == (await place.get(f"/poll{query}", Accept_Encoding="gzip")).headers.get(
        "Content-Encoding"
    )


async def events(place: Migrated) -> None:
    """Read events, resume, hear what happens to channels, publish without an answer."""
    async with place.reading("/happenings") as happening:
        async with place.reading("/ev/a") as reading:
            answer = await place.post("/pub?id=a", "first")
            assert (200, "") == (answer.status, answer.text)
            first = await reading.until("data: first\n\n")
            [*_, cursor] = re.findall(r"^id: (\S+)$", first, re.MULTILINE)
        await happening.until('"type": "client_subscribed", "channel": "a"'.replace(" ", ""))
    await place.post("/pub?id=a", "second")
    async with place.reading("/ev/a", Last_Event_ID=cursor) as reading:
        again = await reading.until("data: second\n\n")
        assert "first" not in again


async def rooms(place: Migrated) -> None:
    """Hear and say over a WebSocket, and look at the last messages."""
    token = place.broker.token()
    async with place.socket("/rooms/1", token=token) as socket:
        await place.post("/say?room=1", '{"from": "a"}')
        heard = await socket.receive_json(timeout=10)
        assert (1, "room_1", {"from": "a"}) == (heard["nr"], heard["room"], heard["message"])
        await socket.send_str('{"from": "b"}')
        assert {"from": "b"} == (await socket.receive_json(timeout=10))["message"]
    last = (await place.get(f"/last/1.b1?{ALL[1:]}")).text
    assert {"from": "b"} == json.loads(last.replace("}{", "}\n{").splitlines()[-1])["message"]


async def broadcast(place: Migrated) -> None:
    """Refuse what does not exist and too many broadcasts; begin with the header."""
    assert 403 == (await place.get("/poll/a")).status
    await place.post("/pub?id=a", "x")
    assert 200 == (await place.get(f"/poll/a/broad_1?{ALL[1:]}")).status
    assert 403 == (await place.get("/poll/a/broad_1/broad_2/broad_3")).status
    assert 403 == (await place.get("/poll/broad_1")).status
    async with place.reading("/stream/a/broad_1") as reading:
        await place.post("/pub?id=broad_1", "all")
        assert "welcome\nbroad_1 says all\n" == await reading.until("all\n")


async def pushstream_client(place: Migrated) -> None:
    """Serve each of the client's four ways: see the tests of stock clients."""
    await place.post("/pub?id=a", "x")
    assert "x" == json.loads((await place.get(f"/lp/a?{ALL[1:]}")).text)["text"]
    async with place.socket("/ws/a.b1") as socket:
        assert "x" == (await socket.receive_json(timeout=10))["text"]
    async with place.reading("/sub/a.b1") as reading:
        page = await reading.until("p(1,'a','x'")
        assert page.startswith("<html><head><script>")
        assert reading.answer.headers["Content-Type"].startswith("text/html")


async def nchan_basic(place: Migrated) -> None:
    """Serve three ways to subscribe under one URL, and tell publishers of their channel."""
    nobody = await place.ask("POST", "/pub?id=a", "one", Accept="text/json")
    assert (202, 1) == (nobody.status, json.loads(nobody.text)["messages"])
    assert "one" == (await place.get("/sub?id=a")).text
    async with (
        place.reading("/sub?id=a", Accept="text/event-stream") as reading,
        place.socket("/sub?id=a", protocols=("ws+meta.nchan",)) as socket,
    ):
        assert "ws+meta.nchan" == socket.protocol
        assert 201 == (await place.post("/pub?id=a", "two")).status
        assert "data: one\n" in await reading.until("two\n\n")
        assert (await socket.receive_str(timeout=10)).endswith("\n\none")
        frame = await socket.receive_str(timeout=10)
        [cursor] = re.findall(r"\Aid: (\S+)\n", frame)
        assert frame.endswith("\n\ntwo")
    await place.post("/pub?id=a", "three")
    assert "three" == (await place.get(f"/sub?id=a&last_event_id={cursor}")).text
    plain = await place.ask("GET", "/pub?id=a")
    assert plain.status in {200, 304}


async def nchan_client(place: Migrated) -> None:
    """Take long polls with the cursor in headers: see the tests of stock clients."""
    waiting = asyncio.create_task(place.get("/sub/a"))
    await place.settled(polls=1)
    await place.post("/pub?id=a", "one")
    first = await waiting
    await place.post("/pub?id=a", "two")
    place_of = {
        "If_Modified_Since": first.headers["Last-Modified"],
        "If_None_Match": first.headers["ETag"],
    }
    assert ("one", "two") == (first.text, (await place.get("/sub/a", **place_of)).text)


async def nchan_multiplex(place: Migrated) -> None:
    """Publish to several channels at once, read several, keep groups apart."""
    waiting = asyncio.create_task(place.get("/multisub/x/y"))
    await place.settled(polls=1)
    assert (await place.post("/multipub/y/z", "m")).status in {201, 202}
    assert "m" == (await waiting).text
    async with place.reading("/news") as news, place.socket("/team/today") as team:
        await place.post("/news", "paper")
        await news.until("data: paper\n\n")
        await place.post("/team-pub?name=today", "meeting")
        assert "meeting" == await team.receive_str(timeout=10)
        assert "meeting" not in news.text


async def mixed(place: Migrated) -> None:
    """Serve both dialects side by side."""
    await place.post("/push/pub?id=a", "x")
    assert "x" == (await place.get(f"/push/poll/a?{ALL[1:]}")).text
    async with place.reading("/nchan/sub/b") as reading:
        assert 201 == (await place.post("/nchan/pub/b", "y")).status
        await reading.until("data: y\n\n")


ASKED: dict[str, Ask] = {
    "mixed": mixed,
    "nchan-basic": nchan_basic,
    "nchan-client": nchan_client,
    "nchan-multiplex": nchan_multiplex,
    "pushstream-basic": basic,
    "pushstream-broadcast": broadcast,
    "pushstream-client": pushstream_client,
    "pushstream-events": events,
    "pushstream-longpoll": longpoll,
    "pushstream-rooms": rooms,
}
"""What each configuration is asked."""


def test_each_configuration_is_asked_something() -> None:
    """All of them, ten at least."""
    assert {file.stem for file in CONFIGURATIONS.glob("*.conf")} == ASKED.keys()
    assert 10 <= len(ASKED)


@pytest.mark.parametrize("name", ASKED)
async def test_the_broker_answers_as_nginx_was_asked(name: str, tmp_path: Path) -> None:
    """What the configuration becomes starts a broker, which serves the same paths alike."""
    async with migrated(name, tmp_path, "--store", "memory:") as place:
        await ASKED[name](place)
