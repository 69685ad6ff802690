"""Pages of other origins, and the methods beside GET: OPTIONS, HEAD, everything else."""

from __future__ import annotations

import pytest

from broker.core.cursor import Cursor
from tests.support.node import running_node
from tests.support.subscribers import UPGRADE
from tests.support.target import Target
from tests.support.wire import subscription

PAGE = "https://page.example"
OTHER = "https://other.example"
MODES = ("longpoll", "shortpoll", "eventsource", "sse")


@pytest.mark.parametrize("mode", [*MODES, "websocket"])
async def test_a_preflight_is_answered_without_a_token(target: Target, app: str, mode: str) -> None:
    """OPTIONS names the methods and the request headers that pages may use."""
    async with target.connect() as http:
        answer = await http.ask(
            f"/{mode}/conversation.{app}",
            {
                "Origin": PAGE,
                "Access-Control-Request-Method": "GET",
                "Access-Control-Request-Headers": "authorization, if-none-match",
            },
            method="OPTIONS",
        )
    assert answer.status in (200, 204)
    assert "*" == answer.headers["Access-Control-Allow-Origin"]
    assert "GET" in answer.headers["Access-Control-Allow-Methods"].split(", ")
    allowed = {
        name.strip().lower() for name in answer.headers["Access-Control-Allow-Headers"].split(",")
    }
    assert {"authorization", "if-none-match", "if-modified-since", "last-event-id"} <= allowed
    assert int(answer.headers["Access-Control-Max-Age"]) > 0


async def test_listed_origins_are_named_back_and_others_are_not() -> None:
    """With a list of origins, an answer allows the page that asked, or nobody."""
    async with running_node(allowed_origins=(PAGE,)) as node:
        await node.publish("a", 1)
        for cursor in (None, Cursor(1, 1)):
            wanted = subscription("shortpoll", ["a"], cursor)
            answer = await node.ask(wanted, {"Origin": PAGE})
            assert PAGE == answer.headers["Access-Control-Allow-Origin"]
            assert "Origin" == answer.headers["Vary"]
            assert "ETag" in answer.headers["Access-Control-Expose-Headers"]
            for headers in ({"Origin": OTHER}, {}):
                answer = await node.ask(wanted, headers)
                assert "Access-Control-Allow-Origin" not in answer.headers
        async with node.connect() as http:
            for origin, allowed in ((PAGE, PAGE), (OTHER, None)):
                answer = await http.ask("/longpoll/a", {"Origin": origin}, method="OPTIONS")
                assert allowed == answer.headers.get("Access-Control-Allow-Origin")


async def test_answers_for_one_origin_never_reach_another() -> None:
    """Pages of two origins that wait for the same message each get their own name."""
    async with running_node(allowed_origins=(PAGE, OTHER)) as node:
        async with node.connect() as one, node.connect() as two, node.connect() as three:
            wanted = subscription("longpoll", ["a"], await node.now(["a"]))
            await one.send(wanted, {"Origin": PAGE})
            await two.send(wanted, {"Origin": OTHER})
            await three.send(wanted)
            await node.publish("a", 1)
            allowed = [
                (await http.answer()).headers.get("Access-Control-Allow-Origin")
                for http in (one, two, three)
            ]
        assert [PAGE, OTHER, None] == allowed


async def test_a_websocket_of_a_page_that_is_not_listed_is_refused() -> None:
    """A browser opens WebSockets to any site, so the broker looks at `Origin` itself: 403."""
    async with running_node(allowed_origins=(PAGE,)) as node:
        answer = await node.ask("/websocket/a", {**UPGRADE, "Origin": OTHER})
        assert (403, "Origin") == (answer.status, answer.problem["field"])
        for headers in (UPGRADE, {**UPGRADE, "Origin": PAGE}):
            async with node.connect() as http:
                assert 101 == (await http.ask("/websocket/a", headers)).status


async def test_a_cookie_may_carry_the_token_where_it_is_set() -> None:
    """The cookie of `token_cookie` counts as the token; without the setting it does not."""
    async with running_node(token_cookie="rts") as node:
        cookie = {"Cookie": f"a=b; rts={node.token(role='reader')}; c=d"}
        assert 304 == (await node.ask("/shortpoll/closed.a", cookie)).status
        wrong = {"Cookie": f"rts={node.token(role='nobody')}"}
        assert 403 == (await node.ask("/shortpoll/closed.a", wrong)).status
    async with running_node() as node:
        assert 401 == (await node.ask("/shortpoll/closed.a", cookie)).status


@pytest.mark.parametrize("mode", MODES)
async def test_head_answers_as_get_would_without_a_body(
    target: Target, app: str, mode: str
) -> None:
    """Status and headers of GET, at once, and the connection goes on."""
    channel, token = f"conversation.{app}", target.operator(app)
    before = await target.now([channel], token)
    await target.publish(channel, 1)
    wanted = subscription(mode, [channel], before, token)
    async with target.connect() as http:
        answer = await http.ask(wanted, method="HEAD")
        assert (200, b"") == (answer.status, answer.body)
        if mode.endswith("poll"):
            assert answer.cursor > before
            fresh = await http.ask(
                subscription(mode, [channel], answer.cursor, token), method="HEAD"
            )
            assert 304 == fresh.status, "not held"
        else:
            assert answer.headers["Content-Type"].startswith("text/event-stream")
        refusal = await http.ask(f"/{mode}/{channel}", method="HEAD")
        assert (401, b"") == (refusal.status, refusal.body)
        assert 200 == (await http.ask(wanted.replace(mode, "shortpoll", 1))).status


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE", "PURGE"])
@pytest.mark.parametrize("mode", [*MODES, "websocket"])
async def test_other_methods_are_405_and_told_what_there_is(
    target: Target, app: str, mode: str, method: str
) -> None:
    """405 with `Allow`; the body that came along is not taken for a request."""
    async with target.connect() as http:
        answer = await http.ask(
            f"/{mode}/conversation.{app}",
            method=method,
            body=b"GET /shortpoll/smuggled HTTP/1.1\r\nHost: x\r\n\r\n",
        )
        assert (405, "method") == (answer.status, answer.problem["field"])
        allowed = answer.headers["Allow"].split(", ")
        assert "GET" in allowed
        assert method not in allowed
        if "close" not in answer.headers.get("Connection", ""):
            wanted = subscription("shortpoll", [f"conversation.{app}"], None, target.operator(app))
            assert 304 == (await http.ask(wanted)).status


async def test_head_opens_no_websocket(target: Target, app: str) -> None:
    """A WebSocket is opened by GET alone: HEAD is 405, and `Allow` does not name it."""
    async with target.connect() as http:
        answer = await http.ask(f"/websocket/conversation.{app}", UPGRADE, method="HEAD")
    assert 405 == answer.status
    assert "HEAD" not in answer.headers["Allow"].split(", ")
