"""Arbitrary bytes to both listeners of a running broker, and what it is like afterwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from random import Random, SystemRandom
from urllib.parse import urlsplit
import asyncio
import os
import re

import aiohttp
import pytest

from broker.client import START, Client, ClientOptions, Transport
from tests.support.broker import BrokerProcess
from tests.support.junk import PAIR, SMUGGLED, Junk, junk
from tests.support.waiting import eventually

ROUND = 1200
"""Connections in a round, over both listeners."""

AT_ONCE = 40
"""Connections at a time."""

ANSWER_S = 0.2
"""Seconds that an answer is waited for; many kinds of junk rightly get none."""

REQUEST_TIMEOUT_S = 1
STORE_CONNECTIONS = 8
"""Descriptors that the broker may open to its store when it needs them, and keep."""

GROWTH_KIB = 16 * 1024
"""Resident memory that a second round may cost: fragmentation, no leak of its 1,200 requests."""

READ_BYTES = 65_536
STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")

RULES = """\
channels:
  - {name: ping, history: {messages: 0}, subscribe: public}
  - {name: smuggled, subscribe: public}
  - {name: "pair.{n}", history: {messages: 100000}, subscribe: public}
  - {name: "odd.{n}", subscribe: public}
"""

FOUND = [b"CONNECT  \r\nHost: 127.0.0.1\r\n\r\n"]
"""What earlier runs found."""

TRANSPORTS: tuple[Transport, ...] = ("websocket", "eventsource", "longpoll")


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[BrokerProcess]:
    """Give a broker that gives up slow requests soon."""
    rules = tmp_path / "channels.yaml"
    rules.write_text(RULES)
    flags = ("--config", str(rules), "--request-timeout-s", str(REQUEST_TIMEOUT_S))
    async with BrokerProcess(*flags) as running:
        yield running


class Fuzz:
    """
    Sends junk, and notes what came back.

    Args:
        broker: Whom to.
        seed: What makes the junk, and chooses what becomes of each connection.
    """

    def __init__(self, broker: BrokerProcess, seed: int) -> None:
        self._urls = [broker.public, broker.internal]
        self._seed = seed
        self._places = asyncio.Semaphore(AT_ONCE)
        self.statuses: Counter[int] = Counter()
        self.sent: Counter[str] = Counter()

    async def run(self, count: int) -> None:
        """Send so many to each listener."""
        chance = Random(self._seed)
        tasks = [
            asyncio.create_task(self._send(piece, url, chance.random()))
            for piece in junk(self._seed, count)
            for url in self._urls
        ]
        for task in tasks:
            await task
        self._seed += 1

    async def _send(self, piece: Junk, url: str, fate: float) -> None:
        self.sent[piece.kind] += 1
        async with self._places:
            reader, writer = await connect(url)
            with suppress(OSError):
                writer.write(piece.data)
                if fate < 0.3:
                    writer.write_eof()
                if fate < 0.8:
                    self._note(piece, await read(reader))
            writer.transport.abort()

    def _note(self, piece: Junk, answer: bytes) -> None:
        statuses = [int(status) for status in STATUS.findall(answer)]
        assert 500 not in statuses, f"{piece.kind}: {piece.data[:500]!r} got {answer[:500]!r}"
        self.statuses.update(statuses)


async def connect(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to a listener."""
    parts = urlsplit(url)
    return await asyncio.open_connection(parts.hostname, parts.port)


async def read(reader: asyncio.StreamReader) -> bytes:
    """Return what comes within a moment."""
    data = b""
    with suppress(TimeoutError):
        async with asyncio.timeout(ANSWER_S):
            while piece := await reader.read(READ_BYTES):
                data += piece
    return data


