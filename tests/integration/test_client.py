"""The client with a real node, on every transport, through proxies that misbehave."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
import asyncio
import itertools

import pytest

from broker.client import (
    START,
    Client,
    ClientOptions,
    Closed,
    Cursor,
    Gap,
    Refused,
    Stamp,
    Subscription,
    Transport,
    Unauthorized,
    Unreachable,
    Unreadable,
)
from broker.client.address import read_address
from broker.client.publishing import Publishing
from broker.client.site import Site
from broker.settings import ListenAddress
from broker.settings.values import ApiKey, Secret
from tests.support.clock import JumpingLoop
from tests.support.front import front
from tests.support.node import RunningNode, SharedMemoryStore, running_node, wall_clock
from tests.support.tls import tls_front
from tests.support.waiting import eventually

TRANSPORTS: tuple[Transport, ...] = ("websocket", "eventsource", "longpoll")
QUICK = ClientOptions(retry_s=(0.01, 0.05), quick_retry_s=0.01, publish_deadline_s=5.0)
WAIT_S = 20.0


@pytest.fixture(params=TRANSPORTS)
def options(request: pytest.FixtureRequest) -> ClientOptions:
    """Give options for each transport in turn, without long waits."""
    return only(request.param)


def only(*transports: Transport, **more: Any) -> ClientOptions:
    """Return options for some transports, without long waits."""
    waits = {"retry_s": (0.01, 0.05), "quick_retry_s": 0.01, "publish_deadline_s": 5.0}
    return ClientOptions(transports=transports or TRANSPORTS, **{**waits, **more})


def client_of(node: RunningNode, options: ClientOptions = QUICK, **more: Any) -> Client:
    """Return a client of a node."""
    return Client(**{"url": node.public, "internal": node.internal, "options": options, **more})


async def take(messages: Subscription, count: int) -> list[Any]:
    """Return the payloads of the next messages."""
    async with asyncio.timeout(WAIT_S):
        return [(await anext(messages)).message for _ in range(count)]


# --- subscribing ---------------------------------------------------------------------------------


async def test_a_newcomer_gets_what_comes(node: RunningNode, options: ClientOptions) -> None:
    """From the moment on that the subscription is entered, with id, channel and cursor."""
    async with client_of(node, options) as client:
        await client.publish("chat.1", "before")
        async with client.subscribe("chat.1", "chat.2") as messages:
            stamps = [*await client.publish("chat.2", {"n": 1}), *await client.publish("chat.1", 2)]
            async with asyncio.timeout(WAIT_S):
                got = [await anext(messages), await anext(messages)]

    assert [{"n": 1}, 2] == [message.message for message in got]
    assert stamps == [Stamp(message.channel, message.id, message.cursor) for message in got]


async def test_p1_any_transport_goes_on_where_another_was(node: RunningNode) -> None:
    """The cursor of a message, or its text, resumes on every transport."""
    async with client_of(node) as client:
        await client.publish_batch(("chat.1", number) for number in range(9))
        cursor: Cursor | str = START
        read = []
        for number, transport in enumerate(TRANSPORTS * 2):
            async with (
                client_of(node, only(transport)) as reader,
                reader.subscribe("chat.1", cursor=cursor) as messages,
            ):
                read += await take(messages, 1)
                assert messages.cursor is not None
                cursor = messages.cursor if number % 2 else str(messages.cursor)
    assert list(range(6)) == read


async def test_p2_cuts_lose_and_repeat_nothing(node: RunningNode, options: ClientOptions) -> None:
    """A proxy that cuts every connection after some bytes delays messages, and no more."""
    async with (
        front(node.public) as proxy,
        client_of(node, options, url=proxy.url) as client,
        client.subscribe("chat.1") as messages,
    ):
        proxy.cut_after = 3000
        await client.publish_batch(("chat.1", [number, "x" * 50]) for number in range(500))
        numbers = [number for number, _ in await take(messages, 500)]
    assert list(range(500)) == numbers
    assert proxy.cuts > 5


async def test_p2_a_restart_loses_and_repeats_nothing(options: ClientOptions) -> None:
    """A node that goes, and comes back on the same port, is found again."""
    store = SharedMemoryStore(wall_clock())
    async with AsyncExitStack() as stack:
        async with running_node(store) as first:
            client = await stack.enter_async_context(client_of(first, options))
            messages = client.subscribe("chat.1", cursor=START)
            await first.publish("chat.1", 1)
            assert [1] == await take(messages, 1)
            addresses: dict[str, Any] = {**first.node.addresses}
        waiting = asyncio.create_task(take(messages, 2))
        publishing = asyncio.create_task(client.publish("chat.1", 2))
        async with running_node(store, **addresses) as second:
            await publishing
            await second.publish("chat.1", 3)
            assert [2, 3] == await waiting
            await client.close()


@pytest.mark.jumping
async def test_d49_a_drained_client_comes_back_when_it_was_asked_to(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A node that stops tells each subscriber its place and a wait of 20 to 30 seconds."""
    store = SharedMemoryStore(wall_clock())
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        async with running_node(store) as first:
            client = await stack.enter_async_context(Client(first.public))
            messages = client.subscribe("chat.1", cursor=START)
            await first.publish("chat.1", 1)
            assert 1 == (await anext(messages)).message
            addresses: dict[str, Any] = {**first.node.addresses}
        async with running_node(store, **addresses) as second:
            await second.publish("chat.1", 2)
            began = loop.time()
            assert 2 == (await anext(messages)).message
            assert 20 <= loop.time() - began <= 31
            await client.close()
    assert "closed with 3503" in caplog.text


