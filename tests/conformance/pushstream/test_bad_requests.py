"""Any malformed request: its status by design.md section 8, what is wrong, nothing left behind."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import NamedTuple, TypeVar
from urllib.parse import quote
import asyncio

from hypothesis import given
from hypothesis import strategies as st

from tests.support.node import RunningNode, running_node
from tests.support.subscribers import UPGRADE
from tests.support.tokens import SECRET, hmac_key
from tests.support.waiting import eventually
from tests.support.wire import Answer, subscription

T = TypeVar("T")

GOOD = hmac_key().mint(None, role="reader")
STRANGER = hmac_key().mint(None, role="stranger")
DATE = "Sat%2C%2014%20Nov%202015%2015%3A51%3A54%20GMT"
PAGE = "https://page.example"

MODES = st.sampled_from(["shortpoll", "longpoll", "eventsource", "sse", "stream", "websocket"])
SEGMENTS = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_", min_size=1, max_size=8)
NAMES = SEGMENTS.map(lambda text: f"closed.{text}")


class Bad(NamedTuple):
    """
    A request that must be refused, and how.

    Attributes:
        target: Path and query.
        headers: Headers of the request.
        status: The status that it must get.
        field: What the problem body must name, or empty where it names none.
    """

    target: str
    headers: dict[str, str]
    status: int
    field: str


def upgrading(mode: str) -> dict[str, str]:
    """Return the headers without which a mode is not served."""
    return dict(UPGRADE) if mode == "websocket" else {}


@st.composite
def bad_lists(draw: st.DrawFn) -> Bad:
    """Make a channel list with one name that cannot be a channel, at any place."""
    mode = draw(MODES)
    names = [quote(name, safe="") for name in draw(st.lists(NAMES, max_size=4))]
    control = st.integers(0, 31).map(lambda code: f"a%{code:02X}b")
    not_utf8 = st.sampled_from(["%FF", "a%C3", "%ED%A0%80", "%C0%80"])
    bad_escape = st.sampled_from(["%", "a%2", "%zz", "%%", "100%"])
    forbidden = st.sampled_from(["ALL", "*", "a*", "closed.*", "%2A", "%E2%80%A8", "x" * 257])
    wrong = draw(st.one_of(control, not_utf8, bad_escape, forbidden, st.just("/a")))
    names.insert(draw(st.integers(0, len(names))), wrong)
    return Bad(f"/{mode}/{'/'.join(names)}?auth_token={GOOD}", upgrading(mode), 400, "channels")


@st.composite
def long_lists(draw: st.DrawFn) -> Bad:
    """Make a list of more than fifty different channels."""
    mode = draw(MODES)
    count = draw(st.integers(51, 80))
    names = [f"closed.{number}" for number in range(count)]
    return Bad(subscription(mode, names, None, GOOD), upgrading(mode), 400, "channels")


@st.composite
def bad_tags(draw: st.DrawFn) -> Bad:
    """Make a cursor whose time can be read and whose tag cannot."""
    mode, name = draw(MODES), draw(NAMES)
    digits = st.integers(0, 10**6).map(str)
    tag = draw(
        st.one_of(
            digits.map(lambda text: f"-{text}"),
            digits.map(lambda text: f"{text}.5"),
            digits.map(lambda text: f"w/{text}"),
            digits.map(lambda text: f'W/"{text}'),
            digits.map(lambda text: f"{text}\u0663"),
            st.text("abcxyz", min_size=1, max_size=9).filter(lambda text: text != "null"),
            st.integers(10**18, 10**30).map(str),
        )
    )
    target = f"/{mode}/{name}?auth_token={GOOD}&time={DATE}&tag={quote(tag, safe='')}"
    return Bad(target, upgrading(mode), 400, "tag")


@st.composite
def bad_tokens(draw: st.DrawFn) -> Bad:
    """Make a token that differs from a good one, in whatever place it is sent."""
    mode, name = draw(MODES), draw(NAMES)
    alphabet = "ABCabc019-_"
    at = draw(st.integers(0, len(GOOD) - 2))
    put = draw(st.sampled_from(alphabet).filter(lambda char: char != GOOD[at]))
    token = draw(
        st.one_of(
            st.just(GOOD[:at] + put + GOOD[at + 1 :]),
            st.just(GOOD[: at + 1]),
            st.just(GOOD + "." + put),
            st.text(alphabet + ".", min_size=1, max_size=80),
            st.just(hmac_key(SECRET + "x").mint(None, role="reader")),
            st.integers(1, 10**6).map(lambda ago: hmac_key().mint(-ago, role="reader")),
        )
    )
    headers = upgrading(mode)
    target = f"/{mode}/{name}"
    if draw(st.booleans()):
        headers["Authorization"] = f"Bearer {token}"
    else:
        target += f"?auth_token={token}"
    return Bad(target, headers, 401, "")


@st.composite
def forbidden(draw: st.DrawFn) -> Bad:
    """Make a request for channels none of which the token may read."""
    mode, names = draw(MODES), draw(st.lists(NAMES, min_size=1, max_size=5))
    return Bad(subscription(mode, names, None, STRANGER), upgrading(mode), 403, "channels")


@st.composite
def bad_handshakes(draw: st.DrawFn) -> Bad:
    """Make a handshake with one header missing or wrong."""
    name = draw(st.sampled_from(sorted(UPGRADE)))
    wrong = {
        "Upgrade": ["h2c", "web socket", ""],
        "Connection": ["close", "keep-alive", ""],
        "Sec-WebSocket-Version": ["12", "8", "13, 13", "x", ""],
        "Sec-WebSocket-Key": ["", "x", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZQ==", "====", "é"],
    }
    headers = dict(UPGRADE)
    value = draw(st.sampled_from([None, *wrong[name]]))
    if value is None:
        del headers[name]
    else:
        headers[name] = value
    needs_upgrade = name == "Upgrade" or (name == "Sec-WebSocket-Version" and value is not None)
    target = subscription("websocket", [draw(NAMES)], None, GOOD)
    return Bad(target, headers, 426 if needs_upgrade else 400, name)


@st.composite
def long_queries(draw: st.DrawFn) -> Bad:
    """Make a query with far too many parameters."""
    mode, name = draw(MODES), draw(NAMES)
    query = "&".join(f"p{number}=1" for number in range(draw(st.integers(64, 120))))
    return Bad(f"/{mode}/{name}?auth_token={GOOD}&{query}", upgrading(mode), 400, "query")


@st.composite
def bad_paths(draw: st.DrawFn) -> Bad:
    """Make a path whose first segment is no way in."""
    known = {"shortpoll", "longpoll", "eventsource", "sse", "stream", "websocket"}
    mode = draw(SEGMENTS.filter(lambda text: text not in known))
    return Bad(f"/{mode}/{draw(NAMES)}?auth_token={GOOD}", {}, 404, "path")


BAD = st.one_of(
    *(bad_lists(), long_lists(), bad_tags(), bad_tokens(), forbidden()),
    *(bad_handshakes(), long_queries(), bad_paths()),
)


def with_node(test: Callable[[asyncio.Runner, RunningNode], T]) -> T:
    """Run a test that throws many requests at one node, on one loop."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        node = runner.run(stack.enter_async_context(running_node(allowed_origins=(PAGE,))))
        try:
            return test(runner, node)
        finally:
            runner.run(stack.aclose())


