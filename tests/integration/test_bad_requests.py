"""Bad requests to the internal listener: each refused, and the next one served."""

from __future__ import annotations

from collections.abc import AsyncIterator
import json
import random

import pytest

from broker.store.base import ChannelInfo
from broker.store.memory import MemoryStore
from tests.support.node import RunningNode, running_node
from tests.support.wire import Http, connected

CHANNELS = """\
channels:
  - {name: "chat.{id}", subscribe: public}
"""
MAX_BODY_BYTES = 4096
ALIVE = {"status": "alive"}


@pytest.fixture
async def node() -> AsyncIterator[RunningNode]:
    """Run a node with a small limit on bodies."""
    async with running_node(channels=CHANNELS, max_body_bytes=MAX_BODY_BYTES) as running:
        yield running


async def serves(http: Http) -> bool:
    """Tell whether the connection, and the node behind it, go on."""
    answer = await http.ask("/healthz")
    return answer.status == 200 and json.loads(answer.body) == ALIVE


@pytest.mark.parametrize(
    ("method", "target", "status", "told"),
    [
        ("GET", "/publsh/a", 404, {"nearest": "/publish", "field": "path"}),
        ("POST", "http://127.0.0.1/nothing", 404, {"field": "path"}),
        ("OPTIONS", "*", 404, {"field": "path"}),
        ("GET", "/publish/a", 405, {"field": "method"}),
        ("PATCH", "/channels/chat.1", 405, {"field": "method"}),
        ("GET", "/channels?limit=0", 400, {"field": "limit", "limit": 1000}),
        ("GET", "/channels?limit=1&limit=2", 400, {"field": "limit"}),
        ("GET", "/channels?prefx=a", 400, {"field": "prefx", "nearest": "prefix"}),
        ("GET", "/channels?" + "&".join("abcdefghijklmnopqr"), 400, {"limit": 16}),
        ("GET", "/channels/chat.1?x=1", 400, {"field": "x"}),
        ("GET", "/channels/chat.1/messages?after=yesterday", 400, {"field": "after"}),
        ("GET", "/channels/chat.1/messages?limit=1001", 400, {"field": "limit"}),
        ("GET", "/channels/a/b", 400, {"field": "channels"}),
        ("GET", "/channels/%2a", 400, {"field": "channels"}),
        ("GET", "/" + "x" * 40_000, 400, {"title": "Malformed request"}),
    ],
)
async def test_what_is_wrong_is_named(
    http: Http, method: str, target: str, status: int, told: dict[str, object]
) -> None:
    """Unknown paths, methods and parameters are refused with what would be right."""
    answer = await http.ask(target, method=method)
    assert status == answer.status
    assert told == {name: answer.problem[name] for name in told}
    assert ("Allow" in answer.headers) == (status == 405)


async def test_whole_urls_are_read(http: Http) -> None:
    """A proxy may name the whole URL."""
    answer = await http.ask(f"http://{http.host}/healthz")
    assert ALIVE == json.loads(answer.body)


async def test_head_has_the_length_and_no_body(http: Http) -> None:
    """HEAD is answered as GET, without the body; the connection goes on."""
    answer = await http.ask("/healthz", method="HEAD")
    assert (200, b"") == (answer.status, answer.body)
    assert await serves(http)


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nBad Header: 1\r\n\r\n",
        b"POST /publish/a HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /publish/a HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nX-Api-Key: key\x00of\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_refused(http: Http, data: bytes) -> None:
    """What cannot be read gets a problem document that repeats nothing of it, and is closed."""
    await http.send_bytes(data)
    answer = await http.answer()
    assert 400 == answer.status
    assert "key" not in answer.problem["detail"]
    assert b"" == await http.ended()


async def test_an_announced_body_that_is_too_large_is_not_read(http: Http) -> None:
    """The refusal comes before a byte of the body, names the limit, and ends the connection."""
    length = f"Content-Length: {MAX_BODY_BYTES + 1}"
    head = f"POST /publish/chat.1 HTTP/1.1\r\nHost: localhost\r\n{length}\r\n\r\n"
    await http.send_bytes(head.encode())
    answer = await http.answer()
    assert (413, MAX_BODY_BYTES) == (answer.status, answer.problem["limit"])
    assert "close" == answer.headers["Connection"].lower()


