"""The promise P9: who may do what, over real HTTP; and no token in any log."""

from __future__ import annotations

from collections.abc import AsyncIterator
import json
import logging
import time

import pytest

from broker.settings.serving import PACKAGED_CONFIG
from broker.settings.values import ApiKey, Secret
from tests.support.node import RunningNode, running_node
from tests.support.subscribers import UPGRADE
from tests.support.tokens import SECRET, forged, hmac_key, rsa_key
from tests.support.wire import Answer, subscription

RULES = PACKAGED_CONFIG.read_text()
NOW = int(time.time())

OF_100 = {"conversation.100", "conversation_reply.100", "user_presence_changed.100"}
OF_7 = {"conversation.100.7", "event.100.7", "user_props_changed.100.7"}
OF_8 = {"conversation.100.8", "event.100.8"}
OF_200 = {"conversation.200", "conversation.200.7"}
UNKNOWN = {"no_such_kind.100", "conversation.100.7.x", "conversation"}
CHANNELS = sorted({"ping", *OF_100, *OF_7, *OF_8, *OF_200, *UNKNOWN})

good = hmac_key().mint

READERS: dict[str, tuple[str, set[str]]] = {
    "operator of 100": (good(app_id="100", role="operator"), {"ping", *OF_100, *OF_7, *OF_8}),
    "operator, app as a number": (
        good(app_id=100, role="operator"),
        {"ping", *OF_100, *OF_7, *OF_8},
    ),
    "operator of 200": (good(app_id="200", role="operator"), {"ping", *OF_200}),
    "visitor 7 of 100": (good(app_id="100", sub="7"), {"ping", *OF_7}),
    "visitor 7 of 200": (good(app_id="200", sub="7"), {"ping", "conversation.200.7"}),
    "operator of no app": (good(role="operator"), {"ping"}),
    "visitor of no app": (good(sub="7"), {"ping"}),
    "nobody": (good(), {"ping"}),
    "grants of one kind": (
        good(channels=["conversation.100.*"]),
        {"ping", "conversation.100.7", "conversation.100.8"},
    ),
    "grant of one channel": (good(channels=["event.100.7"]), {"ping", "event.100.7"}),
    "grant of what does not exist": (good(channels=["no_such_kind.100", "x.*"]), {"ping"}),
    "grant to publish only": (good(channels={"publish": ["conversation.100"]}), {"ping"}),
}
"""Good tokens, and what each may read of `CHANNELS`."""

STRANGERS: dict[str, str] = {
    "none": "",
    "rubbish": "rubbish",
    "expired": good(-60, app_id="100", role="operator"),
    "not yet valid": good(app_id="100", role="operator", nbf=NOW + 3600),
    "of another secret": hmac_key("another secret that is long enough").mint(role="operator"),
    "of another kind of key": rsa_key().mint(app_id="100", role="operator"),
    "without a signature": forged({"alg": "none"}, {"app_id": "100", "role": "operator"}, b""),
    "with a wrong signature": forged({"alg": "HS256"}, {"app_id": "100"}, b"x" * 32),
    "with an impossible tenant": good(app_id="100", role="operator", tenant="a/b"),
    "with impossible grants": good(channels=["*a"]),
    "too long": good(app_id="100", role="operator", pad="x" * 9000),
}
"""Tokens that nobody may be let in with."""

KEY, BOUND_KEY = "an api key of the operator's", "an api key of one tenant"
KEYS = (
    ApiKey("operations", Secret(KEY)),
    ApiKey("acme", Secret(BOUND_KEY), "acme"),
)
pytestmark = pytest.mark.asyncio(loop_factories=["uvloop"])

MODES = ("shortpoll", "longpoll", "eventsource", "websocket")


@pytest.fixture
async def node() -> AsyncIterator[RunningNode]:
    """Run a node with the rules that come with the broker, and short holds."""
    async with running_node(channels=RULES, longpoll_timeout_s=0.05) as running:
        yield running


async def status(node: RunningNode, mode: str, channel: str, token: str) -> int:
    """Ask for a channel; return the status."""
    target = subscription(mode, [channel], None, token)
    async with node.connect() as http:
        await http.send(target, UPGRADE if mode == "websocket" else {})
        return (await http.head()).status


@pytest.mark.parametrize("who", READERS)
async def test_P9_reading_token_by_channel_by_transport(node: RunningNode, who: str) -> None:
    """Each token reads what rules and grants give it, on every transport, and nothing else."""
    token, allowed = READERS[who]
    for mode in MODES:
        opened = {"websocket": 101, "eventsource": 200}.get(mode, 304)
        found = {channel: await status(node, mode, channel, token) for channel in CHANNELS}
        assert {channel: opened if channel in allowed else 403 for channel in CHANNELS} == found


@pytest.mark.parametrize("who", STRANGERS)
async def test_P9_strangers_read_nothing(node: RunningNode, who: str) -> None:
    """Without a good token, everything is 401: even the ping channel, even unknown ones."""
    for mode in MODES:
        for channel in CHANNELS:
            assert 401 == await status(node, mode, channel, STRANGERS[who])


@pytest.mark.parametrize("who", READERS)
async def test_P9_a_list_brings_the_allowed_channels_only(node: RunningNode, who: str) -> None:
    """All channels in one list: messages of those that are allowed come, of no other one."""
    token, allowed = READERS[who]
    before = await node.now(["ping"], token)
    published = [name for name in CHANNELS if name not in UNKNOWN and name != "ping"]
    for channel in published:
        await node.publish(channel, channel)
    answer = await node.poll(CHANNELS, before, token)
    heard = [envelope.channel for envelope in answer.envelopes] if answer.status == 200 else []
    expected = [name for name in published if name in allowed]
    assert expected == [channel for channel in heard if channel != "ping"]


