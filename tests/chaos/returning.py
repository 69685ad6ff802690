"""Ten thousand who come back at once: a process of its own. `python -m tests.chaos.returning`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from random import Random
from typing import Any, cast
import asyncio
import math
import time

import uvloop

from broker.core.cursor import Cursor
from tests.chaos.account import Account
from tests.chaos.aide import serve
from tests.chaos.scene import percentile
from tests.chaos.subscribers.base import Head, read_cursor, read_json
from tests.support.frames import TEXT, shortest_length
from tests.support.subscribers import UPGRADE, websocket
from tests.support.waiting import eventually
from tests.support.wire import subscription

STORM_S = 90.0
"""Time in which everybody must have caught up."""

LIVE_S = 20.0

_SWITCHING = 101


class Returner(asyncio.Protocol):
    """
    One who comes back with a cursor, and must get exactly the bytes that everybody must get.

    Args:
        storm: Who counts.
        channel: Number of its channel.
        is_prompt: Whether it was not refused before.
    """

    __slots__ = ("_at", "_channel", "_head", "_is_prompt", "_storm", "_transport")

    def __init__(self, storm: Storm, channel: int, *, is_prompt: bool) -> None:
        self._storm = storm
        self._channel = channel
        self._is_prompt = is_prompt
        self._at = 0
        self._head: bytes | None = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._storm.requests[self._channel])

    def data_received(self, data: bytes) -> None:
        if self._head is not None:
            self._head += data
            head = Head.read(self._head)
            if head is None:
                return
            if head.status != _SWITCHING:
                self._refused(head)
                return
            data, self._head = self._head[head.end :], None
        self._compare(data)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc  # whatever it was, it must not be
        if self._transport is not None:
            self._storm.lost += 1

    def close(self) -> None:
        """Leave."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()

    def _compare(self, data: bytes) -> None:
        wanted = self._storm.wanted[self._channel]
        missing = len(wanted) - self._at
        if missing <= 0:
            self._storm.live += data.count(b'"channel":') > 0
            return
        if data[:missing] != wanted[self._at : self._at + len(data)]:
            self._storm.wrong += 1
        self._at += len(data)
        if self._at >= len(wanted):
            self._storm.caught_up.append((time.monotonic(), self._is_prompt))

    def _refused(self, head: Head) -> None:
        self._storm.refused += 1
        self.close()
        self._storm.come(self._channel, head.retry_s or 1.0, is_prompt=False)


class Storm:
    """
    Everybody, and what can be asked of them.

    Attributes:
        requests: What each channel's returners send.
        wanted: What each channel's returners must get.
        caught_up: When somebody had everything that was missed, and whether it was never refused.
        live: How many got the live message.
        lost: Connections that ended.
        wrong: Times that bytes differed.
        refused: Handshakes that were refused, and tried again.
    """

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.wanted: list[bytes] = []
        self.caught_up: list[tuple[float, bool]] = []
        self.live = 0
        self.lost = 0
        self.wrong = 0
        self.refused = 0
        self._plan: dict[str, Any] = {}
        self._returners: list[Returner] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def plan(self, plan: dict[str, Any]) -> None:
        """
        Take note of what is to be done.

        Args:
            plan: `node` as host and port; `url` of another node; `token`; `channels`; `cursor`;
                how many messages each `missed`; how many `returners`.
        """
        self._plan = plan

    async def reference(self, _: dict[str, Any]) -> None:
        """Read what was missed on another node, and check it by the publisher's counts."""
        cursor = Cursor(*self._plan["cursor"])
        for channel in self._plan["channels"]:
            target = subscription("websocket", [channel], cursor, self._plan["token"])
            self.wanted.append(await self._missed(channel, target))
            lines = [f"GET {target} HTTP/1.1", "Host: chaos"]
            lines += [f"{name}: {value}" for name, value in UPGRADE.items()]
            self.requests.append("\r\n".join([*lines, "", ""]).encode())

    async def storm(self, _: dict[str, Any]) -> dict[str, float]:
        """Have everybody come back at once; return when how many had everything."""
        count = self._plan["returners"]
        channels = [number % len(self.wanted) for number in range(count)]
        Random(1).shuffle(channels)
        began = time.monotonic()
        for channel in channels:
            self.come(channel, 0.0)
        with suppress(AssertionError):  # whoever has not caught up by then is counted
            await eventually(lambda: len(self.caught_up) + self.lost >= count, STORM_S)
        passed = [at - began for at, _ in self.caught_up]
        prompt = [at - began for at, is_prompt in self.caught_up if is_prompt]
        return {
            "caught_up": len(passed),
            "prompt": len(prompt),
            "p50_s": percentile(passed, 0.5),
            "prompt_s": max(prompt, default=math.inf),
            "last_s": max(passed, default=math.inf),
            "lost": self.lost,
            "wrong": self.wrong,
            "refused": self.refused,
        }

    async def live_all(self, _: dict[str, Any]) -> int:
        """Wait until everybody got a message sent since; return how many did."""
        count = self._plan["returners"]
        with suppress(AssertionError):
            await eventually(lambda: self.live >= count, LIVE_S)
        for returner in self._returners:
            returner.close()
        return self.live

    def come(self, channel: int, delay_s: float, *, is_prompt: bool = True) -> None:
        """Have one come back, after a pause."""
        returner = Returner(self, channel, is_prompt=is_prompt)
        self._returners.append(returner)
        task = asyncio.get_running_loop().create_task(self._connect(returner, delay_s))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, returner: Returner, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: returner, *self._plan["node"]
            )
        except OSError:
            self.lost += 1

    async def _missed(self, channel: str, target: str) -> bytes:
        account, frames = Account([channel]), []
        account.expected[channel] = 2  # the first is the one that it has
        async with websocket(self._plan["url"], target) as subscriber:
            for _ in range(self._plan["missed"]):
                text = await subscriber.text()
                envelope = read_json(text)
                cursor = read_cursor(envelope["time"], envelope["tag"])
                account.take(channel, envelope["message"], cursor, time.monotonic())
                frames.append(bytes((0x80 | TEXT,)) + shortest_length(len(text)) + text)
        assert account.expected[channel] == self._plan["missed"] + 2, account.expected
        assert not account.missing, account.missing
        return b"".join(frames)


def counted(channel: str, number: int) -> dict[str, Any]:
    """Return a message as the account wants it."""
    return {
        "channel": channel,
        "count": number,
        "publisher": 0,
        "turn": number,
        "sent": time.monotonic(),
        "filler": "x" * 100,
    }


async def main() -> None:
    """Serve the orders of the suite."""
    storm = Storm()
    verbs: Sequence[str] = ("plan", "reference", "storm", "live_all")
    await serve({verb: getattr(storm, verb) for verb in verbs})


if __name__ == "__main__":
    uvloop.run(main())
