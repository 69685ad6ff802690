"""What clients say comes back in heads, events and lines of JSON, and never breaks out of them."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import quote
import gzip
import json

import pytest

from broker.core.frames.deflate import deflate
from tests.support.frames import TEXT, client_frame
from tests.support.node import RunningNode, running_node
from tests.support.subscribers import UPGRADE, upgrade
from tests.support.target import publish
from tests.support.wire import Answer, Http, connected, waiting

BREAKS = ("\r\n", "\n", "\r", "\0", "\u2028", "\u0085", "\x0b", "\x1c", "\r\n\r\n")
"""What ends a line somewhere: in HTTP, in event streams, in JavaScript, in Python."""

INJECTED = "X-Injected: yes"


async def raw_head(http: Http, data: bytes) -> bytes:
    """Send bytes and return the head of the answer as it came; empty where there is none."""
    with suppress(EOFError, ConnectionError):
        await http.send_bytes(data)
        async with waiting():
            return await http.reader.readuntil(b"\r\n\r\n")
    return b""


def check_head(head: bytes) -> None:
    """Check that every line of a head is one of ours: nothing was put between them."""
    assert head.startswith(b"HTTP/1."), head
    lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    assert not any(line.lower().startswith(b"x-injected") for line in lines), head
    assert not any(mark in line for line in lines for mark in (b"\r", b"\n", b"\0")), head


@pytest.mark.parametrize("mark", BREAKS, ids=repr)
@pytest.mark.parametrize("listener", ["public", "internal"])
async def test_names_in_paths_split_no_answer(node: RunningNode, listener: str, mark: str) -> None:
    """A channel's name, percent-encoded, is told in headers and bodies of refusals, harmlessly."""
    name = quote(f"a{mark}{INJECTED}{mark}", safe="")
    targets = (
        [f"/{mode}/{name}" for mode in ("longpoll", "shortpoll", "eventsource", "websocket")]
        + [f"/shortpoll/a?tag={name}&time=Sat%2C%2014%20Nov%202015%2015%3A51%3A54%20GMT"]
        + [f"/{name}", f"/shortpoll/a?auth_token={name}&notices={name}"]
        if listener == "public"
        else [f"/publish/{name}", f"/channels/{name}", f"/channels?prefix={name}", f"/x?{name}=1"]
    )
    for target in targets:
        for method in ("GET", "POST"):
            async with connected(getattr(node, listener)) as http:
                request = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\n"
                check_head(await raw_head(http, f"{request}Content-Length: 0\r\n\r\n".encode()))


@pytest.mark.parametrize("mark", BREAKS, ids=repr)
async def test_headers_that_are_told_back_split_no_answer(node: RunningNode, mark: str) -> None:
    """Origin, validators, keys and ids: what cannot stand in a header is refused."""
    value = f"a{mark}{INJECTED}".encode()
    for name in (b"Origin", b"If-None-Match", b"Last-Event-ID", b"Sec-WebSocket-Protocol"):
        async with connected(node.public) as http:
            head = b"GET /shortpoll/a HTTP/1.1\r\nHost: localhost\r\n%b: %b\r\n\r\n"
            said = await raw_head(http, head % (name, value))
            if b"\r\n" not in value:  # else it is another header, of the client's own
                check_head(said)
    for name in (b"Event-Id", b"Event-Type", b"Idempotency-Key", b"X-Tenant", b"If-Match"):
        async with connected(node.internal) as http:
            head = b"POST /publish/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n"
            said = await raw_head(http, head + b"%b: %b\r\n\r\n1" % (name, value))
            if b"\r\n" not in value:
                check_head(said)


@pytest.mark.parametrize("mark", BREAKS, ids=repr)
@pytest.mark.parametrize("member", ["event_id", "event_type"])
async def test_events_cannot_be_forged_by_their_ids(
    node: RunningNode, member: str, mark: str
) -> None:
    """An id or a type that would end a line of an event stream is refused with the batch (P6)."""
    item = {"channel": "a", "message": 1, member: f"x{mark}data: forged"}
    async with node.connect_internal() as http:
        answer = await http.ask("/publish", method="POST", body=json.dumps([item]).encode())
    assert (400, member) == (answer.status, answer.problem["field"])


async def test_payloads_stay_one_line_of_data(node: RunningNode) -> None:
    """Whatever ends a line within a message, an event of the stream is one line of JSON."""
    message = f"a{''.join(BREAKS)}data: forged{''.join(BREAKS)}event: forged"
    async with node.events(["a"]) as events, node.websocket(["a"]) as websocket:
        async with node.connect_internal() as http:
            await publish(http, "a", message, {"Event_Type": "data"})
        event = await events.event()
        assert ("data", message) == (event.kind, event.envelope.message)
        assert message == (await websocket.envelope()).message
    [envelope] = (await node.poll(["a"], event.cursor._replace(tag=0))).envelopes
    assert message == envelope.message


# --- bodies that are more than they seem ---------------------------------------------------


@pytest.mark.parametrize(
    "coding", ["gzip", "GZIP", "deflate", "br", "zstd", "gzip, gzip", "x-gzip"]
)
async def test_compressed_bodies_are_refused_unread(node: RunningNode, coding: str) -> None:
    """A few bytes that stand for many (a zip bomb) are never unpacked."""
    bomb = gzip.compress(b"[" + b"0," * 5_000_000 + b"0]")
    async with node.connect_internal() as http:
        for target in ("/publish/a", "/publish", "/revoke"):
            answer = await http.ask(target, {"Content-Encoding": coding}, method="POST", body=bomb)
            assert (415, "Content-Encoding") == (answer.status, answer.problem["field"])


