"""Following a channel on the internal listener: resumed, bounded, and nobody's subscriber."""

from __future__ import annotations

from typing import Any
import json

import pytest

from broker.settings import ApiKey, Secret
from tests.support.node import RunningNode, running_node
from tests.support.subscribers import EventStream, event_stream
from tests.support.waiting import eventually
from tests.support.wire import Http, connected, read_cursor

CHANNEL = "chat.1"
FOLLOW = f"/channels/{CHANNEL}/follow"
JSON = {"Content-Type": "application/json"}


async def publish(http: Http, *bodies: int, channel: str = CHANNEL) -> list[str]:
    """Store messages; return their cursors."""
    items = [{"channel": channel, "message": body, "event_type": "news"} for body in bodies]
    answer = await http.ask("/publish", JSON, method="POST", body=json.dumps(items).encode())
    assert 200 == answer.status, answer
    stamps = json.loads(answer.body)["messages"]
    return [str(read_cursor(stamp["tag"], stamp["time"])) for stamp in stamps]


async def messages(stream: EventStream, count: int) -> list[Any]:
    """Return what the next events hold."""
    events = [await stream.event() for _ in range(count)]
    assert {"message"} == {event.kind for event in events}
    return [event.told["message"] for event in events]


async def test_new_messages_come_by_themselves(node: RunningNode, http: Http) -> None:
    """As operators are shown them, with the cursor as the id of the event."""
    await publish(http, 1)
    async with event_stream(node.internal, FOLLOW) as stream:
        assert "text/event-stream; charset=utf-8" == stream.answer.headers["Content-Type"]
        [cursor] = await publish(http, 2)
        event = await stream.event()
        assert cursor == event.id
        assert (2, 2, "news") == tuple(event.told[name] for name in ("id", "message", "event_type"))


async def test_the_last_messages_come_first_if_asked_for(node: RunningNode, http: Http) -> None:
    """As many as there are, if there are fewer; then those that follow."""
    await publish(http, 1, 2, 3)
    async with event_stream(node.internal, f"{FOLLOW}?last=2") as stream:
        assert [2, 3] == await messages(stream, 2)
        await publish(http, 4)
        assert [4] == await messages(stream, 1)
    async with event_stream(node.internal, f"{FOLLOW}?last=1000") as stream:
        assert [1, 2, 3, 4] == await messages(stream, 4)


async def test_P2_it_is_resumed_by_cursor(node: RunningNode, http: Http) -> None:
    """Each later message comes once, by the query or by the header that browsers send."""
    cursors = await publish(http, *range(10))
    async with event_stream(node.internal, f"{FOLLOW}?after={cursors[4]}&last=1") as stream:
        assert [5, 6, 7, 8, 9] == await messages(stream, 5)
    async with event_stream(node.internal, FOLLOW, {"Last-Event-ID": cursors[7]}) as stream:
        assert [8, 9] == await messages(stream, 2)


async def test_P2_a_browser_that_comes_back_repeats_its_url(node: RunningNode, http: Http) -> None:
    """The id of the last event counts before what the URL says, which is as old as the page."""
    cursors = await publish(http, *range(5))
    wanted = f"{FOLLOW}?after={cursors[0]}"
    async with event_stream(node.internal, wanted, {"Last-Event-ID": cursors[3]}) as stream:
        assert "Date" in stream.answer.headers
        assert [4] == await messages(stream, 1)


@pytest.mark.jumping
async def test_pings_are_followed_as_well() -> None:
    """None of them is kept, so none comes first."""
    async with (
        running_node() as node,
        event_stream(node.internal, "/channels/ping/follow?last=20") as stream,
    ):
        for _ in range(2):
            assert {"timestamp"} == (await stream.event()).told["message"].keys()


async def test_P3_what_is_no_longer_kept_is_told(node: RunningNode, http: Http) -> None:
    """Before the first message that is."""
    channel = "short.1"
    first, *_ = await publish(http, 0, channel=channel)
    cursors = await publish(http, *range(1, 20), channel=channel)
    async with event_stream(node.internal, f"/channels/{channel}/follow?after={first}") as stream:
        gap = await stream.event()
        assert ("gap", channel) == (gap.kind, gap.told["channel"])
        assert (first, cursors[14]) == (gap.told["after"], gap.told["first"])
        assert [15, 16, 17, 18, 19] == await messages(stream, 5)


async def test_who_follows_is_no_subscriber(node: RunningNode, http: Http) -> None:
    """Looking at a channel changes none of its numbers."""
    await publish(http, 1)
    async with event_stream(node.internal, f"{FOLLOW}?last=1") as stream:
        assert [1] == await messages(stream, 1)
        told = json.loads((await http.ask(f"/channels/{CHANNEL}")).body)
        assert 0 == told["subscribers"]
        assert [] == json.loads((await http.ask("/sessions")).body)["sessions"]
        nodes = json.loads((await http.ask("/nodes")).body)["nodes"]
        assert [0] == [row["subscribers"] for row in nodes]
        node.node.patrol.review()
        await publish(http, 2)
        assert [2] == await messages(stream, 1)


async def test_streams_are_bounded(
    node: RunningNode, http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One too many is told to come back; the place of who has gone is free."""
    monkeypatch.setattr("broker.api.follow.MAX_FOLLOWERS", 1)
    await publish(http, 1)
    async with event_stream(node.internal, FOLLOW) as stream:
        refused = await http.ask(FOLLOW)
        assert 503 == refused.status
        assert "Retry-After" in refused.headers
        stream.cut()

        async def is_free() -> bool:
            async with connected(node.internal) as other:
                await other.send(FOLLOW)
                return (await other.head()).status == 200

        await eventually(is_free)


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/channels/a.b.c/follow", 404),
        (f"{FOLLOW}?after=yesterday", 400),
        (f"{FOLLOW}?last=0", 400),
        (f"{FOLLOW}?last=1001", 400),
        (f"{FOLLOW}?first=1", 400),
    ],
)
async def test_what_cannot_be_followed(http: Http, target: str, status: int) -> None:
    """A channel without a rule, and mistakes of the request."""
    assert status == (await http.ask(target)).status


async def test_a_head_is_answered_without_a_stream(http: Http) -> None:
    """The connection serves the next request."""
    answer = await http.ask(FOLLOW, method="HEAD")
    assert 200 == answer.status
    assert 200 == (await http.ask("/healthz")).status


async def test_p9_following_needs_a_key_and_shows_its_tenant() -> None:
    """As everything on this listener does."""
    keys = (ApiKey("one", Secret("key-of-tenant-one"), "one"), ApiKey("any", Secret("key-of-any")))
    async with running_node(api_keys=keys) as node, connected(node.internal) as http:
        assert 401 == (await http.ask(FOLLOW)).status
        for tenant in ("main", "one"):
            headers = {**JSON, "X-Api-Key": "key-of-any", "X-Tenant": tenant}
            body = json.dumps(tenant).encode()
            await http.ask(f"/publish/{CHANNEL}", headers, method="POST", body=body)
        headers = {"X-Api-Key": "key-of-tenant-one"}
        async with event_stream(node.internal, f"{FOLLOW}?last=9", headers) as stream:
            assert ["one"] == await messages(stream, 1)


async def test_a_stopping_node_ends_its_streams() -> None:
    """It waits for nobody who looks on."""
    async with running_node() as node, event_stream(node.internal, FOLLOW) as stream:
        await node.node.stop()
        with pytest.raises(EOFError):
            await stream.event()