async def test_p3_gaps_are_told(node: RunningNode, options: ClientOptions) -> None:
    """Whoever comes back too late is told, before the first message that is still kept."""
    gaps: list[Gap] = []
    async with client_of(node, options) as client:
        (first,) = await client.publish("short.1", 0)
        await client.publish_batch(("short.1", number) for number in range(1, 20))
        messages = client.subscribe("short.1", cursor=first.cursor, on_gap=gaps.append)
        async with asyncio.timeout(WAIT_S):
            kept = await anext(messages)
    assert 15 == kept.message
    assert [(first.cursor, kept.cursor)] == [(gap.after, gap.first) for gap in gaps]


async def test_p8_a_slow_consumer_is_served_at_its_own_pace(
    node: RunningNode, options: ClientOptions
) -> None:
    """What it has not taken waits in the ring, not in the client, and comes in order."""
    async with client_of(node, options) as client, client.subscribe("chat.1") as messages:
        await client.publish("chat.1", [-1, ""])
        await take(messages, 1)
        await client.publish_batch(("chat.1", [number, "x" * 10_000]) for number in range(900))
        assert len(messages._ready) <= 1
        assert list(range(900)) == [number for number, _ in await take(messages, 900)]


@pytest.mark.jumping
async def test_d24_pings_arrive(node: RunningNode, options: ClientOptions) -> None:
    """The channel that every node makes is read like any other."""
    async with client_of(node, options) as client:
        messages = client.subscribe("ping", cursor=START)
        times = [(await anext(messages)).message["timestamp"] for _ in range(5)]
        assert all(9 < later - earlier < 11 for earlier, later in itertools.pairwise(times[1:]))


async def test_a_wait_that_is_cancelled_loses_nothing(
    node: RunningNode, options: ClientOptions
) -> None:
    """A consumer that waits with a deadline of its own goes on where it was."""
    async with client_of(node, options) as client, client.subscribe("chat.1") as messages:
        for number in range(5):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(messages), 0.02)
            await node.publish("chat.1", number)
            assert [number] == await take(messages, 1)


# --- transports ----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 400, 403, 404, 426])
@pytest.mark.parametrize("blocked", [("/websocket",), ("/websocket", "/eventsource")])
async def test_a_blocked_websocket_gives_way(
    node: RunningNode, blocked: tuple[str, ...], status: int
) -> None:
    """Where a proxy answers in its own words, the next transport carries on."""
    async with (
        front(node.public) as proxy,
        client_of(node, url=proxy.url) as client,
        client.subscribe("chat.1") as messages,
    ):
        proxy.blocked, proxy.status = blocked, status
        await client.publish("chat.1", 1)
        assert [1] == await take(messages, 1)
        paths = [target.split("/")[1] for target in proxy.targets]
        assert [*(path[1:] for path in blocked), TRANSPORTS[len(blocked)]] == paths[1:]


