"""Tokens, keys and payloads reach no log, however talkative it is and whatever goes wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote
import json
import logging

import pytest

from broker.auth import Verifier
from tests.support.broker import BrokerProcess
from tests.support.frames import TEXT
from tests.support.node import OPEN_CHANNELS, running_node
from tests.support.subscribers import UPGRADE, WebSocket
from tests.support.tokens import hmac_key
from tests.support.waiting import eventually
from tests.support.wire import Http, connected, waiting

KEY = "key-of-the-shop-0123456789"
PAYLOAD = "what-the-customer-said"
COOKIE = "session_of_page"
MARK = "subject-of-nobody-else"
MODES = ("websocket", "longpoll", "shortpoll", "eventsource")


def secrets_of(*tokens: str) -> set[str]:
    """Return what must not be seen of tokens: no part, quoted or not, and nothing they say."""
    parts = {part for token in tokens for part in token.split(".")[1:] if len(part) > 8}
    return parts | {MARK, KEY, PAYLOAD}


def requests(token: str) -> list[tuple[str, dict[str, str]]]:
    """Return requests that carry a token in every place where one may stand, and where not."""
    quoted = quote(token, safe="")
    asked = [
        (f"/{mode}/closed.a/ping{query}", headers)
        for mode in MODES
        for query, headers in (
            (f"?auth_token={quoted}", {}),
            ("", {"Authorization": f"Bearer {token}"}),
            ("", {"Authorization": f"Token {token}"}),
            ("", {"Cookie": f"a=b; {COOKIE}={token}"}),
        )
    ]
    return [
        *asked,
        (f"/{quoted}", {}),
        (f"/longpoll/{quoted}", {}),
        (f"/shortpoll/ping?time=now&tag={quoted}", {"If-None-Match": token}),
        ("/shortpoll/ping", {"Host": token, "Origin": token, "X-Forwarded-For": token}),
    ]


async def ask_all(url: str, token: str) -> None:
    """Send all of them, each on a connection of its own, and look at each answer for a moment."""
    for target, headers in requests(token):
        async with connected(url) as http:
            if headers.get("Host"):
                http.host = headers.pop("Host")
            upgrade = UPGRADE if target.startswith("/websocket") else {}
            with suppress(ValueError, EOFError):
                await http.send(target, {**upgrade, **headers})
                head = await http.head()
                if head.status == 101:
                    await tell_in_band(WebSocket(http, head), token)
    for line in (f"GET /{token} HTTP/9", f"GET / HTTP/1.1\r\nA: \0{token}", f"{token}"):
        async with connected(url) as http:
            await http.send_bytes(f"{line}\r\n\r\n".encode())
            await http.ended()


async def tell_in_band(websocket: WebSocket, token: str) -> None:
    """Send the token in a frame, and wait until it is answered, well or badly."""
    await websocket.send(TEXT, json.dumps({"auth_token": token}).encode())
    async with waiting():
        while b"error" not in (said := await websocket.text()) and b"refreshed" not in said:
            pass


async def publish(http: Http, headers: dict[str, str]) -> None:
    """Publish the payload, well and badly."""
    for target, body in (
        ("/publish/a.b", json.dumps(PAYLOAD)),
        ("/publish/a.b", f'{{"half": "{PAYLOAD}'),
        ("/publish", json.dumps([{"channel": "a.b", "message": PAYLOAD}])),
        ("/publish", f"[{PAYLOAD}]"),
        ("/revoke", json.dumps({"sub": MARK})),
        ("/revoke", json.dumps({"subject": MARK})),
    ):
        sent = {"Content-Type": "application/json", **headers}
        await http.ask(target, sent, method="POST", body=body.encode())


@pytest.fixture(params=["text", "json"])
async def broker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[BrokerProcess]:
    """Run a broker at its most talkative, the event loop's own debugging included."""
    rules = tmp_path / "channels.yaml"
    rules.write_text(OPEN_CHANNELS)
    flags = ("--config", str(rules), "--log-level", "debug", "--log-format", request.param)
    environ = {
        "BROKER_API_KEYS": f"shop:{KEY}",
        "BROKER_TOKEN_COOKIE": COOKIE,
        "BROKER_ALLOWED_ORIGINS": "https://example.com",
        "BROKER_LONGPOLL_TIMEOUT_S": "0.1",
        "PYTHONASYNCIODEBUG": "1",
        "PYTHONDEVMODE": "1",
    }
    async with BrokerProcess(*flags, environ=environ) as running:
        yield running


async def test_P9_no_secret_is_logged_at_debug(broker: BrokerProcess) -> None:
    """Tokens of query, header, cookie and frame, keys and payloads, in requests good and bad."""
    good = broker.token(sub=MARK, role="reader")
    old = hmac_key("x" * 32).mint(1, sub=MARK)
    for token in (good, old, good[:-4] + "AAAA", MARK * 20):
        await ask_all(broker.public, token)
    for headers in ({"X-Api-Key": KEY}, {"Authorization": f"Bearer {KEY}x"}):
        async with connected(broker.internal) as http:
            await publish(http, headers)
    await broker.stop()
    await eventually(lambda: "stopp" in broker.log, what="the log is whole")
    assert not [secret for secret in secrets_of(good, old) if secret in broker.log]


async def test_P9_no_secret_is_in_a_traceback(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the broker itself fails over a token, the log tells where, and not over which."""

    def fail(self: Verifier, token: str | None) -> None:
        del self
        raise ValueError(f"cannot read a token of {len(token or '')} characters")

    async with running_node(token_cookie=COOKIE) as node:
        good = node.token(sub=MARK, role="reader")
        async with node.websocket(["closed.a"], None, good) as websocket:
            monkeypatch.setattr(Verifier, "verify", fail)
            with caplog.at_level(logging.DEBUG):
                await websocket.send(TEXT, json.dumps({"auth_token": good}).encode())
                await ask_all(node.public, good)
                await eventually(lambda: "background" in caplog.text, what="the frame is told of")
    assert "Traceback" in caplog.text
    assert "cannot read a token" in caplog.text
    assert not [secret for secret in secrets_of(good) if secret in caplog.text]