async def test_the_broker_serves_on_whatever_it_is_sent(broker: BrokerProcess) -> None:
    """It refuses without a failure of its own, keeps nothing, and serves whoever comes next."""
    seed = int(os.environ.get("FUZZ_SEED", SystemRandom().randrange(2**32)))
    print(f"to repeat: FUZZ_SEED={seed}")
    fuzz = Fuzz(broker, seed)
    await check_it_serves(broker)
    descriptors = open_files(broker.pid)

    await fuzz.run(ROUND // 2)
    await check_nothing_is_left(broker, descriptors)
    resident = resident_kib(broker.pid)
    await fuzz.run(ROUND // 2)
    await check_nothing_is_left(broker, descriptors)
    assert resident_kib(broker.pid) < resident + GROWTH_KIB

    await check_it_serves(broker)
    await check_nothing_is_half_stored(broker)
    print(dict(fuzz.statuses), dict(fuzz.sent))
    assert {200, 400, 404} <= fuzz.statuses.keys(), "the junk was hardly read"
    assert "Traceback" not in broker.log
    assert " ERROR " not in broker.log


@pytest.mark.parametrize("found", FOUND)
async def test_what_was_found_before_is_refused(shared_broker: BrokerProcess, found: bytes) -> None:
    """Bytes that once left a connection open for ever are answered, and it is closed."""
    for url in (shared_broker.public, shared_broker.internal):
        reader, writer = await connect(url)
        writer.write(found)
        answer = await asyncio.wait_for(reader.read(), 10)
        assert answer.partition(b"\r\n")[0].split(b" ")[1] in {b"404", b"405"}
        writer.close()


async def test_unfinished_requests_are_given_up(broker: BrokerProcess) -> None:
    """Half of a head, or a body that never comes, holds its connection only for a while."""
    get = b"GET /longpoll/ping HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    post = b"POST /publish/odd.1 HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    unfinished = (
        (broker.public, b""),
        (broker.public, get[:18]),
        (broker.public, get),
        (broker.public, get + b"X: "),
        (broker.public, get + b"\r"),
        (broker.public, post + b"Content-Length: 50\r\n\r\n{"),
        (broker.internal, post + b"Content-Length: 50\r\n\r\n{"),
        (broker.internal, post + b"Transfer-Encoding: chunked\r\n\r\n5\r"),
    )
    descriptors = open_files(broker.pid)
    ends = []
    for url, data in unfinished * 4:
        reader, writer = await connect(url)
        writer.write(data)
        ends.append((reader, writer))
    try:
        async with asyncio.timeout(10 * REQUEST_TIMEOUT_S):
            for reader, _ in ends:
                with suppress(ConnectionError):
                    while await reader.read(READ_BYTES):
                        pass
    finally:
        for _, writer in ends:
            writer.transport.abort()
    await check_nothing_is_left(broker, descriptors)
    await check_it_serves(broker)


async def check_it_serves(broker: BrokerProcess) -> None:
    """Check that a fresh subscriber gets what a fresh publisher sends, on every transport."""
    for transport in TRANSPORTS:
        options = ClientOptions(transports=(transport,))
        async with (
            Client(broker.public, internal=broker.internal, options=options) as client,
            client.subscribe("odd.0") as messages,
        ):
            await client.publish("odd.0", transport)
            message = await asyncio.wait_for(anext(messages), 10)
            assert transport == message.message


async def check_nothing_is_left(broker: BrokerProcess, descriptors: int) -> None:
    """Check that no subscriber and no descriptor is left of connections that are gone."""
    async with aiohttp.ClientSession() as session:

        async def sessions() -> bool:
            async with session.get(f"{broker.internal}/stats") as answer:
                return bool(0 == (await answer.json())["sessions"])

        await eventually(sessions, 10, what="no session is left")
    await eventually(
        lambda: open_files(broker.pid) <= descriptors + STORE_CONNECTIONS,
        10,
        what="no descriptor is left",
    )


async def check_nothing_is_half_stored(broker: BrokerProcess) -> None:
    """Check that each publish reached both of its channels, or none, and no hidden one any."""
    async with Client(broker.public, internal=broker.internal) as client:
        await client.publish((*PAIR, SMUGGLED), "end")
        stored: dict[str, list[object]] = {}
        for channel in (*PAIR, SMUGGLED):
            messages = stored[channel] = []
            async with client.subscribe(channel, cursor=START, on_gap=lambda _: None) as kept:
                while not messages or messages[-1] != "end":
                    messages.append((await asyncio.wait_for(anext(kept), 10)).message)
    assert stored[PAIR[0]] == stored[PAIR[1]]
    assert ["end"] == stored[SMUGGLED]
    assert len(stored[PAIR[0]]) > 10, "hardly anything was published in between"


def open_files(pid: int) -> int:
    """Return how many descriptors a process has."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def resident_kib(pid: int) -> int:
    """Return the memory that a process has in use."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])