async def test_p2_a_transport_that_is_blocked_later_loses_nothing(node: RunningNode) -> None:
    """A proxy that is set up differently from one moment to the next costs a new connection."""
    async with (
        front(node.public) as proxy,
        client_of(node, url=proxy.url) as client,
        client.subscribe("chat.1") as messages,
    ):
        for number in range(8):
            await client.publish("chat.1", number)
            assert [number] == await take(messages, 1)
            proxy.blocked = [(), ("/websocket",), ("/websocket", "/eventsource")][number % 3]
            proxy.cut()


async def test_tls_carries_the_same(
    node: RunningNode, options: ClientOptions, tmp_path: Path
) -> None:
    """Behind a front that ends TLS, with the certificate checked."""
    async with tls_front(node.public, tmp_path) as (url, trust):
        wss = url.replace("https", "wss")
        async with (
            client_of(node, options, url=wss, tls=trust) as client,
            client.subscribe("chat.1") as messages,
        ):
            await node.publish("chat.1", 1)
            assert [1] == await take(messages, 1)


async def test_unix_sockets_carry_the_same(options: ClientOptions, tmp_path: Path) -> None:
    """Both listeners of a node may be paths."""
    public, internal = (ListenAddress(path=tmp_path / name) for name in ("public", "internal"))
    async with (
        running_node(public=public, internal=internal),
        Client(str(public), internal=str(internal), options=options) as client,
        client.subscribe("chat.1") as messages,
    ):
        await client.publish("chat.1", 1)
        assert [1] == await take(messages, 1)


@pytest.mark.jumping
async def test_a_connection_that_fell_silent_is_made_anew(options: ClientOptions) -> None:
    """A broker that vanished without a word is noticed, on every transport."""
    async with running_node() as node, front(node.public) as proxy:
        patient = ClientOptions(transports=options.transports)
        async with (
            Client(proxy.url, options=patient) as client,
            client.subscribe("chat.1") as messages,
        ):
            waiting = asyncio.create_task(anext(messages))
            await eventually(lambda: node.sessions)
            proxy.deaf = True
            await proxy.asked(3)
            proxy.deaf = False
            await node.publish("chat.1", 1)
            assert 1 == (await waiting).message


# --- refusals ------------------------------------------------------------------------------------


async def test_a_refusal_is_raised(node: RunningNode, options: ClientOptions) -> None:
    """No channel allowed, or a malformed list: with status, sentence and problem document."""
    async with client_of(node, options, token=node.token(sub="7")) as client:
        many = [f"chat.{number}" for number in range(51)]
        for channels, status in ((["closed.1"], 403), (["a*"], 400), (many, 400)):
            for cursor in (None, START):
                with pytest.raises(Refused) as refusal:
                    await anext(client.subscribe(*channels, cursor=cursor))
                assert status == refusal.value.status


@pytest.mark.parametrize("how", ["handshake", "close"])
async def test_a_bad_token_is_raised(options: ClientOptions, how: str) -> None:
    """Whichever way the broker is set to refuse, and without a word of the token."""
    async with (
        running_node(refuse_websocket=how) as node,
        client_of(node, options, token="not.a.token") as client,
    ):
        for cursor in (None, START):
            with pytest.raises(Unauthorized) as refusal:
                await anext(client.subscribe("chat.1", cursor=cursor))
            assert 401 == refusal.value.status
            assert "not.a.token" not in str(refusal.value)


@pytest.mark.jumping
async def test_p2_a_token_is_renewed_without_loss(options: ClientOptions) -> None:
    """When it expires on a live connection, the next one carries on where that ended."""
    made: list[str] = []

    async with running_node() as node:

        def source() -> str:
            claims = {"sub": "7", "role": "reader", "jti": str(len(made))}
            made.append(node.token(None, exp=int(node.clock()) + 60, **claims))
            return made[-1]

        async with (
            client_of(node, options, token=source) as client,
            client.subscribe("closed.1") as messages,
        ):
            for number in range(10):
                await client.publish("closed.1", number)
                assert number == (await anext(messages)).message
                waiting = asyncio.create_task(anext(messages))
                await asyncio.sleep(25)
                await client.publish("closed.1", "more")
                assert "more" == (await waiting).message
    assert 4 <= len(made) <= 6


