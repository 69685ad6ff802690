"""Publishing over HTTP: stored in all channels or none, once, and as it was written."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any
import asyncio
import json

import orjson
import pytest

from broker.catalog import Catalog
from broker.core.cursor import Cursor
from broker.store.base import Store
from broker.store.memory import MemoryStore
from broker.store.options import StoreOptions
from broker.store.redis import RedisStore
from tests.support.node import RunningNode, running_node
from tests.support.stores import StoreServer
from tests.support.waiting import eventually
from tests.support.wire import Answer, Http, connected, read_cursor

CHANNELS = """\
channels:
  - {name: ping, subscribe: public}
  - {name: "small.{id}", max_message: 20, subscribe: public}
  - {name: "chat.{id}", subscribe: public}
"""
LINES = {"Content-Type": "application/x-ndjson"}


@pytest.fixture(params=["memory", "valkey"])
def store(request: pytest.FixtureRequest) -> Store:
    """Give a store of each kind, empty."""
    if request.param == "memory":
        return MemoryStore()
    return RedisStore(request.getfixturevalue("valkey_url"))


@pytest.fixture
async def node(store: Store) -> AsyncIterator[RunningNode]:
    """Run a node over each kind of store."""
    async with running_node(store, channels=CHANNELS) as running:
        yield running


async def post(
    http: Http, target: str, body: bytes | str | object, headers: Mapping[str, str] | None = None
) -> Answer:
    """Send a POST; what is no text is sent as JSON."""
    if not isinstance(body, bytes):
        body = (body if isinstance(body, str) else json.dumps(body)).encode()
    return await http.ask(target, headers or {}, method="POST", body=body)


async def kept(http: Http, channel: str) -> list[dict[str, Any]]:
    """Return every message that a channel holds."""
    answer = await http.ask(f"/channels/{channel}/messages?limit=1000")
    assert 200 == answer.status, answer
    rows: list[dict[str, Any]] = json.loads(answer.body)["messages"]
    return rows


def stamps(answer: Answer) -> list[tuple[str, int, Cursor]]:
    """Return channel, id and cursor of every message of an answer."""
    assert 200 == answer.status, answer
    rows = json.loads(answer.body)["messages"]
    return [
        (row["channel"], row["id"], read_cursor(row["tag"], row["time"]))
        for row in rows
        if ["channel", "id", "tag", "time"] == list(row)
    ]


async def test_a_message_is_stored_in_every_channel_of_the_path_p6(http: Http) -> None:
    """One message to three channels is a copy in each, stamped one after the other."""
    answer = await post(http, "/publish/chat.1/chat.2/chat.1/small.3/", '{ "a" : 1.10 }')
    told = stamps(answer)
    assert [("chat.1", 1), ("chat.2", 1), ("small.3", 1)] == [row[:2] for row in told]
    assert sorted(row[2] for row in told) == [row[2] for row in told]
    for channel, number, cursor in told:
        [row] = await kept(http, channel)
        assert (number, channel, {"a": 1.1}) == (row["id"], row["channel"], row["message"])
        assert cursor == read_cursor(row["tag"], row["time"])


@pytest.mark.parametrize(
    ("body", "headers", "text"),
    [
        ('{"n": 123456789012345678901234567890,\n "e": 1E2, "n": 0.10}', {}, None),
        ("just text\n", {"Content-Type": "text/plain"}, '"just text\\n"'),
        ("[1, 2]", {"Content-Type": "application/x-www-form-urlencoded"}, "[1,2]"),
        ('"\\u00e9"', {"Content-Type": "application/json; charset=utf-8"}, '"\\u00e9"'),
        ("null", {"Content-Encoding": "identity"}, "null"),
    ],
)
async def test_a_message_is_kept_as_it_was_written_d21(
    node: RunningNode, http: Http, body: str, headers: dict[str, str], text: str | None
) -> None:
    """Subscribers get the publisher's own text, less the white space between its parts."""
    cursor = await node.now(["chat.1"])
    stamps(await post(http, "/publish/chat.1", body, headers))
    [envelope] = (await node.poll(["chat.1"], cursor, mode="longpoll")).envelopes
    wanted = body.replace("\n", "").replace(" ", "") if text is None else text
    assert f'"message":{wanted},"tag"'.encode() in envelope.raw


