"""Publishes of a known shape, taken without aiohttp: as exact as those that it parses."""

from __future__ import annotations

from collections.abc import AsyncIterator
import asyncio
import json

import pytest

from broker.settings import ApiKey, Secret
from tests.support.node import RunningNode, running_node


class Publisher:
    """A keep-alive connection that sends bytes as they are told."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, node: RunningNode) -> Publisher:
        """Connect to the internal listener."""
        port = int(node.internal.rpartition(":")[2])
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self._writer.write(data)

    async def answer(self) -> tuple[int, dict[str, object]]:
        """Return the status and the body of the next answer."""
        async with asyncio.timeout(5):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
            lines = [line.partition(": ") for line in head.split("\r\n")[1:] if line]
            fields = {name.lower(): value for name, _, value in lines}
            body = await self._reader.readexactly(int(fields["content-length"]))
        return int(head.split()[1]), json.loads(body)

    def send_last(self, data: bytes) -> None:
        """Send bytes, and close this side with them."""
        self._writer.write(data)
        self._writer.write_eof()

    async def ended(self) -> bytes:
        """Return what comes until the other side closes."""
        async with asyncio.timeout(5):
            return await self._reader.read()

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


def request(body: bytes, channel: str = "chat.1", extra: str = "") -> bytes:
    """Return a whole publish."""
    head = f"POST /publish/{channel} HTTP/1.1\r\nHost: localhost\r\n{extra}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.fixture
async def publisher(node: RunningNode) -> AsyncIterator[Publisher]:
    """Connect, and have one plain publish parsed by aiohttp."""
    publisher = await Publisher.connect(node)
    publisher.send(request(b"0"))
    assert 200 == (await publisher.answer())[0]
    yield publisher
    publisher.close()


async def stored(node: RunningNode, channel: str = "chat.1") -> list[str]:
    """Return the kept messages of a channel."""
    publisher = await Publisher.connect(node)
    publisher.send(
        f"GET /channels/{channel}/messages?limit=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    )
    status, page = await publisher.answer()
    publisher.close()
    assert 200 == status
    messages = page["messages"]
    assert isinstance(messages, list)
    return [json.dumps(message["message"]) for message in messages]


async def test_P6_pipelined_publishes_are_answered_in_order(
    node: RunningNode, publisher: Publisher
) -> None:
    """Many requests in one segment: each stored once, in order, each with its own answer."""
    publisher.send(b"".join(request(str(number).encode()) for number in range(1, 200)))
    ids = [(await publisher.answer())[1]["messages"][0]["id"] for _ in range(1, 200)]  # type: ignore[index]
    assert list(range(2, 201)) == ids
    assert 1 == node.node.internal._aiohttp.requests_count, "they were parsed"
    assert [str(number) for number in range(200)] == await stored(node)


async def test_a_request_may_come_in_pieces(node: RunningNode, publisher: Publisher) -> None:
    """A head or a body that is cut anywhere is put together again."""
    whole = request(b'{"a": 1}')
    for place in range(1, len(whole), 7):
        publisher.send(whole[:place])
        await asyncio.sleep(0)
        publisher.send(whole[place:])
        assert 200 == (await publisher.answer())[0]


@pytest.mark.parametrize(
    ("bad", "status"),
    [
        (request(b"{"), 400),
        (request(b""), 400),
        (request(b"1", channel="ping"), 403),
        (request(b"1", channel="a.b.c.d"), 404),
        (request(b'"' + b"x" * 70_000 + b'"'), 413),
        (request(b"1", extra="X-Tenant: ../x\r\n"), 400),
        (b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
    ],
    ids=["no JSON", "empty", "ping", "unknown", "large", "tenant", "path"],
)
async def test_what_is_wrong_is_refused_as_ever(
    publisher: Publisher, bad: bytes, status: int
) -> None:
    """A known shape excuses nothing; the answers before it come first."""
    publisher.send(request(b"1") + request(b"2") + bad)
    assert 200 == (await publisher.answer())[0]
    assert 200 == (await publisher.answer())[0]
    answered, body = await publisher.answer()
    assert status == answered
    assert status == body["status"]


async def test_P6_a_key_that_comes_again_stores_once(
    node: RunningNode, publisher: Publisher
) -> None:
    """The same key and body give the first answer; another body is refused."""
    keyed = request(b"7", extra="Idempotency-Key: k1\r\n")
    publisher.send(keyed + keyed + request(b"8", extra="Idempotency-Key: k1\r\n"))
    first, again, other = [await publisher.answer() for _ in range(3)]
    assert (200, first[1]) == again
    assert 422 == other[0]
    assert ["0", "7"] == await stored(node)


async def test_another_channel_of_the_same_shape(node: RunningNode, publisher: Publisher) -> None:
    """The channel is part of what changes, and each is checked."""
    publisher.send(request(b"1", channel="chat.2"))
    assert 200 == (await publisher.answer())[0]
    assert ["1"] == await stored(node, "chat.2")


async def test_a_client_that_leaves_early_has_its_message_stored(
    node: RunningNode, publisher: Publisher
) -> None:
    """What was sent whole is stored, whether or not anybody reads the answer."""
    publisher.send(request(b"5"))
    publisher.close()

    async def is_stored() -> bool:
        return ["0", "5"] == await stored(node)

    async with asyncio.timeout(5):
        while not await is_stored():  # noqa: ASYNC110 - each look is a request
            await asyncio.sleep(0)


async def test_P9_a_refused_publish_does_not_lend_its_looks_to_the_next_one() -> None:
    """A wrong key stays wrong, whoever publishes behind it on the same connection."""
    keys = (ApiKey("shop", Secret("k" * 32), "shop"),)
    async with running_node(api_keys=keys) as node:
        publisher = await Publisher.connect(node)
        wrong, right = (
            request(b"1", extra=f"Authorization: Bearer {char * 32}\r\n") for char in "xk"
        )
        for each, status in ((wrong, 401), (right, 200), (wrong, 401), (right, 200), (right, 200)):
            publisher.send(each)
            assert status == (await publisher.answer())[0]
        publisher.close()


async def test_P9_a_refused_publish_leaves_each_tenant_its_own(node: RunningNode) -> None:
    """What is published for one tenant goes there, whatever was refused before it."""
    publisher = await Publisher.connect(node)
    for tenant, channel, status in (
        ("one", "no.rule.for.it", 404),
        ("two", "chat.1", 200),
        ("one", "chat.1", 200),
    ):
        publisher.send(request(b"1", channel, extra=f"X-Tenant: {tenant}\r\n"))
        assert status == (await publisher.answer())[0]
    for tenant in ("one", "two"):
        lines = f"GET /channels/chat.1 HTTP/1.1\r\nHost: localhost\r\nX-Tenant: {tenant}\r\n\r\n"
        publisher.send(lines.encode())
        status, told = await publisher.answer()
        assert (200, 1) == (status, told["stored"]), tenant
    publisher.close()


@pytest.mark.parametrize(
    "bad",
    [
        "Event-Type: gap",
        "Event-Type: close",
        "Event-Id: a\x01b",
        "Event-Id: \u2028",
        "Event-Id: a\tb",
    ],
)
async def test_events_are_looked_at_on_known_ways_too(
    node: RunningNode, publisher: Publisher, bad: str
) -> None:
    """Neither an event of the broker's own nor a control character gets in by a known shape."""
    name = bad.partition(":")[0]
    for value in ("one", "two"):
        publisher.send(request(b"1", extra=f"{name}: {value}\r\n"))
        assert 200 == (await publisher.answer())[0]
    before = await stored(node)
    publisher.send(request(b"2", extra=f"{bad}\r\n"))
    assert 400 == (await publisher.answer())[0]
    assert before == await stored(node)


