"""What a broker says of itself: lines for machines, and spans for a collector."""

from __future__ import annotations

from collections.abc import AsyncIterator
import json

from aiohttp import ClientSession, web
import pytest

from tests.support.broker import BrokerProcess, free_ports
from tests.support.waiting import eventually

PAYLOAD = "a-message-that-nobody-may-log"
REQUEST = {"X-Request-Id": "order-4711"}
TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACED = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}


class Collector:
    """
    Takes spans, as an OpenTelemetry collector does.

    Attributes:
        received: The bodies that came.
    """

    def __init__(self) -> None:
        self.received: list[bytes] = []

    async def take(self, request: web.Request) -> web.Response:
        """Answer one batch of spans."""
        self.received.append(await request.read())
        return web.Response(content_type="application/x-protobuf")

    @property
    def text(self) -> bytes:
        """Everything that came."""
        return b"".join(self.received)


@pytest.fixture
async def collector() -> AsyncIterator[tuple[Collector, str]]:
    """Give a collector, and its address."""
    taken = Collector()
    app = web.Application()
    app.router.add_post("/v1/traces", taken.take)
    runner = web.AppRunner(app)
    await runner.setup()
    [port] = free_ports(1)
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield taken, f"http://127.0.0.1:{port}/v1/traces"
    await runner.cleanup()


async def test_a_life_in_lines_and_spans(collector: tuple[Collector, str]) -> None:
    """Each event is one line of JSON; requests have ids, publishes spans; no secret is told."""
    spans, endpoint = collector
    flags = ("--store", "memory:", "--drain-s", "0", "--log-format", "json")
    async with (
        BrokerProcess(*flags, "--log-level", "debug", "--trace-endpoint", endpoint) as broker,
        ClientSession() as session,
    ):
        token = broker.token(app_id="100")
        channel = "conversation_reply.100.7"
        url = f"{broker.public}/eventsource/{channel}?auth_token={token}"
        publish = f"{broker.internal}/publish/{channel}"
        async with session.get(url) as events:
            assert 200 == events.status
            headers = {**REQUEST, **TRACED}
            async with session.post(publish, json=PAYLOAD, headers=headers) as answer:
                assert REQUEST["X-Request-Id"] == answer.headers["X-Request-Id"]
            while PAYLOAD.encode() not in await events.content.readline():
                assert 200 == events.status
        async with session.get(f"{broker.public}/shortpoll/{channel}", headers=REQUEST) as answer:
            assert (401, "order-4711") == (answer.status, answer.headers["X-Request-Id"])
        async with session.post(publish, data=b"{", headers={"X-Request-Id": "not good"}) as answer:
            assert 16 == len(answer.headers["X-Request-Id"])
        async with session.delete(f"{broker.internal}/channels/{channel}") as answer:
            assert 200 == answer.status
        async with session.post(f"{broker.internal}/revoke", json={"sub": "someone"}) as answer:
            assert 200 == answer.status
        assert 0 == await broker.stop()
        lines = [json.loads(line) for line in broker.log.splitlines()]
        told = [line["event"] for line in lines if "event" in line]
        assert ["started", "channel-emptied", "revoked", "stopping", "stopped"] == told
        assert {"debug"} == {
            line["level"] for line in lines if line.get("request_id") == "order-4711"
        }
        assert token not in broker.log
        assert PAYLOAD not in broker.log
        await eventually(lambda: bytes.fromhex(TRACE) in spans.text, what="the spans arrive")
        assert all(name in spans.text for name in (b"publish", b"stamp", b"announce", b"write"))
        assert PAYLOAD.encode() not in spans.text