async def test_a_refused_channel_leaves_nothing_in_the_others_p6(http: Http) -> None:
    """A message that one channel cannot take is stored in none."""
    answer = await post(http, "/publish/chat.1/small.1", "x" * 30, {"Content-Type": "text/plain"})
    assert (413, 20) == (answer.status, answer.problem["limit"])
    assert "small.1" in answer.problem["detail"]
    assert [] == await kept(http, "chat.1")
    assert 404 == (await post(http, "/publish/chat.1/nothing", 1)).status
    assert [] == await kept(http, "chat.1")


async def test_a_batch_is_stored_as_a_whole_p6(http: Http) -> None:
    """Lines and arrays are stored in their order; one wrong item and nothing is."""
    items = [
        {"channel": "chat.1", "message": 1, "event_id": "e1", "event_type": "t"},
        {"channels": ["chat.2", "chat.1"], "message": {"a": None}},
    ]
    lines = "\n".join(map(json.dumps, items))
    told = stamps(await post(http, "/publish", lines, LINES))
    assert [("chat.1", 1), ("chat.2", 1), ("chat.1", 2)] == [row[:2] for row in told]
    told = stamps(await post(http, "/publish", items))
    assert [("chat.1", 3), ("chat.2", 2), ("chat.1", 4)] == [row[:2] for row in told]
    answer = await post(http, "/publish", f"{lines}\n" + '{"channel":"chat.1","mesage":2}', LINES)
    assert {"field": "mesage", "nearest": "message", "index": 2} == {
        name: answer.problem[name] for name in ("field", "nearest", "index")
    }
    rows = await kept(http, "chat.1")
    assert [1, {"a": None}, 1, {"a": None}] == [row["message"] for row in rows]
    assert ("e1", "t") == (rows[0]["event_id"], rows[0]["event_type"])
    assert "event_id" not in rows[1]


async def test_a_large_batch_keeps_its_order(http: Http) -> None:
    """Two thousand lines are stored in their order, read in slices though they are."""
    lines = "\n".join(f'{{"channel":"chat.{n % 3}","message":{n}}}' for n in range(2000))
    array = f"[{','.join(lines.splitlines())}]"
    for body, headers in ((lines, LINES), (array, {})):
        told = stamps(await post(http, "/publish", body, headers))
        assert 2000 == len(told)
        assert sorted(row[2] for row in told) == [row[2] for row in told]
        rows = await kept(http, "chat.1")
        assert list(range(1, 2000, 3)) == [row["message"] for row in rows[-667:]]


async def test_a_repeated_key_stores_once_p6(node: RunningNode, http: Http) -> None:
    """Twenty requests with one key, at once and later, get one answer and store one message."""

    async def send() -> Answer:
        async with connected(node.internal) as own:
            return await post(own, "/publish/chat.1/chat.2", {"n": 1}, {"Idempotency-Key": "k-1"})

    answers = await asyncio.gather(*(send() for _ in range(20)))
    answers.append(await send())
    assert 1 == len({answer.body for answer in answers})
    assert 200 == answers[0].status
    assert 20 == sum("true" == answer.headers.get("Idempotency-Replayed") for answer in answers)
    assert 1 == len(await kept(http, "chat.1"))
    assert 1 == len(await kept(http, "chat.2"))


@pytest.mark.parametrize(
    ("target", "body", "headers"),
    [
        ("/publish/chat.1", {"n": 2}, {}),
        ("/publish/chat.2", {"n": 1}, {}),
        ("/publish/chat.1", {"n": 1}, {"Event-Id": "other"}),
        ("/publish/chat.1", '{"n": 1}', {"Content-Type": "text/plain"}),
        ("/publish", '{"channel":"chat.1","message":{"n":1}}', LINES),
    ],
)
async def test_a_key_stands_for_one_request_p6(
    http: Http, target: str, body: object, headers: dict[str, str]
) -> None:
    """A key that comes back with another request is refused, and nothing is stored."""
    key = {"Idempotency-Key": "k-1"}
    stamps(await post(http, "/publish/chat.1", {"n": 1}, key))
    answer = await post(http, target, body, {**headers, **key})
    assert (422, "Idempotency-Key") == (answer.status, answer.problem["field"])
    assert 1 == len(await kept(http, "chat.1"))


