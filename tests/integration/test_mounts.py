"""Mounts on a running node: templates, narrowing, reload, what is shared, what is alive."""

from __future__ import annotations

from collections.abc import AsyncIterator
import asyncio
import json
import zlib

import pytest

from broker.catalog import Catalog
from broker.core.cursor import Cursor
from tests.support.node import RunningNode, running_node
from tests.support.subscribers import event_stream, websocket
from tests.support.waiting import eventually
from tests.support.wire import Envelope, Http, connected

CHANNELS = """\
channels:
  - {name: ping, history: {messages: 0}, subscribe: public}
  - {name: "closed.{a}", subscribe: [{role: reader}, {role: guest}]}
  - {name: "{a}", subscribe: public}
  - {name: "{a}.{b}", subscribe: public}
"""
MOUNTS = """\
mounts:
  - standard
  - {path: /raw, mode: shortpoll, template: "~text~", separator: "|"}
  - {path: /ws, mode: websocket, template: "~text~", backtrack: true}
  - {path: /plain, mode: stream, backtrack: true, texts: {ping: alive}}
  - {path: /polled, mode: shortpoll, backtrack: true}
  - {path: /packed, mode: stream, compress: true}
  - {path: /script, mode: longpoll, jsonp: true}
  - {path: /readers, mode: shortpoll, subscribe: [{role: reader}]}
  - {path: /some, mode: shortpoll, allow: ["closed.{a}"]}
"""
OTHER_MOUNTS = MOUNTS.replace('separator: "|"', 'separator: ";"').replace("/script", "/scripts")


@pytest.fixture
async def node() -> AsyncIterator[RunningNode]:
    """Run a node with mounts of its own."""
    async with running_node(channels=CHANNELS + MOUNTS) as running:
        yield running


def use(node: RunningNode, text: str) -> None:
    """Have a node use other rules and mounts, as SIGHUP does."""
    node.node.replace_rules(Catalog.parse(text))