async def test_compressed_frames_are_not_unpacked_beyond_the_limit(node: RunningNode) -> None:
    """A client that sends few bytes that stand for many is closed with 1009."""
    async with node.connect() as http:
        offer = {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}
        websocket = await upgrade(http, "/websocket/a", offer)
        assert "Sec-WebSocket-Extensions" in websocket.answer.headers
        bomb = deflate(b" " * 10_000_000)
        await http.send_bytes(client_frame(TEXT, bomb, reserved=4))
        frame = await websocket.frame()
        assert 1009 == int.from_bytes(frame.payload[:2])


@pytest.mark.parametrize("where", ["query", "header", "cookie", "frame"])
async def test_tokens_that_are_too_long_are_refused_unread(where: str) -> None:
    """Wherever they come, at any length, without a signature being looked at."""
    async with running_node(token_cookie="rts", max_token_bytes=1024) as node:
        verified = node.node.meters.connecting.tokens.of("verified")
        good = node.token(role="reader")
        async with node.websocket(["closed.a"], None, good) as websocket:
            [before] = [row.values[0] for row in verified.rows()]
            for length in (1025, 5000, 100_000):
                long = good + "A" * (length - len(good))
                if where == "frame":
                    if length > 16_000:
                        continue  # beyond the limit of frames, of which there is a test
                    await websocket.send(TEXT, json.dumps({"auth_token": long}).encode())
                    assert 401 == json.loads(await websocket.text())["error"]["status"]
                    break  # a token a second
                answer = await _ask_with(node, where, long)
                assert answer is None or answer.status in (400, 401)
        assert [before] == [row.values[0] for row in verified.rows()]


async def _ask_with(node: RunningNode, where: str, token: str) -> Answer | None:
    """Send a token; None where the connection is closed over it."""
    target = "/shortpoll/closed.a" + (f"?auth_token={token}" if where == "query" else "")
    headers = {"header": {"Authorization": f"Bearer {token}"}, "cookie": {"Cookie": f"rts={token}"}}
    with suppress(EOFError, ConnectionError):
        return await node.ask(target, headers.get(where, {}))
    return None


# --- pages of other sites ------------------------------------------------------------------


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8081", "127.0.0.1.evil.example"])
async def test_a_known_publish_under_another_host_is_refused(node: RunningNode, host: str) -> None:
    """Also on a connection whose publishes are taken without parsing (DNS rebinding)."""
    async with node.connect_internal() as http:
        for _ in range(3):
            assert 200 == (await http.ask("/publish/a", method="POST", body=b"1")).status
        http.host = host
        answer = await http.ask("/publish/a", method="POST", body=b"1")
        assert (403, "Host") == (answer.status, answer.problem["field"])
        http.host = "localhost"
        origin = {"Origin": "https://evil.example"}
        answer = await http.ask("/publish/a", origin, method="POST", body=b"1")
        assert (403, "Origin") == (answer.status, answer.problem["field"])


@pytest.mark.parametrize("target", ["/publish/a", "/channels/a", "/metrics", "/revoke", "/stats"])
async def test_no_preflight_of_the_internal_listener_succeeds(
    node: RunningNode, target: str
) -> None:
    """No page may send what a form could not: other methods, types or headers."""
    asked = {
        "Origin": "https://evil.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type, x-api-key",
    }
    async with node.connect_internal() as http:
        answer = await http.ask(target, asked, method="OPTIONS")
    assert 403 == answer.status
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]


SCRIPTS = """\
channels:
  - {name: "closed.{a}", subscribe: [{role: reader}]}
mounts:
  - {path: /poll, mode: shortpoll, jsonp: true}
"""


async def test_a_script_is_no_use_for_a_cookie() -> None:
    """Any page may load an answer as its script, with the cookie; so that one does not count."""
    async with running_node(channels=SCRIPTS, token_cookie="rts") as node:
        token = node.token(role="reader")
        cookie = {"Cookie": f"rts={token}"}
        for query in ("callback=f", "%63allback=f", "Callback=f&notices=gap"):
            assert 401 == (await node.ask(f"/poll/closed.a?{query}", cookie)).status
        assert 304 == (await node.ask("/poll/closed.a", cookie)).status
        told = await node.ask(f"/poll/closed.a?callback=f&auth_token={token}")
        assert 200 == told.status
        assert "javascript" in told.headers["Content-Type"]


async def test_a_known_websocket_of_another_page_is_refused() -> None:
    """The origin is looked at however often the same handshake was good without it."""
    async with running_node(allowed_origins=("https://example.com",)) as node:
        for origin, status in (
            *[("https://example.com", 101)] * 3,
            ("https://evil.example", 403),
            ("https://example.com.evil.example", 403),
            ("http://example.com", 403),
            ("null", 403),
        ):
            async with node.connect() as http:
                answer = await http.ask("/websocket/a", {**UPGRADE, "Origin": origin})
                assert status == answer.status, origin


@pytest.mark.parametrize("mode", ["shortpoll", "websocket", "eventsource"])
async def test_refusals_are_explained_in_plain_characters(node: RunningNode, mode: str) -> None:
    """Whatever a name holds, the header is visible ASCII and the body says the rest."""
    async with node.connect() as http:
        for name in ("%E2%82%AC*", "%C3%BC%0D%0AX:%20y", "%F0%9F%98%80/*"):
            await http.send(f"/{mode}/{name}", UPGRADE if mode == "websocket" else {})
            answer = await http.answer()
            assert 400 == answer.status
            told = answer.headers["X-Nginx-PushStream-Explain"]
            assert told.isascii()
            assert told.isprintable()
            assert len(told) == len(answer.problem["detail"])
