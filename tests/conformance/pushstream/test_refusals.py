"""Refusals: statuses, close codes and bodies of design.md, section 8."""

from __future__ import annotations

from collections.abc import Mapping
import asyncio
import json

import pytest

from broker.store.options import StoreOptions
from broker.store.redis import RedisStore
from tests.support.node import RunningNode, running_node
from tests.support.stores import StoreServer
from tests.support.subscribers import UPGRADE
from tests.support.target import Target
from tests.support.waiting import eventually
from tests.support.wire import Answer, subscription

MODES = ("longpoll", "shortpoll", "eventsource", "websocket")


async def refused(
    target: Target, mode: str, channels: list[str], token: str, headers: Mapping[str, str] = {}
) -> Answer:
    """Ask for channels in a mode that must not answer with messages; return its refusal."""
    upgrade = UPGRADE if mode == "websocket" else {}
    answer = await target.ask(subscription(mode, channels, None, token), {**upgrade, **headers})
    assert answer.status >= 400, answer
    assert {"data": {}} == {"data": answer.problem["data"]}
    meta = answer.problem["meta"]
    assert answer.status == meta["status"]
    assert answer.problem["type"].endswith(meta["error"])
    assert answer.problem["detail"] == meta["error_message"]
    assert answer.headers["Cache-Control"] == "no-cache, no-store, must-revalidate"
    return answer


@pytest.mark.parametrize("mode", MODES)
async def test_a_bad_token_is_401(target: Target, app: str, mode: str) -> None:
    """Missing, malformed, badly signed, expired: 401 before the upgrade, each by its name."""
    channels = [f"conversation.{app}"]
    other = Target(target.public, target.internal, "another secret, also longer than 32 bytes")
    for token, slug, field in (
        ("", "token-missing", "auth_token"),
        ("rubbish", "token-malformed", None),
        ("a.b.c", "token-malformed", None),
        (other.operator(app), "token-malformed", None),
        (target.token(-10, app_id=app, role="operator"), "token-expired", None),
        (target.operator(app, nbf=4_102_444_800), "token-malformed", "nbf"),
        (target.operator(app, exp="soon"), "token-malformed", "exp"),
    ):
        answer = await refused(target, mode, channels, token)
        assert (401, slug) == (answer.status, answer.problem["meta"]["error"])
        assert "Bearer" == answer.headers["WWW-Authenticate"]
        if field:
            assert field == answer.problem["field"]


@pytest.mark.parametrize("mode", MODES)
async def test_no_allowed_channel_is_403(target: Target, app: str, mode: str) -> None:
    """A good token that allows none of the channels, unknown ones included."""
    token = target.visitor(app, "7")
    for channels in (
        [f"conversation.{app}"],
        [f"conversation.{app}.8", f"event.{app}.8"],
        ["no_such_kind.1"],
        [f"conversation.{app}.7.x"],
    ):
        answer = await refused(target, mode, channels, token)
        assert (403, "channels") == (answer.status, answer.problem["field"])
        assert "WWW-Authenticate" not in answer.headers


@pytest.mark.parametrize("mode", MODES)
async def test_a_list_partly_allowed_is_served_for_the_rest(
    target: Target, app: str, mode: str
) -> None:
    """Channels that the token may not read are left out, as long as one is allowed."""
    allowed, denied = f"conversation.{app}.7", f"conversation.{app}"
    channels, token = [denied, allowed, "no_such_kind.1"], target.visitor(app, "7")
    before = await target.now([allowed], token)
    await target.publish(denied, "secret")
    await target.publish(allowed, "for 7")
    if mode == "websocket":
        async with target.websocket(channels, before, token) as socket:
            assert "for 7" == (await socket.envelope()).message
            await target.publish(denied, "secret")
            await target.publish(allowed, "for 7 again")
            assert "for 7 again" == (await socket.envelope()).message
    elif mode == "eventsource":
        async with target.events(channels, before, token) as stream:
            assert "for 7" == (await stream.envelope()).message
    else:
        answer = await target.poll(channels, before, token, mode=mode)
        assert ["for 7"] == [envelope.message for envelope in answer.envelopes]


@pytest.mark.parametrize("mode", MODES)
async def test_a_strict_broker_refuses_such_a_list(mode: str) -> None:
    """With `strict_channels` one forbidden channel is enough for 403; whole lists are served."""
    async with running_node(strict_channels=True) as node:
        answer = await refused(node, mode, ["a", "closed.a"], node.token(sub="1"))
        assert 403 == answer.status
        assert "closed.a" in answer.problem["detail"]
        answer = await refused(node, mode, ["a", "closed.a"], "")
        assert 403 == answer.status
        reader = node.token(sub="1", role="reader")
        assert 304 == (await node.poll(["a", "closed.a"], None, reader)).status


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "path",
    ["", "/", "//", "a//b", "/a", "%2F", "a%", "a%zz", "%ff", "a%00b", "a%0Ab", "x" * 257, "ALL"],
)
async def test_a_malformed_list_is_400(target: Target, mode: str, path: str) -> None:
    """Empty lists, empty or forbidden names, bad escapes: 400 before any token is looked at."""
    headers = UPGRADE if mode == "websocket" else {}
    answer = await target.ask(f"/{mode}/{path}", headers)
    assert (400, "channels") == (answer.status, answer.problem["field"])


