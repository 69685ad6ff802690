"""What the console is made of: sessions, nodes, explaining and making tokens, and its files."""

from __future__ import annotations

from typing import Any
import json

import pytest

from broker.api.sessions import MAX_ROWS
from broker.settings import ApiKey, Secret
from tests.support.node import RunningNode, SharedMemoryStore, running_node, wall_clock
from tests.support.subscribers import event_stream, websocket
from tests.support.waiting import eventually
from tests.support.wire import Answer, Http, connected, subscription

JSON = {"Content-Type": "application/json"}
KEYS = (
    ApiKey("any", Secret("key-of-any-tenant")),
    ApiKey("one", Secret("key-of-tenant-one"), "one"),
)


def members(answer: Answer) -> dict[str, Any]:
    """Return the body of an answer."""
    assert 200 == answer.status, answer
    read: dict[str, Any] = json.loads(answer.body)
    return read


async def post(http: Http, target: str, body: object) -> Answer:
    """Send JSON."""
    return await http.ask(target, JSON, method="POST", body=json.dumps(body).encode())


# --- sessions -------------------------------------------------------------------------------


async def test_sessions_are_listed(node: RunningNode, http: Http) -> None:
    """With their transport, channels, subject, age and place; by channel and subject, too."""
    token = node.token(sub="7", role="reader")
    async with (
        websocket(node.public, "/websocket/chat.1/chat.2"),
        event_stream(node.public, subscription("eventsource", ["closed.a"], None, token)),
    ):
        await eventually(lambda: 2 == node.sessions)
        told = members(await http.ask("/sessions"))
        assert told["complete"]
        assert node.node.circle.who.node == told["node"]
        assert {told["node"]} == {row["node"] for row in told["sessions"]}
        assert [] == told["silent"]
        rows = {row["transport"]: row for row in told["sessions"]}
        assert {"websocket", "eventsource"} == rows.keys()
        assert ["chat.1", "chat.2"] == rows["websocket"]["channels"]
        assert rows["websocket"]["sub"] is None
        assert "7" == rows["eventsource"]["sub"]
        assert not rows["websocket"]["lagging"]
        assert 0 <= rows["websocket"]["age_s"] < 60
        for query, transport in (("channel=chat.2", "websocket"), ("sub=7", "eventsource")):
            told = members(await http.ask(f"/sessions?{query}"))
            assert [transport] == [row["transport"] for row in told["sessions"]]
        told = members(await http.ask("/sessions?limit=1"))
        assert not told["complete"]
        assert 1 == len(told["sessions"])


async def test_a_session_can_be_ended(node: RunningNode, http: Http) -> None:
    """Its client keeps its place and is asked to come back; the others stay."""
    async with (
        websocket(node.public, "/websocket/chat.1") as ended,
        websocket(node.public, "/websocket/chat.2"),
    ):
        await eventually(lambda: 2 == node.sessions)
        [row] = members(await http.ask("/sessions?channel=chat.1"))["sessions"]
        target = f"/sessions/{row['session']}"
        assert {"ended": row["session"]} == members(await http.ask(target, method="DELETE"))
        goodbye = await ended.closing()
        assert 3503 == goodbye.code
        assert {"cursor": row["cursor"], "retry_after": 1} == json.loads(goodbye.reason)
        assert 404 == (await http.ask(target, method="DELETE")).status
        assert 1 == node.sessions


async def test_p9_sessions_of_other_tenants_are_nobodys(node: RunningNode, http: Http) -> None:
    """They are neither shown nor ended."""
    async with websocket(node.public, "/websocket/chat.1"):
        await eventually(lambda: 1 == node.sessions)
        [row] = members(await http.ask("/sessions"))["sessions"]
        other = {"X-Tenant": "other"}
        assert [] == members(await http.ask("/sessions", other))["sessions"]
        target = f"/sessions/{row['session']}"
        assert 404 == (await http.ask(target, other, method="DELETE")).status
        assert 1 == node.sessions


@pytest.mark.parametrize("query", [f"limit={MAX_ROWS + 1}", "limit=0", "chanel=a"])
async def test_what_sessions_cannot_be_asked(http: Http, query: str) -> None:
    """More than the limit, and parameters that do not exist."""
    assert 400 == (await http.ask(f"/sessions?{query}")).status


# --- nodes ----------------------------------------------------------------------------------


async def test_nodes_are_listed() -> None:
    """Each of the same store, with its subscribers; the asked one tells more of itself."""
    store = SharedMemoryStore(wall_clock())
    async with running_node(store) as one, running_node(store) as other:
        await eventually(lambda: 1 == len(one.node.circle.others))
        async with websocket(other.public, "/websocket/chat.1"), connected(one.internal) as http:
            await eventually(lambda: 1 == other.sessions)
            told = members(await http.ask("/nodes"))
        names = [each.node.circle.who.node for each in (one, other)]
        assert names == [row["node"] for row in told["nodes"]]
        assert [0, 1] == [row["subscribers"] for row in told["nodes"]]
        assert [] == told["silent"]
        assert "main" == told["here"]["tenant"]
        assert told["here"]["mints_tokens"]


