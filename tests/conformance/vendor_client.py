"""
The vendor's web chat client, as dashly-rts.md, section 2.3, describes it, on a network that fails.

Written from that text, point by point, and not from this broker: it builds its URLs, splits its
bodies and keeps its cursor by itself, the way a browser would.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any
from urllib.parse import quote
import asyncio
import json

from tests.support.frames import CLOSE, PING, PONG, TEXT
from tests.support.subscribers import UPGRADE, WebSocket
from tests.support.wire import Answer, Http, connect

RETRY_S = 15.0
SHORTPOLL_S = 3.0
SILENCE_S = 120.0
BANNER_S = 300.0
PAGE = "https://page.example"


class Cut(Exception):
    """The network failed."""


class FlakyNetwork:
    """
    A network that refuses, cuts and truncates.

    Args:
        random: Decides what fails, and when.

    Attributes:
        sockets_blocked: Whether it lets no WebSocket through.
        counts: What happened so far.
    """

    def __init__(self, random: Random, *, sockets_blocked: bool) -> None:
        self.sockets_blocked = sockets_blocked
        self.counts: Counter[str] = Counter()
        self._random = random
        self._kept: dict[str, Http] = {}

    async def open(self, host: str, target: str) -> WebSocket:
        """Open a WebSocket that is going to be cut, after some minutes at the latest."""
        http = await self._connect(host)
        if self.sockets_blocked:
            self.counts["blocked sockets"] += 1
            await http.close()
            raise Cut("something on the way knows no WebSocket")
        try:
            answer = await http.ask(target, {**UPGRADE, "Origin": PAGE})
        except BaseException as error:
            await http.close()
            raise _as_cut(error) from error
        if answer.status != 101:
            self.counts[f"handshake {answer.status}"] += 1
            await http.close()
            raise Cut("the handshake was refused")
        self.counts["sockets"] += 1
        self._cut_within(http, self._random.expovariate(1 / 300))
        return WebSocket(http, answer)

    async def get(self, host: str, target: str) -> Answer:
        """Send a request on a connection that is kept; now and then the answer does not arrive."""
        http = self._kept.pop(host, None) or await self._connect(host)
        fate = self._random.random()
        soon = fate < 0.05
        cutting = self._cut_within(http, self._random.uniform(0, 30) if soon else 1e6)
        try:
            await http.send(target, {"Origin": PAGE})
            answer = await self._receive(http, truncated=fate > 0.97)
        except BaseException as error:
            await http.close()
            raise _as_cut(error) from error
        finally:
            cutting.cancel()
        self.counts[f"{target.split('/')[1]} {answer.status}"] += 1
        await self._keep(host, http)
        return answer

    async def close(self) -> None:
        """Close the connections that were kept."""
        for http in self._kept.values():
            await http.close()
        self._kept.clear()

    async def _receive(self, http: Http, *, truncated: bool) -> Answer:
        head = await http.head()
        if head.status == 304:
            return head
        size = int(head.headers["Content-Length"])
        if truncated:
            self.counts["truncated"] += 1
            await http.reader.readexactly(size // 2)
            raise Cut("half of the answer was lost")
        return head._replace(body=await http.reader.readexactly(size))

    async def _connect(self, host: str) -> Http:
        if self._random.random() < 0.01:
            self.counts["refused"] += 1
            raise Cut("the network is down")
        try:
            return await connect(host)
        except OSError as error:
            self.counts["refused"] += 1
            raise Cut("nobody listens") from error

    async def _keep(self, host: str, http: Http) -> None:
        if self._random.random() < 0.5:
            self._kept[host] = http
        else:
            await http.close()

    def _cut_within(self, http: Http, seconds: float) -> asyncio.TimerHandle:
        def cut() -> None:
            self.counts["cuts"] += 1
            http.cut()

        return asyncio.get_running_loop().call_later(seconds, cut)


class VendorClient:
    """
    One page of the vendor's client, from its loading to its reload.

    Args:
        hosts: Base URLs of the nodes; one is picked at random for every connection.
        channels: What it wants to hear.
        token: Gives a token that is good for now.
        network: What lies between.
        random: Picks hosts.
        now: Seconds since the epoch, as the product's server told them.
        knows_sockets: Whether the browser has WebSockets at all.

    Attributes:
        since: `time` of its first connection: one second before now.
        heard: Everything that was dispatched but pings, in order.
        troubles: What the vendor's developers would have to hear of.
    """

    def __init__(
        self,
        hosts: Sequence[str],
        channels: Sequence[str],
        token: Callable[[], str],
        network: FlakyNetwork,
        random: Random,
        now: Callable[[], float],
        *,
        knows_sockets: bool,
    ) -> None:
        self.since = int(now()) - 1
        self.heard: list[dict[str, Any]] = []
        self.troubles: list[str] = []
        self.network = network
        self._hosts = hosts
        self._path = "/".join(channels)
        self._token = token
        self._random = random
        self._now = now
        self._time: str | None = _http_date(self.since)
        self._tag: str | None = ""  # point 2
        self._transports = ["ws", "wss", "longpoll"] if knows_sockets else ["longpoll"]
        self._reported = ""
        self._connects = 0
        self._loaded_at = now() + random.uniform(2, 60)
        self._heard_at = now()

    async def run(self) -> None:
        """Live until cancelled."""
        try:
            while True:
                if self._transports[0] == "longpoll":
                    await self._poll()
                else:
                    await self._open_socket()
        finally:
            await self.network.close()

    # --- WebSocket ---------------------------------------------------------------------------

    async def _open_socket(self) -> None:
        target = (  # point 1
            f"/websocket/{self._path}?auth_token={self._token()}"
            f"&reconnect={'true' if self._connects else 'false'}&external_chat=true"
            f"{self._reported}&time={quote(self._time or 'null')}&tag={self._tag}"
        )
        self._connects += 1
        try:
            socket = await self.network.open(self._host(), target)
        except Cut:
            self._transports.pop(0)  # point 11: ws, wss, long poll
            await asyncio.sleep(RETRY_S)
            return
        try:
            await self._listen(socket)
        finally:
            await socket.http.close()

    async def _listen(self, socket: WebSocket) -> None:
        while True:
            try:
                async with asyncio.timeout(SILENCE_S):
                    frame = await socket.frame()
            except TimeoutError:  # point 12
                self.network.counts["silent sockets"] += 1
                return None
            except (OSError, EOFError):
                return await self._closed(1006, "")
            if frame.opcode == CLOSE:
                self.network.counts[f"close {frame.code}"] += 1
                return await self._closed(frame.code, frame.reason)
            if frame.opcode == PING:
                await socket.send(PONG, frame.payload)
            elif frame.opcode == TEXT:
                self._take(frame.payload.decode())

    async def _closed(self, code: int, reason: str) -> None:
        self._reported = f"&reconnect_code={code}&reconnect_reason={quote(reason)}"
        await asyncio.sleep(RETRY_S)  # point 11

    def _take(self, text: str) -> None:
        """Take one frame: its cursor whatever it is (point 3), then its message."""
        frame = json.loads(text)
        self._tag, self._time = frame.get("tag"), frame.get("time")
        if self._tag is None or self._time is None:
            self.troubles.append(f"a frame wiped the cursor (point 13): {text}")
        if "channel" not in frame:
            if frame["error"]["status"] not in (401, 403):
                self.troubles.append(f"an unknown error frame: {text}")
            return
        self._dispatch(frame)

    # --- polling -----------------------------------------------------------------------------

    async def _poll(self) -> None:
        loading = self._now() < self._loaded_at  # point 8
        target = (
            f"/{'shortpoll' if loading else 'longpoll'}/{self._path}?auth_token={self._token()}"
            f"&time={quote(self._time or 'null')}&tag={self._tag}"  # point 7
        )
        try:
            answer = await self.network.get(self._host(), target)
        except Cut:
            await asyncio.sleep(RETRY_S)
            return
        if answer.status not in (200, 304):  # point 6
            await asyncio.sleep(RETRY_S)
            return
        if answer.status == 200:
            for piece in answer.body.decode().split("\n")[:-1]:  # point 5
                self._dispatch(json.loads(piece))
        self._tag, self._time = (
            self._exposed(answer, "ETag"),
            self._exposed(answer, "Last-Modified"),
        )
        if self._tag is None or self._time is None:
            self.troubles.append(f"a poll gave no cursor (points 4 and 9): {answer}")
        if loading:
            await asyncio.sleep(SHORTPOLL_S)

    def _exposed(self, answer: Answer, name: str) -> str | None:
        """Return a header as a script of another origin may read it (point 9)."""
        allowed = answer.headers.get("Access-Control-Allow-Origin")
        exposed = answer.headers.get("Access-Control-Expose-Headers", "")
        if allowed not in ("*", PAGE) or name not in exposed.split(", "):
            return None
        return answer.headers.get(name)

    # --- both --------------------------------------------------------------------------------

    def _host(self) -> str:
        return self._random.choice(self._hosts)  # point 10

    def _dispatch(self, message: dict[str, Any]) -> None:
        silence_s = self._now() - self._heard_at
        if silence_s > BANNER_S:
            self.troubles.append(f"the problem banner was shown after {silence_s} s (point 12)")
        self._heard_at = self._now()
        kind = message["channel"].split(".")[0]  # point 3
        self.network.counts[f"kind {kind}"] += 1
        if kind != "ping":
            self.heard.append(message)


def _as_cut(error: BaseException) -> BaseException:
    """Return what a script sees of a failure: that there was one."""
    return Cut("the network failed") if isinstance(error, OSError | EOFError) else error


def _http_date(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