async def test_keys_of_tenants_are_apart_p6(http: Http) -> None:
    """The same key of two tenants stands for two requests."""
    for tenant in ("one", "two"):
        headers = {"Idempotency-Key": "k-1", "X-Tenant": tenant}
        answer = await post(http, "/publish/chat.1", {"of": tenant}, headers)
        assert [("chat.1", 1)] == [row[:2] for row in stamps(answer)]
        assert "Idempotency-Replayed" not in answer.headers
    assert [] == await kept(http, "chat.1")


async def test_if_match_stores_behind_the_message_it_names(http: Http) -> None:
    """Of two writers that saw the same last message, one is refused; every spelling is read."""
    [(_, _, first)] = stamps(await post(http, "/publish/chat.1", 1))
    [(_, number, last)] = stamps(await post(http, "/publish/chat.1", 2, {"If-Match": str(first)}))
    assert 2 == number
    answer = await post(http, "/publish/chat.1", 2, {"If-Match": f'"{first}"'})
    assert (412, "If-Match") == (answer.status, answer.problem["field"])
    for form in ("{}", "W/{}", '"{}"', 'W/"{}"'):
        headers = {"If-Match": form.format(last.tag)}
        [(_, _, last)] = stamps(await post(http, "/publish/chat.1", 3, headers))
    lines = '{"channel":"chat.1","message":4}'
    assert 200 == (await post(http, "/publish", lines, {**LINES, "If-Match": str(last)})).status
    assert 7 == len(await kept(http, "chat.1"))


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/publish/chat.1/chat.2", b"1"),
        ("/publish", b'[{"channels":["chat.1","chat.2"],"message":1}]'),
    ],
)
async def test_if_match_is_about_one_channel(http: Http, target: str, body: bytes) -> None:
    """A condition on several channels is refused: it could name the last message of one alone."""
    answer = await post(http, target, body, {"If-Match": "1"})
    assert (400, "If-Match") == (answer.status, answer.problem["field"])


REFUSALS: list[tuple[str, bytes, dict[str, str], int, dict[str, object]]] = [
    ("/publish/chat.1", b"", {}, 400, {"detail": "the body is empty; it is the message"}),
    ("/publish/chat.1", b"{", {}, 400, {"detail": "line 1, column 2"}),
    ("/publish/chat.1", b'"\xff"', {}, 400, {"detail": "byte 2"}),
    ("/publish/chat.1", b"NaN", {}, 400, {"title": "Malformed body"}),
    ("/publish/chat.1", b"[" * 2000, {}, 400, {"detail": "depth"}),
    ("/publish/chat.1", b"1", {"Content-Type": "image/png"}, 415, {"field": "Content-Type"}),
    ("/publish/chat.1", b"1", LINES, 415, {"field": "Content-Type"}),
    ("/publish/chat.1", b"1", {"Content-Encoding": "gzip"}, 415, {"field": "Content-Encoding"}),
    ("/publish/chat.1", b"1", {"Idempotency-Key": "a b"}, 400, {"field": "Idempotency-Key"}),
    ("/publish/chat.1", b"1", {"Event-Type": "x" * 65}, 400, {"field": "Event-Type", "limit": 64}),
    ("/publish/chat.1", b"1", {"Event-Type": "close"}, 400, {"detail": "close and gap"}),
    ("/publish/chat.1", b"[" * 501 + b"]" * 501, {}, 400, {"field": "message", "limit": 500}),
    ("/publish/chat.1", b"1", {"If-Match": "*"}, 400, {"field": "If-Match"}),
    ("/publish/chat.1", b"1", {"X-Tenant": "a/b"}, 400, {"field": "X-Tenant"}),
    ("/publish/", b"1", {}, 400, {"field": "channels"}),
    ("/publish/chat.*", b"1", {}, 400, {"detail": "asterisk"}),
    ("/publish/chat.%zz", b"1", {}, 400, {"detail": "percent sign"}),
    ("/publish/chat.%ff", b"1", {}, 400, {"detail": "UTF-8"}),
    ("/publish/" + "x" * 300, b"1", {}, 400, {"limit": 256}),
    ("/publish/" + "/".join(f"chat.{n}" for n in range(51)), b"1", {}, 400, {"limit": 50}),
    ("/publish/chats.1", b"1", {}, 404, {"nearest": "chat.{id}", "field": "channel"}),
    ("/publish/ping", b"1", {}, 403, {"detail": "ping"}),
    ("/publish/small.1", b'"12345678901234567890"', {}, 413, {"limit": 20, "field": "message"}),
    ("/publish", b"{}", {}, 400, {"detail": "x-ndjson"}),
    ("/publish", b"[]", {}, 400, {"detail": "no message"}),
    ("/publish", b"x", {"Content-Type": "text/plain"}, 415, {"nearest": "application/x-ndjson"}),
    ("/publish", b"[]", {"Event-Id": "x"}, 400, {"field": "Event-Id"}),
    ("/publish", b"\n" * 10_001, LINES, 400, {"limit": 10_000}),
]