async def test_what_cannot_be_asked_for_is_refused_at_once() -> None:
    """Before anything is sent."""
    async with Client("http://127.0.0.1:1", internal="http://127.0.0.1:1") as client:
        for channels in ((), ("",), ("a/b",)):
            with pytest.raises(ValueError, match="channels"):
                client.subscribe(*channels)
        with pytest.raises(ValueError, match="channel"):
            await client.publish([], 1)
        with pytest.raises(TypeError):
            await client.publish("a", object())
    async with Client() as nowhere:
        with pytest.raises(ValueError, match="url"):
            nowhere.subscribe("a")
        with pytest.raises(ValueError, match="internal"):
            await nowhere.publish("a", 1)


async def test_a_message_over_the_limit_is_raised(
    node: RunningNode, options: ClientOptions
) -> None:
    """One that the client is told never to take does not make it come back for ever."""
    small = ClientOptions(
        transports=options.transports, max_message_bytes=1000, max_answer_bytes=1000
    )
    async with client_of(node, small) as client, client.subscribe("chat.1") as messages:
        await client.publish("chat.1", "x" * 2000)
        with pytest.raises(Unreadable):
            await asyncio.wait_for(anext(messages), WAIT_S)


# --- publishing ----------------------------------------------------------------------------------


async def stored(client: Client, channel: str, count: int) -> Sequence[Any]:
    """Return what a channel holds, and check that it holds no more."""
    await client.publish(channel, "end")
    async with client.subscribe(channel, cursor=START, on_gap=lambda _: None) as messages:
        read = await take(messages, count + 1)
    assert "end" == read[-1], "more is stored than was published"
    return read[:-1]


async def test_p6_an_answer_that_is_lost_stores_once(node: RunningNode) -> None:
    """The publish is tried again with its key, and gets the answer of the first try."""
    async with front(node.internal) as proxy, client_of(node, internal=proxy.url) as client:
        proxy.swallow = 3
        (stamp,) = await client.publish("chat.1", "once", event_id="e", event_type="t")
        assert 3 == proxy.cuts
        assert 1 == stamp.id
        assert ["once"] == await stored(client, "chat.1", 1)


async def test_p6_a_batch_through_cuts_stores_once(node: RunningNode) -> None:
    """Each request of a batch is tried again until it is answered, and stored once."""
    options = only(chunk_messages=20)
    stamps: list[Stamp] = []
    async with (
        front(node.internal) as proxy,
        client_of(node, options, internal=proxy.url) as client,
    ):

        async def items() -> AsyncIterator[tuple[str, int]]:
            for number in range(300):
                proxy.swallow += number % 31 == 0
                yield "chat.1", number

        assert 300 == await client.publish_batch(items(), on_stored=stamps.extend)
        assert proxy.cuts > 5
        assert list(range(300)) == await stored(client, "chat.1", 300)
    assert list(range(1, 301)) == [stamp.id for stamp in stamps]


async def test_p6_a_batch_that_broke_off_is_completed(node: RunningNode) -> None:
    """Sent again with its key, what was stored before is not stored again."""
    options = only(chunk_messages=10)
    items = [("chat.1", number) for number in range(50)]
    async with (
        front(node.internal) as proxy,
        client_of(
            node, only(chunk_messages=10, publish_deadline_s=0.2), internal=proxy.url
        ) as hasty,
        client_of(node, options) as client,
    ):

        def give_up(stamps: Sequence[Stamp]) -> None:
            proxy.swallow = 10**6 if stamps[-1].id == 30 else 0

        with pytest.raises(Unreachable) as failure:
            await hasty.publish_batch(items, idempotency_key="batch", on_stored=give_up)
        assert 30 == failure.value.stored
        assert 50 == await client.publish_batch(items, idempotency_key="batch")
        assert list(range(50)) == await stored(client, "chat.1", 50)


