"""Any request at any mount: an answer that is whole and safe, and a connection in step."""

from __future__ import annotations

from contextlib import AsyncExitStack
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote
import asyncio

from hypothesis import given
from hypothesis import strategies as st

from tests.support.node import RunningNode, running_node
from tests.support.wire import Answer

RULES = Path(__file__).parents[1] / "conformance" / "pushstream_module" / "channels.yaml"

MOUNTS = (
    *("/m/shortpoll", "/raw/shortpoll", "/raw/jsonp", "/quoted", "/parts", "/framed/shortpoll"),
    *("/json", "/arg/shortpoll", "/fixed", "/own", "/some", "/short", "/authorized", "/arguments"),
    *("/shortpoll", "/m/longpoll", "/body-timeout", "/nowhere", "/m/stream", "/m/eventsource"),
    *("/m/websocket", "/page"),
)
HELD = ("/m/longpoll", "/body-timeout")
FOREVER = ("/m/stream", "/m/eventsource", "/m/websocket", "/page")
EPOCH = "Thu, 01 Jan 1970 00:00:00 GMT"
NASTY = (
    *("<script>", "\"'", "a\r\nX: y", "\0", "é", "a.b3", "ALL", "*", "broad_1", "..", "%"),
    "x" * 80,
)
TEXT = st.sampled_from(NASTY) | st.text(max_size=6)
VALUE = st.one_of(st.sampled_from(["0", "1", "W/1", '"1"', "x", "", EPOCH, "1", "cb", "a.b"]), TEXT)
NAMES = ("tag", "time", "callback", "channels", "since", "rank", "last", "notices", "_", "TAG")
HEADERS = {
    "If-None-Match": ("*", "W/1", '"1"', "W/0"),
    "If-Modified-Since": (EPOCH, "x"),
    "If-Match": ("*", '"x"'),
    "Range": ("bytes=0-0",),
    "Last-Event-ID": ("0-0", "x", "1:W/1"),
    "Accept-Encoding": ("gzip", "deflate", "gzip;q=0, *", "x"),
    "Accept": ("text/event-stream", "*/*"),
    "X-Nginx-PushStream-Mode": ("polling", "x"),
    "Origin": ("https://page.test", "null"),
}
STATUSES = {200, 304, 400, 401, 403, 404, 405}


class Request(NamedTuple):
    """A request, and what stands in it."""

    mount: str
    target: str
    headers: dict[str, str]
    method: str


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """Make a request that is answered at once."""
    mount = draw(st.sampled_from(MOUNTS))
    names = draw(st.lists(TEXT | st.sampled_from(["a", "a", "b"]), max_size=4))
    pairs = draw(st.lists(st.tuples(st.sampled_from(NAMES), VALUE), max_size=5))
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in pairs)
    path = "/".join(quote(name, safe="") for name in names)
    chosen = draw(st.lists(st.sampled_from(sorted(HEADERS)), unique=True, max_size=4))
    headers = {name: draw(st.sampled_from(HEADERS[name])) for name in chosen}
    held = mount in HELD or mount in FOREVER or headers.get("X-Nginx-PushStream-Mode") == "polling"
    method = "HEAD" if held else draw(st.sampled_from(["GET", "GET", "HEAD"]))
    return Request(
        mount, f"{mount}/{path}?{query}" if names else f"{mount}?{query}", headers, method
    )


def check(request: Request, answer: Answer) -> None:
    """Compare an answer to what every answer must be."""
    assert answer.status in STATUSES, (request, answer)
    assert "nosniff" == answer.headers["X-Content-Type-Options"], answer
    assert "no-cache, no-store, must-revalidate" == answer.headers["Cache-Control"], answer
    if answer.status == HTTPStatus.NOT_MODIFIED:
        assert "Content-Length" not in answer.headers, answer
        assert "Transfer-Encoding" not in answer.headers, answer
    elif answer.status == HTTPStatus.OK:
        kind = answer.headers["Content-Type"]
        assert kind.startswith(KINDS), answer
        if request.mount not in FOREVER:
            assert answer.cursor
    else:
        assert "application/problem+json" == answer.headers["Content-Type"]
    for value in answer.headers.values():
        assert value.isprintable()


KINDS = (
    *("text/plain; charset=utf-8", "application/json", "application/javascript; charset=utf-8"),
    *("multipart/mixed; boundary=", "text/event-stream; charset=utf-8", "text/html; charset=utf-8"),
)


def test_whatever_is_asked_the_answer_is_whole_and_the_next_one_is_right() -> None:
    """Statuses of the table, fixed types, `nosniff`, no body with 304, connections in step."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        rules = RULES.read_text(encoding="utf-8")
        node = runner.run(stack.enter_async_context(running_node(channels=rules)))

        async def ask(node: RunningNode, request: Request) -> tuple[Answer, Answer]:
            async with node.connect() as http:
                answer = await http.ask(request.target, request.headers, method=request.method)
                if answer.headers.get("Connection", "").lower() == "close":
                    return answer, await node.ask("/shortpoll/in-step")
                return answer, await http.ask("/shortpoll/in-step")

        @given(requests())
        def hold(request: Request) -> None:
            answer, following = runner.run(ask(node, request))
            check(request, answer)
            assert (304, b"") == (following.status, following.body), (request, answer, following)

        try:
            for name in ("a", "b"):
                for body in ("x", {"a": "</script>"}, "long " * 100):
                    runner.run(node.publish(name, body))
            hold()
            runner.run(node.publish("a", "still"))
        finally:
            runner.run(stack.aclose())