class Lines:
    """The lines of a stream, as they come."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self._rest = b""

    async def envelope(self) -> Envelope:
        """Return the next message."""
        while b"\n" not in self._rest:
            self._rest += await asyncio.wait_for(self._http.chunk(), 10)
        line, _, self._rest = self._rest.partition(b"\n")
        return Envelope.read(line)


async def test_new_mounts_serve_new_requests(node: RunningNode) -> None:
    """A known request is served as the new mounts say; who is connected goes on as it began."""
    before = await node.now(["a"])
    await node.publish("a", 1)
    target = f"/raw/a?tag={before.tag}&time={before.time}"
    async with node.connect() as http, websocket(node.public, "/ws/a") as socket:
        for _ in range(3):  # the second and third are known
            assert b"1|" == (await http.ask(target)).body
        use(node, CHANNELS + OTHER_MOUNTS)
        assert b"1;" == (await http.ask(target)).body
        assert 404 == (await http.ask("/script/a")).status
        assert 400 == (await http.ask("/scripts/a?callback=1")).status
        await node.publish("a", 2)
        assert b"2" == await socket.text()


async def test_without_its_mount_a_known_request_is_refused(node: RunningNode) -> None:
    """A connection that polls finds out at its next poll."""
    async with node.connect() as http:
        for _ in range(3):
            assert 304 == (await http.ask("/raw/a")).status
        use(node, CHANNELS)
        assert 404 == (await http.ask("/raw/a")).status
        assert 304 == (await http.ask("/shortpoll/a")).status


async def test_a_mount_is_for_tokens_that_satisfy_its_rules(node: RunningNode) -> None:
    """A token that may read the channel elsewhere is refused here; without one it is 401."""
    reader, guest = node.token(role="reader"), node.token(role="guest")
    assert 304 == (await node.ask(f"/readers/closed.1?auth_token={reader}")).status
    assert 403 == (await node.ask(f"/readers/closed.1?auth_token={guest}")).status
    assert 304 == (await node.ask(f"/shortpoll/closed.1?auth_token={guest}")).status
    assert 401 == (await node.ask("/readers/a")).status


async def test_a_mount_never_allows_more_than_the_rules(node: RunningNode) -> None:
    """What it names is served to those who may read it; the rest of a list is left out."""
    guest = node.token(role="guest")
    assert 401 == (await node.ask("/some/closed.1")).status
    assert 403 == (await node.ask("/some/a")).status
    answer = await node.ask(f"/some/a/closed.1?auth_token={guest}")
    await node.publish("a", "hidden")
    await node.publish("closed.1", "seen")
    cursor = answer.cursor
    answer = await node.ask(
        f"/some/a/closed.1?auth_token={guest}&tag={cursor.tag}&time={cursor.time}"
    )
    assert ["closed.1"] == [envelope.channel for envelope in answer.envelopes]


async def test_p2_backtrack_joins_live_messages(node: RunningNode) -> None:
    """Whoever asks for the last messages during a storm gets them and all that follow, once."""
    await node.publish("a", 0)

    async def storm() -> None:
        for number in range(1, 60):
            await node.publish("a", number)

    async def read(start: int) -> list[int]:
        await eventually(lambda: node.node.hub.high_water("main") > Cursor(0, 0))
        async with connected(node.public) as http:
            await http.send(f"/plain/a.b{start}")
            assert 200 == (await http.head()).status
            lines = Lines(http)
            ids: list[int] = []
            while not ids or ids[-1] < 60:
                ids.append((await lines.envelope()).id)
            return [number for number in ids if number > 0]  # without signs of life

    async with asyncio.TaskGroup() as group:
        readers = [group.create_task(read(count)) for count in range(1, 12)]
        group.create_task(storm())
    for reader in readers:
        ids = reader.result()
        assert list(range(ids[0], 61)) == ids


async def test_p8_a_long_backtrack_comes_in_pieces(node: RunningNode) -> None:
    """Far more than a connection buffers: every message, in order, on a stream and by polls."""
    for number in range(30):
        await node.publish("a", f"{number:02}" * 30_000)
    async with connected(node.public) as http:
        await http.send("/plain/a.b25")
        await http.head()
        lines = Lines(http)
        ids: list[int] = []
        while not ids or ids[-1] < 30:
            ids.append((await lines.envelope()).id)
    assert list(range(6, 31)) == [number for number in ids if number > 0]
    answer = await node.ask("/polled/a.b25")
    first, cursor = answer.envelopes, answer.cursor
    rest = (await node.ask(f"/polled/a.b25?tag={cursor.tag}&time={cursor.time}")).envelopes
    assert list(range(6, 31)) == [envelope.id for envelope in (*first, *rest)]
    assert "X-Broker-Gap" not in answer.headers


async def test_mounts_that_write_alike_share_their_bytes(node: RunningNode) -> None:
    """Event streams of two paths are one feed; so are scripts that call different functions."""
    async with (
        event_stream(node.public, "/eventsource/a"),
        event_stream(node.public, "/sse/a"),
        connected(node.public) as one,
        connected(node.public) as two,
    ):
        await one.send("/script/b?callback=one_1")
        await two.send("/script/b?callback=two_2")
        await eventually(lambda: node.sessions == 4)
        assert 2 == sum(not feed.is_empty for feed in node.node.hub.feeds)
        await node.publish("b", "x")
        bodies = [(await http.answer()).body for http in (one, two)]
    assert bodies[0].startswith(b"/**/one_1([{")
    assert bodies[0].replace(b"one_1", b"two_2") == bodies[1]


async def test_who_answered_a_script_answers_other_polls(node: RunningNode) -> None:
    """A connection that was asked for a script is a connection like others afterwards."""
    before = await node.now(["a"])
    await node.publish("a", 1)
    here = f"tag={before.tag}&time={before.time}"
    async with node.connect() as http:
        for name in ("f", "g", "h"):
            answer = await http.ask(f"/script/a?callback={name}&{here}")
            assert answer.body.startswith(f"/**/{name}([".encode())
            assert b"1|" == (await http.ask(f"/raw/a?{here}")).body


async def test_a_compressed_stream_is_one_stream(node: RunningNode) -> None:
    """Readers that began at different messages read gzip without an end, message by message."""
    async with connected(node.public) as first, connected(node.public) as second:
        heads = []
        readers = {first: zlib.decompressobj(31), second: zlib.decompressobj(31)}
        for number, http in enumerate((first, second)):
            await http.send("/packed/a", {"Accept-Encoding": "gzip"})
            heads.append(await http.head())
            await node.publish("a", number)
        assert ["gzip", "gzip"] == [head.headers["Content-Encoding"] for head in heads]
        texts = {first: b"", second: b""}
        for http, reader in readers.items():
            while b'"message":1,' not in texts[http]:
                texts[http] += reader.decompress(await asyncio.wait_for(http.chunk(), 10))
    told = [[json.loads(line) for line in text.splitlines()] for text in texts.values()]
    # without signs of life
    numbers = [[each["message"] for each in envelopes if each["id"] > 0] for envelopes in told]
    assert [[0, 1], [1]] == numbers


@pytest.mark.jumping
async def test_p4_signs_of_life_are_messages_that_are_safe_to_keep() -> None:
    """A stream's ping has id -1, the mount's text and the reader's own cursor: nothing is lost."""
    async with (
        running_node(channels=CHANNELS + MOUNTS, heartbeat_s=1.0) as node,
        connected(node.public) as http,
    ):
        await http.send("/plain/a")
        await http.head()
        lines = Lines(http)
        ping = await lines.envelope()
        assert (-1, "", "alive") == (ping.id, ping.channel, ping.message)
        await node.publish("a", 1)
        while (message := await lines.envelope()).id < 0:
            assert message.cursor >= ping.cursor
        answer = await node.poll(["a"], ping.cursor)
        assert [message.raw] == [envelope.raw for envelope in answer.envelopes]


@pytest.mark.jumping
async def test_a_short_hold_ends_in_time_each_time() -> None:
    """On a connection that has polled before, and rested for a while, too."""
    loop = asyncio.get_running_loop()
    brief = "mounts:\n  - standard\n  - {path: /brief, mode: longpoll, hold: 1s}\n"
    async with running_node(channels=CHANNELS + brief) as node, node.connect() as http:
        cursor = (await http.ask("/shortpoll/a")).cursor
        for pause_s in (0.0, 0.0, 0.3, 7.3):
            await asyncio.sleep(pause_s)
            began = loop.time()
            wanted = f"/brief/a?tag={cursor.tag}&time={cursor.time}"
            assert 304 == (await http.ask(wanted)).status
            assert 1.0 <= loop.time() - began < 1.3