async def test_p6_several_channels_in_one_step(node: RunningNode) -> None:
    """One call, or one item of a batch, reaches all of its channels."""
    async with client_of(node) as client:
        stamps = await client.publish(["chat.1", "chat.2"], 1)
        assert ["chat.1", "chat.2"] == [stamp.channel for stamp in stamps]
        assert 2 == await client.publish_batch([(["chat.1", "chat.2"], 2)])
        assert [1, 2] == await stored(client, "chat.1", 2)


async def test_a_refused_publish_is_raised(node: RunningNode) -> None:
    """With what is wrong, and without a second try."""
    async with front(node.internal) as proxy, client_of(node, internal=proxy.url) as client:
        with pytest.raises(Refused) as refusal:
            await client.publish("a.b.c.d", 1)
        assert 404 == refusal.value.status
        with pytest.raises(Refused) as refusal:
            await client.publish("chat.1", "x" * 100_000)
        assert 413 == refusal.value.status
        assert len(proxy.targets) <= 2


async def test_keys_and_tenants_are_sent() -> None:
    """A publisher with a key speaks for its tenant; one with another key is refused."""
    keys = (ApiKey("shop", Secret("k" * 32), "shop"),)
    async with running_node(api_keys=keys) as node:
        for key in ("", "x" * 32):
            async with client_of(node, api_key=key) as stranger:
                with pytest.raises(Unauthorized):
                    await stranger.publish("chat.1", 1)
        token = node.token(sub="7", tenant="shop")
        async with (
            client_of(node, api_key="k" * 32, tenant="shop", token=token) as client,
            client.subscribe("chat.1") as messages,
        ):
            await client.publish("chat.1", 1)
            assert [1] == await take(messages, 1)


@pytest.mark.jumping
async def test_a_publish_that_nobody_answers_ends_in_time() -> None:
    """After `publish_deadline_s`, with the key to try again with."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with Client(internal="http://127.0.0.1:1") as client:
        with pytest.raises(Unreachable) as failure:
            await client.publish("chat.1", 1, idempotency_key="the-key")
    assert "the-key" == failure.value.idempotency_key
    assert 50 <= loop.time() - began <= 61


@pytest.mark.jumping
async def test_a_publish_after_a_sleep_of_the_machine_ends_all_the_same() -> None:
    """Where the deadline passes while a retry is waited for, the last try is a short one."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, JumpingLoop)

    def asleep(shortest_s: float, longest_s: float) -> float:
        loop.call_later(longest_s / 2, loop.advance, 3600)
        return max(shortest_s, longest_s)

    left = 0

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal left
        await reader.read()
        writer.close()
        await writer.wait_closed()
        left += 1

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    site = Site(read_address(f"http://{host}:{port}"))
    async with server, asyncio.timeout(8000):
        with pytest.raises(Unreachable):
            await Publishing(site, ClientOptions(), {}, asleep).one(["chat.1"], 1)
        await site.close()
        await eventually(lambda: left == 2, what="both tries are over")


# --- the end -------------------------------------------------------------------------------------


async def test_close_leaves_nothing_behind(node: RunningNode, options: ClientOptions) -> None:
    """Subscriptions end, connections are closed, and no task goes on."""
    before = len(asyncio.all_tasks())
    client = client_of(node, options)
    subscriptions = [client.subscribe(f"chat.{number}") for number in range(5)]
    tasks = [asyncio.create_task(anext(messages, None)) for messages in subscriptions]
    await eventually(lambda: node.sessions == 5)
    await asyncio.wait_for(client.close(), 5)

    assert [None] * 5 == await asyncio.wait_for(asyncio.gather(*tasks), 5)
    await eventually(lambda: node.sessions == 0)
    await eventually(lambda: len(asyncio.all_tasks()) <= before)


async def test_nothing_is_asked_for_after_the_end(node: RunningNode) -> None:
    """Neither by a subscription nor by a publish; nobody would close what they open."""
    client = client_of(node)
    await client.publish("chat.1", 1)
    await client.close()
    with pytest.raises(Closed):
        await client.publish("chat.1", 2)
    with pytest.raises(Closed):
        await anext(client.subscribe("chat.1"))
    await client.close()