# --- tokens ---------------------------------------------------------------------------------


async def test_explaining_names_the_rule(node: RunningNode, http: Http) -> None:
    """What a token may do with each channel, whose it is, and why not."""
    token = node.token(sub="7", role="reader")
    asked = {"token": token, "channels": ["closed.a", "a.b.c"]}
    told = members(await post(http, "/explain", asked))
    assert "7" == told["token"]["sub"]
    assert [True, False] == [row["allowed"] for row in told["channels"]]
    assert "closed.{a}" == told["channels"][0]["pattern"]
    told = members(await post(http, "/explain", {"channels": ["closed.a", "ping"]}))
    assert told["token"] is None
    assert [False, True] == [row["allowed"] for row in told["channels"]]


async def test_a_bad_token_is_explained(node: RunningNode, http: Http) -> None:
    """It is no failure of the request, whose own key is good; and it is not repeated."""
    for token, slug in ((node.token(-60), "token-expired"), ("x.y.z", "token-malformed")):
        answer = await post(http, "/explain", {"token": token, "channels": ["ping"]})
        assert members(answer)["error"]["type"].endswith(slug)
        assert token.encode() not in answer.body


@pytest.mark.parametrize(
    "body",
    [
        *([], "x", {}, {"channels": []}, {"channels": "ping"}, {"channels": ["ping"] * 51}),
        *({"channels": ["*"]}, {"channels": [1]}, {"channels": ["a"], "token": 1}),
        *({"channels": ["a"], "action": "read"}, {"channels": ["a"], "tokn": ""}),
    ],
)
async def test_what_cannot_be_explained(http: Http, body: object) -> None:
    """Each mistake is 400."""
    assert 400 == (await post(http, "/explain", body)).status


async def test_a_token_is_made_for_development(node: RunningNode, http: Http) -> None:
    """It says what was asked for, and the broker believes it."""
    asked = {"sub": "9", "claims": {"role": "reader"}, "subscribe": ["a.*"], "ttl_s": 60}
    told = members(await post(http, "/tokens", asked))
    claims = told["claims"]
    assert ("9", "reader", "main") == (claims["sub"], claims["role"], claims["tenant"])
    assert 60 == claims["exp"] - claims["iat"]
    assert {"subscribe": ["a.*"], "publish": []} == claims["channels"]
    assert 3 == len(told["token"].split("."))


@pytest.mark.parametrize(
    "body",
    [
        *([], {"sub": 7}, {"claims": []}, {"claims": {"exp": 1}}, {"ttl_s": 0}, {"ttl_s": True}),
        *({"subscribe": "a"}, {"subscribe": ["a"] * 51}, {"subscribe": ["a**"]}),
        *({"su": ""}, {"tenant": "a b"}),
    ],
)
async def test_what_tokens_are_not_made(http: Http, body: object) -> None:
    """Each mistake is 400."""
    assert 400 == (await post(http, "/tokens", body)).status


async def test_p9_a_publishers_key_makes_no_tokens() -> None:
    """Whoever has one could else become any subscriber."""
    async with (
        running_node(api_keys=KEYS) as node,
        connected(node.internal) as http,
    ):
        headers = {**JSON, "X-Api-Key": "key-of-any-tenant"}
        answer = await http.ask("/tokens", headers, method="POST", body=b'{"sub":"7"}')
        assert 403 == answer.status


# --- the page -------------------------------------------------------------------------------


async def test_p9_the_page_needs_no_key_and_all_it_shows_does() -> None:
    """It holds nothing that is secret; and it may load nothing from elsewhere."""
    async with (
        running_node(api_keys=KEYS) as node,
        connected(node.internal) as http,
    ):
        page = await http.ask("/")
        assert 200 == page.status
        assert "text/html; charset=utf-8" == page.headers["Content-Type"]
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        known = await http.ask("/", {"If-None-Match": page.headers["ETag"]})
        assert 304 == known.status
        for target in ("/sessions", "/nodes", "/channels", "/metrics", "/revocations"):
            assert 401 == (await http.ask(target)).status


async def test_p9_pages_of_other_sites_may_not_even_load_it(http: Http) -> None:
    """Nor end sessions or make tokens."""
    foreign = {"Sec-Fetch-Site": "cross-site"}
    for target, method in (("/", "GET"), ("/sessions/1", "DELETE"), ("/tokens", "POST")):
        answer = await http.ask(target, {**JSON, **foreign}, method=method)
        assert 403 == answer.status


@pytest.mark.parametrize(
    "file", ["nothing.js", "../client.js", "..%2fclient.js", "%2e%2e/client.js"]
)
async def test_nothing_beside_its_files_is_handed_out(http: Http, file: str) -> None:
    """No path leads out of the folder."""
    assert 404 == (await http.ask(f"/console/{file}")).status