def listened(node: RunningNode) -> list[str]:
    """Return the channels that the node has begun to listen to."""
    return [name for tenant in node.node.hub.tenants for name in tenant.channels]


async def serves(node: RunningNode) -> bool:
    """Tell whether a good request is served still."""
    stored = await node.publish("fine", "hello")
    answer = await node.poll(["fine"], stored.cursor._replace(time=stored.cursor.time - 1))
    return "hello" in [envelope.message for envelope in answer.envelopes]


def test_every_malformed_request_is_refused_and_leaves_nothing() -> None:
    """The status of section 8, the field at fault, no session, no channel; twice in a row."""

    def throw(runner: asyncio.Runner, node: RunningNode) -> None:
        @given(BAD)
        def refuse(bad: Bad) -> None:
            for _ in range(2):
                answer: Answer = runner.run(node.ask(bad.target, bad.headers))
                assert bad.status == answer.status, (bad, answer)
                assert bad.field == (answer.problem.get("field", "") if bad.field else "")
                assert answer.problem["meta"]["status"] == bad.status
                assert answer.problem["detail"] == answer.problem["meta"]["error_message"]
                assert answer.headers["X-Nginx-PushStream-Explain"]
                assert 0 == node.sessions
                assert [] == [name for name in listened(node) if name.startswith("closed")]

        refuse()
        assert runner.run(serves(node))

    with_node(throw)


def test_any_bytes_leave_the_broker_serving() -> None:
    """Arbitrary bytes, alone and in the middle of requests: it answers or closes, and goes on."""
    good = b"GET /shortpoll/a?time=1&tag=1 HTTP/1.1\r\nHost: x\r\n\r\n"

    def throw(runner: asyncio.Runner, node: RunningNode) -> None:
        async def send(data: bytes) -> None:
            async with node.connect() as http:
                await http.send_bytes(data)
                http.writer.write_eof()
                await http.ended()

        @given(st.binary(max_size=200), st.integers(0, len(good)), st.integers(0, len(good)))
        def survive(data: bytes, one: int, other: int) -> None:
            first, last = sorted((one, other))
            runner.run(send(data))
            runner.run(send(good[:first] + data + good[last:]))

        survive()
        assert runner.run(serves(node))
        runner.run(eventually(lambda: node.sessions == 0, what="nobody stays attached"))

    with_node(throw)