async def test_P9_nobody_publishes_over_the_public_listener(node: RunningNode) -> None:
    """No token and no method publishes there, whatever it is granted."""
    token = good(app_id="100", role="operator", channels={"publish": ["conversation.100"]})
    before = await node.now(["conversation.100"], READERS["operator of 100"][0])
    for path in ("/publish/conversation.100", "/publish", "/pub?id=conversation.100"):
        async with node.connect() as http:
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
            answer = await http.ask(path, headers, method="POST", body=b"1")
            assert answer.status in (404, 405)
    async with node.websocket(["conversation.100"], None, good(app_id=100, role="operator")) as ws:
        await ws.send(1, b'{"channel":"conversation.100","message":1}')
        assert (
            304
            == (await node.poll(["conversation.100"], before, READERS["operator of 100"][0])).status
        )


# --- publishing: key x tenant x channel ---------------------------------------------------------


async def post(node: RunningNode, channel: str, headers: dict[str, str]) -> Answer:
    """Publish to a channel on the internal listener."""
    async with node.connect_internal() as http:
        return await http.ask(f"/publish/{channel}", headers, method="POST", body=b'"secret"')


async def test_P9_publishing_needs_a_key_where_there_are_keys() -> None:
    """None or a wrong one is 401, a subscriber's token too; nothing is stored."""
    async with running_node(channels=RULES, api_keys=KEYS) as node:
        reader = good(app_id="100", role="operator")
        before = await node.now(["conversation.100"], reader)
        for headers in (
            {},
            {"Authorization": "Bearer wrong"},
            {"Authorization": f"Basic {KEY}"},
            {"X-Api-Key": KEY[:-1]},
            {"Authorization": f"Bearer {reader}"},
            {"Authorization": f"Bearer {SECRET}"},
        ):
            answer = await post(node, "conversation.100", headers)
            assert 401 == answer.status
            assert answer.problem["detail"]
        await node.settle()
        assert 304 == (await node.poll(["conversation.100"], before, reader)).status
        for headers in ({"Authorization": f"Bearer {KEY}"}, {"X-Api-Key": KEY}):
            assert 200 == (await post(node, "conversation.100", headers)).status
        unknown = await post(node, "no_such_kind.100", {"X-Api-Key": KEY})
        assert (404, "channel") == (unknown.status, unknown.problem["field"])


async def test_P9_tenants_do_not_hear_one_another() -> None:
    """A key of a tenant speaks for it alone, and only tokens of that tenant hear it."""
    async with running_node(channels=RULES, api_keys=KEYS) as node:
        claims = {"app_id": "100", "role": "operator"}
        tokens = {
            "main": good(**claims),
            "acme": good(**claims, tenant="acme"),
            "other": good(**claims, tenant="other"),
        }
        channel = "conversation.100"
        before = {name: await node.now([channel], token) for name, token in tokens.items()}
        bound = {"X-Api-Key": BOUND_KEY}
        assert 200 == (await post(node, channel, bound)).status
        assert 200 == (await post(node, channel, {**bound, "X-Tenant": "acme"})).status
        assert 403 == (await post(node, channel, {**bound, "X-Tenant": "main"})).status
        assert 200 == (await post(node, channel, {"X-Api-Key": KEY, "X-Tenant": "other"})).status
        heard = {}
        for name, token in tokens.items():
            answer = await node.poll([channel], before[name], token)
            heard[name] = len(answer.envelopes) if answer.status == 200 else 0
        assert {"main": 0, "acme": 2, "other": 1} == heard


async def test_P9_pages_of_other_sites_cannot_publish(node: RunningNode) -> None:
    """A browser's cross-site request to the internal listener is 403."""
    for headers in (
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "null"},
    ):
        assert 403 == (await post(node, "conversation.100", headers)).status


async def test_P9_no_token_key_or_payload_reaches_a_log(caplog: pytest.LogCaptureFixture) -> None:
    """Good and bad requests of every kind, at the most talkative level: no secret is written."""
    with caplog.at_level(logging.DEBUG):
        async with running_node(channels=RULES, api_keys=KEYS, longpoll_timeout_s=0.05) as node:
            for token in (*STRANGERS.values(), *(token for token, _ in READERS.values())):
                for mode in MODES:
                    await status(node, mode, "conversation.100", token)
                async with node.connect() as http:
                    await http.send_bytes(f"GET /{token} HTTP/9\r\n\x00: {token}\r\n\r\n".encode())
                    await http.ended()
            for headers in ({"X-Api-Key": KEY}, {"X-Api-Key": BOUND_KEY}, {"X-Api-Key": "wrong1"}):
                await post(node, "conversation.100", headers)
    logged = "\n".join(record.getMessage() for record in caplog.records) + caplog.text
    secrets = [*(text for text in STRANGERS.values() if len(text) > 8), KEY, BOUND_KEY, "secret"]
    secrets += [part for token, _ in READERS.values() for part in token.split(".")[1:]]
    assert [] == [secret for secret in secrets if secret in logged]


async def test_P9_no_answer_shows_a_token(node: RunningNode) -> None:
    """Refusals of every kind name what is wrong without repeating it."""
    for token in STRANGERS.values():
        if len(token) < 9:
            continue
        answer = await node.poll(["conversation.100"], None, token)
        shown = json.dumps([answer.line, list(answer.headers.items()), answer.body.decode()])
        assert token not in shown