async def test_a_body_that_grows_too_large_is_not_kept(http: Http) -> None:
    """A body in chunks is refused as soon as it passes the limit, however long it goes on."""
    await http.send_bytes(
        b"POST /publish/chat.1 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    chunk = b"400\r\n%b\r\n" % (b"x" * 1024)
    for _ in range(MAX_BODY_BYTES // 1024 + 1):
        await http.send_bytes(chunk)
    answer = await http.answer()
    assert (413, MAX_BODY_BYTES) == (answer.status, answer.problem["limit"])


async def test_a_body_of_exactly_the_limit_is_taken(http: Http) -> None:
    """The limit itself is allowed, and the connection goes on."""
    body = b'"%b"' % (b"x" * (MAX_BODY_BYTES - 2))
    assert 200 == (await http.ask("/publish/chat.1", method="POST", body=body)).status
    assert await serves(http)


async def test_a_client_that_waits_is_told_to_go_on(http: Http) -> None:
    """`Expect: 100-continue` gets its 100 where the body will be read, else the refusal alone."""
    head = (
        "POST /publish/{} HTTP/1.1\r\nHost: localhost\r\n"
        "Content-Length: 1\r\nExpect: 100-continue\r\n\r\n"
    )
    await http.send_bytes(head.format("chat.1").encode())
    assert 100 == (await http.head()).status
    await http.send_bytes(b"1")
    assert 200 == (await http.answer()).status
    await http.send_bytes(head.format("chats.1").encode())
    assert 404 == (await http.answer()).status


@pytest.mark.jumping
async def test_a_body_that_dawdles_is_refused(http: Http) -> None:
    """A body that does not arrive in time gets 408, and the connection ends."""
    await http.send_bytes(
        b"POST /publish/chat.1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n12"
    )
    answer = await http.answer()
    assert (408, "urn:broker:error:body-timeout") == (answer.status, answer.problem["type"])
    assert b"" == await http.ended()


async def test_chunks_that_cannot_be_read_are_refused(http: Http) -> None:
    """A body whose chunks are broken is refused, and nothing is stored."""
    await http.send_bytes(
        b"POST /publish/chat.1 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"1\r\n1\r\nxyz\r\n\r\n"
    )
    assert 400 == (await http.answer()).status


@pytest.mark.jumping
async def test_chunks_that_break_off_are_refused(http: Http) -> None:
    """A body that was begun well and goes on badly never ends, so it is refused as too slow."""
    head = "POST /publish/chat.1 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
    await http.send_bytes(f"{head}Expect: 100-continue\r\n\r\n".encode())
    assert 100 == (await http.head()).status
    await http.send_bytes(b"1\r\n1\r\nxyz\r\n\r\n")
    assert 408 == (await http.answer()).status
    await http.ended()


async def test_a_client_that_goes_is_forgotten(node: RunningNode, http: Http) -> None:
    """A client that goes in the middle of its body leaves nothing, and nothing is logged."""
    head = "POST /publish/chat.1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n"
    await http.send_bytes(f"{head}Expect: 100-continue\r\n\r\n".encode())
    assert 100 == (await http.head()).status
    http.cut()
    async with connected(node.internal) as other:
        assert 200 == (await other.ask("/publish/chat.1", method="POST", body=b"1")).status
        assert 1 == json.loads((await other.ask("/channels/chat.1")).body)["last_id"]


class Failing(MemoryStore):
    """A store that breaks in a way that nobody foresaw."""

    async def info(self, tenant: str, channel: str) -> ChannelInfo | None:
        """Fail."""
        raise RuntimeError("unforeseen")


async def test_a_mistake_of_ours_shows_its_id_alone(caplog: pytest.LogCaptureFixture) -> None:
    """The answer to a failure has an id, under which the log has the failure itself."""
    running = running_node(Failing(), channels=CHANNELS)
    async with running as node, connected(node.internal) as http:
        answer = await http.ask("/channels/chat.1")
        assert 500 == answer.status
        assert "unforeseen" not in answer.body.decode()
        request_id = answer.problem["instance"].removeprefix("urn:broker:request:")
        assert request_id in caplog.text
        assert "unforeseen" in caplog.text
        assert await serves(http)


async def test_any_requests_leave_it_serving(node: RunningNode) -> None:
    """Whatever bytes are sent, each connection gets answers or an end, and the next is served."""
    words = [
        *(b"POST", b"GET", b" ", b"/publish/", b"chat.1", b"/channels", b"?", b"=", b"%", b"\r\n"),
        *(b"HTTP/1.1", b"Host: localhost", b"Content-Length: 3", b"Transfer-Encoding: chunked"),
        *(b"Content-Type: application/x-ndjson", b'{"channel":', b"\x00", b"\xff", b"5\r\n"),
        *(b"Idempotency-Key: ", b"Expect: 100-continue", b"Upgrade: websocket", b"Connection: "),
    ]
    chance = random.Random(2)
    good = b"POST /publish/chat.1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n1"
    for _ in range(150):
        noise = b"".join(chance.choices(words, k=chance.randrange(1, 30)))
        if chance.random() < 0.5:
            at = chance.randrange(len(good))
            noise = good[:at] + noise + good[at:]
        async with connected(node.internal) as http:
            await http.send_bytes(noise)
            http.writer.write_eof()
            await http.ended()
    async with connected(node.internal) as http:
        assert 200 == (await http.ask("/publish/chat.1", method="POST", body=b"1")).status
