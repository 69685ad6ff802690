"""HAProxy and Caddy in front of a broker, set up as in `deploy`: every transport gets through."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
import asyncio
import json
import shutil
import socket as sockets

import aiohttp
import pytest
import websockets

from tests.support.broker import BrokerProcess, free_ports
from tests.support.markdown import ROOT
from tests.support.shell import Shell
from tests.support.waiting import eventually

DEPLOY = ROOT / "deploy"
CHANNEL = "conversation_reply.100.7"
DEADLINE_S = 20.0


def haproxy(port: int, broker: BrokerProcess) -> tuple[str, str, str]:
    """Return the configuration with real addresses and without TLS, its file, what starts it."""
    text = _at(broker, (DEPLOY / "haproxy" / "haproxy.cfg").read_text())
    text = text.replace(":443 ssl crt /etc/haproxy/broker.pem alpn http/1.1", f"127.0.0.1:{port}")
    text = text.replace("maxconn 200000", "maxconn 200")
    return text, "haproxy.cfg", "haproxy -db -f haproxy.cfg"


def caddy(port: int, broker: BrokerProcess) -> tuple[str, str, str]:
    """Return the configuration with real addresses and without TLS, its file, what starts it."""
    text = _at(broker, (DEPLOY / "caddy" / "Caddyfile").read_text())
    text = "{\n\tadmin off\n}\n" + text.replace("broker.example", f"http://127.0.0.1:{port}")
    return text, "Caddyfile", "caddy run --config Caddyfile --adapter caddyfile"


def _at(broker: BrokerProcess, text: str) -> str:
    public = broker.public.removeprefix("http://")
    health = broker.internal.rpartition(":")[2]
    for node in ("10.0.0.1:8080", "10.0.0.2:8080"):
        assert node in text
        text = text.replace(node, public)
    return text.replace("8081", health)


@pytest.fixture(params=[haproxy, caddy], ids=["haproxy", "caddy"])
async def front(
    request: pytest.FixtureRequest, tmp_path: Path, broker: BrokerProcess
) -> AsyncIterator[str]:
    """Give the place where a proxy listens, once it finds the broker well."""
    name = request.param.__name__
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed; it comes with Debian's package {name}")
    [port] = free_ports(1)
    text, file, command = request.param(port, broker)
    (tmp_path / file).write_text(text)
    home = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    with Shell(f"exec {command}", tmp_path, home) as running:
        async with aiohttp.ClientSession() as http:

            async def is_up() -> bool:
                assert running.code is None, running.err
                with closing(sockets.socket()) as probe:
                    if probe.connect_ex(("127.0.0.1", port)):
                        return False
                async with http.get(f"http://127.0.0.1:{port}/shortpoll/ping") as answer:
                    return answer.status == 401

            await eventually(is_up, DEADLINE_S, what=f"{name} passes requests on")
        yield f"127.0.0.1:{port}"


async def publish(broker: BrokerProcess, message: int) -> None:
    """Publish a message, past the proxy."""
    url = f"{broker.internal}/publish/{CHANNEL}"
    async with aiohttp.ClientSession() as http, http.post(url, json=message) as answer:
        assert 200 == answer.status


async def test_every_transport_gets_through_at_once(broker: BrokerProcess, front: str) -> None:
    """A WebSocket, an event stream and a long poll get what is published; the rest is 404."""
    target = f"{CHANNEL}?auth_token={broker.token(app_id='100')}"
    async with aiohttp.ClientSession(f"http://{front}") as http:
        async with (
            websockets.connect(f"ws://{front}/websocket/{target}") as socket,
            http.get(f"/eventsource/{target}") as events,
        ):
            await publish(broker, 1)
            envelope = json.loads(await asyncio.wait_for(socket.recv(), DEADLINE_S))
            assert 1 == envelope["message"]
            while b'"message":1' not in await events.content.readline():
                assert 200 == events.status
        place = {"If-None-Match": envelope["tag"], "If-Modified-Since": envelope["time"]}
        poll = asyncio.create_task(_poll(http, f"/longpoll/{target}", place))
        await publish(broker, 2)
        assert 2 == await asyncio.wait_for(poll, DEADLINE_S)
        for path in ("/publish/x", "/metrics", "/"):
            async with http.get(path) as answer:
                assert 404 == answer.status


async def _poll(http: aiohttp.ClientSession, url: str, place: dict[str, str]) -> int:
    async with http.get(url, headers=place) as answer:
        message: int = json.loads(await answer.text())["message"]
        return message
