"""A broker to talk to, wherever it runs: two URLs, and a key that it believes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote
import json

from broker.core.cursor import Cursor
from tests.support.subscribers import EventStream, WebSocket, event_stream, websocket
from tests.support.tokens import hmac_key
from tests.support.wire import Answer, Http, connected, read_cursor, subscription


class Published(NamedTuple):
    """
    A message that a publisher was told is stored.

    Attributes:
        channel: Where it went.
        id: Its number there.
        cursor: Where it stands.
        message: The payload.
    """

    channel: str
    id: int
    cursor: Cursor
    message: Any


@dataclass(frozen=True)
class Target:
    """
    A broker under test.

    Attributes:
        public: URL of its public listener, without a slash at the end.
        internal: URL of its internal listener, without a slash at the end.
        secret: Secret of the tokens that it believes.
    """

    public: str
    internal: str
    secret: str

    # --- tokens ------------------------------------------------------------------------------

    def token(self, ttl_s: float | None = 3600, /, **claims: Any) -> str:
        """Sign a token; see `SigningKey.mint`."""
        return hmac_key(self.secret).mint(ttl_s, **claims)

    def operator(self, app: str, /, **claims: Any) -> str:
        """Sign a token that reads everything of an app."""
        return self.token(**{"sub": "1", "app_id": app, "role": "operator", **claims})

    def visitor(self, app: str, user: str, /, **claims: Any) -> str:
        """Sign a token that reads what concerns one user of an app."""
        return self.token(**{"sub": user, "app_id": app, **claims})

    # --- subscribing -------------------------------------------------------------------------

    def connect(self) -> AbstractAsyncContextManager[Http]:
        """Connect to the public listener for the length of a block."""
        return connected(self.public)

    async def ask(self, target: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Send one GET to the public listener, on a connection of its own."""
        async with self.connect() as http:
            return await http.ask(target, headers or {})

    async def poll(
        self,
        channels: Sequence[str],
        cursor: Cursor | None = None,
        token: str = "",
        /,
        mode: str = "shortpoll",
    ) -> Answer:
        """Poll once, on a connection of its own."""
        return await self.ask(subscription(mode, channels, cursor, token))

    def websocket(
        self,
        channels: Sequence[str],
        cursor: Cursor | None = None,
        token: str = "",
        /,
        **parameters: str,
    ) -> AbstractAsyncContextManager[WebSocket]:
        """Open a WebSocket for the length of a block."""
        wanted = subscription("websocket", channels, cursor, token, **parameters)
        return websocket(self.public, wanted)

    def events(
        self,
        channels: Sequence[str],
        cursor: Cursor | None = None,
        token: str = "",
        /,
        **parameters: str,
    ) -> AbstractAsyncContextManager[EventStream]:
        """Open an event stream for the length of a block."""
        wanted = subscription("eventsource", channels, cursor, token, **parameters)
        return event_stream(self.public, wanted)

    async def now(self, channels: Sequence[str], token: str = "", /) -> Cursor:
        """Return the cursor of now, as a newcomer's first poll gets it."""
        answer = await self.poll(channels, None, token)
        assert 304 == answer.status, answer
        return answer.cursor

    # --- publishing --------------------------------------------------------------------------

    def connect_internal(self) -> AbstractAsyncContextManager[Http]:
        """Connect to the internal listener for the length of a block."""
        return connected(self.internal)

    async def publish(
        self, channels: str | Sequence[str], message: Any, /, **headers: str
    ) -> Published:
        """
        Publish one message; return the first stamp that it got.

        Returns once every subscriber's request finds it. By itself the publisher's answer does not
        say so: it can be read before the announcement that was sent just before it.
        """
        async with self.connect_internal() as http:
            stored = await publish(http, channels, message, headers)
        await self.settle()
        return stored[0]

    async def revoke(self, /, headers: Mapping[str, str] | None = None, **members: Any) -> Answer:
        """Send a revocation to the internal listener; return what it says."""
        sent = {"Content-Type": "application/json", **(headers or {})}
        async with self.connect_internal() as http:
            body = json.dumps(members).encode()
            return await http.ask("/revoke", sent, method="POST", body=body)

    async def settle(self) -> Cursor:
        """Have the node catch up with everything that is stored: a newcomer's poll does that."""
        return await self.now(["ping"], self.token(None, sub="0"))


async def publish(
    http: Http,
    channels: str | Sequence[str],
    message: Any,
    headers: Mapping[str, str] | None = None,
) -> list[Published]:
    """Publish one message over a connection to the internal listener; return its stamps."""
    names = [channels] if isinstance(channels, str) else channels
    path = "/".join(quote(name, safe="") for name in names)
    body = json.dumps(message).encode()
    sent = {"Content-Type": "application/json"} | {
        name.replace("_", "-"): value for name, value in (headers or {}).items()
    }
    answer = await http.ask(f"/publish/{path}", sent, method="POST", body=body)
    return _stamps(answer, [message] * len(names))


async def publish_batch(
    http: Http, messages: Sequence[tuple[str, Any]], headers: Mapping[str, str] | None = None
) -> list[Published]:
    """Publish many messages, all or none, over a connection to the internal listener."""
    lines = [json.dumps({"channel": name, "message": message}) for name, message in messages]
    sent = {"Content-Type": "application/x-ndjson", **(headers or {})}
    body = "\n".join(lines).encode()
    answer = await http.ask("/publish", sent, method="POST", body=body)
    return _stamps(answer, [message for _, message in messages])


def _stamps(answer: Answer, messages: Sequence[Any]) -> list[Published]:
    assert 200 == answer.status, answer
    rows = json.loads(answer.body)["messages"]
    return [
        Published(row["channel"], row["id"], read_cursor(row["tag"], row["time"]), message)
        for row, message in zip(rows, messages, strict=True)
    ]