@pytest.mark.parametrize("tag", ["x", "-1", "1.5", "W/", '"1', "W/W/1", "9" * 19, "%20", "1 "])
async def test_a_malformed_tag_is_400(target: Target, app: str, tag: str) -> None:
    """With a time that can be read, a tag that cannot is the client's mistake, and named."""
    channel, token = f"conversation.{app}", target.operator(app)
    date = "Sat,%2014%20Nov%202015%2015:51:54%20GMT"
    wanted = f"?auth_token={token}&time={date}&tag={tag.replace(' ', '%20')}"
    for mode in MODES:
        headers = UPGRADE if mode == "websocket" else {}
        answer = await target.ask(f"/{mode}/{channel}{wanted}", headers)
        assert (400, "tag") == (answer.status, answer.problem["field"])


# --- WebSockets that are refused by a close code ------------------------------------------------


async def closing(node: RunningNode, channels: list[str], token: str) -> tuple[int, object]:
    """Open a WebSocket that is closed at once; return the code and the error frame."""
    async with node.websocket(channels, None, token) as socket:
        frame = json.loads(await socket.text())
        assert {"tag", "time", "error"} == frame.keys()
        close = await socket.closing()
        assert "cursor" in json.loads(close.reason)
        return close.code, frame["error"]["status"]


async def test_refusals_can_come_as_close_codes() -> None:
    """`refuse_websocket: close` accepts, sends the error frame, closes 3401 or 3403."""
    async with running_node(refuse_websocket="close") as node:
        assert (3401, 401) == await closing(node, ["closed.a"], "")
        assert (3401, 401) == await closing(node, ["closed.a"], "rubbish")
        assert (3401, 401) == await closing(node, ["a"], node.token(-5, sub="1"))
        assert (3403, 403) == await closing(node, ["closed.a"], node.token(sub="1"))
        await eventually(lambda: node.sessions == 0, what="nobody stays attached")
        for channels in ([], ["a*"]):
            answer = await refused(node, "websocket", channels, "")
            assert 400 == answer.status


async def test_an_unreachable_store_can_come_as_a_close_code(valkey_server: StoreServer) -> None:
    """3503 with a retry hint, and no text frame, which would wipe the client's cursor (2.3.13)."""
    store = RedisStore(valkey_server.unix_url, StoreOptions(timeout_s=0.3))
    async with running_node(store, store_timeout_s=0.3, refuse_websocket="close") as node:
        before = await node.now(["a"])
        valkey_server.freeze()
        try:
            async with node.websocket(["b"], before) as socket:
                close = await socket.closing()
        finally:
            valkey_server.thaw()
        assert 3503 == close.code
        assert str(before) == json.loads(close.reason)["cursor"]
        assert 20 <= json.loads(close.reason)["retry_after"] <= 30


# --- tokens that expire on a live connection ----------------------------------------------------


@pytest.mark.jumping
async def test_an_expiring_token_ends_a_websocket_with_3401() -> None:
    """At `exp`: the error frame with the cursor, then 3401; the cursor resumes without loss."""
    async with running_node() as node:
        token = node.token(None, role="reader", exp=int(node.clock()) + 30)
        async with node.websocket(["closed.a"], None, token) as socket:
            stored = await node.publish("closed.a", "in time")
            assert "in time" == (await socket.envelope()).message
            told = json.loads(await socket.text())
            assert 401 == told["error"]["status"]
            close = await socket.closing()
        assert 3401 == close.code
        assert token not in close.reason + json.dumps(told)
        assert stored.cursor.time + 29 <= node.clock() <= stored.cursor.time + 32
        cursor = json.loads(close.reason)["cursor"]
        await node.publish("closed.a", "while away")
        fresh = node.token(None, role="reader", exp=int(node.clock()) + 30)
        answer = await node.ask(
            subscription("shortpoll", ["closed.a"], None, fresh), {"Last-Event-ID": cursor}
        )
        assert ["while away"] == [envelope.message for envelope in answer.envelopes]
        assert (await node.poll(["closed.a"], None, token)).status == 401


@pytest.mark.jumping
async def test_an_expiring_token_ends_a_held_poll_with_401() -> None:
    """The hold ends early with 401 and a cursor; the connection can be used again."""
    loop = asyncio.get_running_loop()
    async with running_node() as node, node.connect() as http:
        token = node.token(None, role="reader", exp=int(node.clock()) + 10)
        begin = loop.time()
        answer = await http.ask(subscription("longpoll", ["closed.a"], None, token))
        assert 401 == answer.status
        assert 9 <= loop.time() - begin < 12
        assert "token-expired" == answer.problem["meta"]["error"]
        assert answer.cursor.time >= node.clock() - 2
        assert 0 == node.sessions


@pytest.mark.jumping
async def test_an_expiring_token_ends_an_event_stream() -> None:
    """The last event is `close`, with status 401 and the cursor as its id."""
    async with running_node() as node:
        token = node.token(None, role="reader", exp=int(node.clock()) + 10)
        async with node.events(["closed.a"], None, token) as stream:
            event = await stream.event()
            assert ("close", 401) == (event.kind, event.told["status"])
            assert str(event.cursor) == event.told["cursor"]
            with pytest.raises(EOFError):
                await stream.event()
        assert 0 == node.sessions


@pytest.mark.jumping
async def test_a_token_without_expiry_stays() -> None:
    """A WebSocket whose token has no `exp` is still there after a day."""
    async with running_node() as node:
        token = node.token(None, role="reader")
        async with node.websocket(["closed.a"], None, token) as socket:
            asyncio.get_running_loop().advance(86_400)  # type: ignore[attr-defined]  # it jumps
            await node.publish("closed.a", "still here")
            assert "still here" == (await socket.envelope()).message