@pytest.mark.parametrize("known", [False, True], ids=["cold", "known"])
async def test_P6_who_says_no_more_gets_the_answer_all_the_same(
    node: RunningNode, known: bool
) -> None:
    """A publisher that closes its side with the request learns that it is stored."""
    for body, status in ((b"1", 200), (b"{", 400)):
        publisher = await Publisher.connect(node)
        if known:
            publisher.send(request(b"0"))
            assert 200 == (await publisher.answer())[0]
        publisher.send_last(request(body))
        assert status == (await publisher.answer())[0]
        assert b"" == await publisher.ended()
        publisher.close()


async def test_P6_several_known_publishes_and_no_more_are_all_answered(
    node: RunningNode, publisher: Publisher
) -> None:
    """In order, those that are known and the one behind them that is not; then the end."""
    other = request(b"3", extra="X-Other: 1\r\n")
    publisher.send_last(request(b"1") + request(b"2") + other)
    for _ in range(3):
        assert 200 == (await publisher.answer())[0]
    assert b"" == await publisher.ended()
    assert ["0", "1", "2", "3"] == await stored(node)


async def test_half_a_publish_and_no_more_is_nothing(node: RunningNode) -> None:
    """Its connection ends at once, and nothing is stored."""
    for known in (False, True):
        publisher = await Publisher.connect(node)
        if known:
            publisher.send(request(b"0"))
            assert 200 == (await publisher.answer())[0]
        publisher.send_last(request(b"12345")[:-1])
        assert b"" == await publisher.ended()
        publisher.close()
    assert ["0"] == await stored(node)