@pytest.mark.parametrize("store", ["memory"], indirect=True)
@pytest.mark.parametrize(("target", "body", "headers", "status", "told"), REFUSALS)
async def test_what_is_wrong_is_named(
    http: Http,
    target: str,
    body: bytes,
    headers: dict[str, str],
    status: int,
    told: dict[str, object],
) -> None:
    """Every refusal has its status, and a problem document that names what was wrong."""
    answer = await post(http, target, body, headers)
    assert status == answer.status
    for name, value in told.items():
        if name == "detail":
            assert str(value) in answer.problem[name]
        else:
            assert value == answer.problem[name]
    assert 200 == (await post(http, "/publish/chat.1", 1)).status


@pytest.mark.parametrize("store", ["memory"], indirect=True)
async def test_what_is_taken_can_be_read_in_its_envelope(node: RunningNode, http: Http) -> None:
    """The deepest message arrives, and its envelope is no deeper than common parsers read."""
    cursor = await node.now(["chat.1"])
    deep = b"[" * 500 + b"]" * 500
    assert 200 == (await post(http, "/publish/chat.1", deep)).status
    answer = await node.poll(["chat.1"], cursor)
    assert deep in answer.body
    orjson.loads(b"[" * 11 + answer.body + b"]" * 11)  # 512 levels, PHP's default


async def test_an_answer_that_got_lost_can_be_asked_for_again_p6(
    start_store: Callable[..., StoreServer],
) -> None:
    """A store that stops answering gives 503; once it answers, the same key stores once."""
    server = start_store()
    store = RedisStore(server.unix_url, StoreOptions(timeout_s=0.3))
    async with running_node(store, channels=CHANNELS) as node, connected(node.internal) as http:
        stamps(await post(http, "/publish/chat.1", 1))
        server.freeze()
        key = {"Idempotency-Key": "k-1"}
        answer = await post(http, "/publish/chat.1", 2, key)
        assert (503, "1") == (answer.status, answer.headers["Retry-After"])
        assert 503 == (await http.ask("/readyz")).status
        assert 200 == (await http.ask("/healthz")).status
        server.thaw()

        answers: list[Answer] = []

        async def stored() -> bool:
            answers.append(await post(http, "/publish/chat.1", 2, key))
            return answers[-1].status == 200

        await eventually(stored)
        assert [("chat.1", 2)] == [row[:2] for row in stamps(answers[-1])]
        assert [1, 2] == [row["message"] for row in await kept(http, "chat.1")]


async def test_new_rules_hold_from_the_next_request_on(node: RunningNode, http: Http) -> None:
    """After a reload, what the new rules allow is published, and what they do not is refused."""
    assert 404 == (await post(http, "/publish/new.1", 1)).status
    stamps(await post(http, "/publish/chat.1", 1))
    node.node.catalog = Catalog.parse('channels: [{name: "new.{id}", subscribe: public}]')
    stamps(await post(http, "/publish/new.1", 1))
    assert 404 == (await post(http, "/publish/chat.1", 1)).status


@pytest.mark.jumping
async def test_a_store_that_never_answers_is_not_waited_for_for_ever() -> None:
    """A publish ends after `publish_wait_s`, whatever the store does."""

    class Silent(MemoryStore):
        async def publish(self, *_: object) -> Any:
            await asyncio.sleep(100)

    async with running_node(Silent(), channels=CHANNELS) as node, connected(node.internal) as http:
        answer = await post(http, "/publish/chat.1", 1)
        assert 503 == answer.status
        assert "Idempotency-Key" in answer.problem["detail"]
