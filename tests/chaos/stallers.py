"""Subscribers that stop reading: a process of its own. `python -m tests.chaos.stallers`."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Any, cast
import asyncio
import re
import socket

import uvloop

from broker.core.cursor import Cursor
from tests.chaos.aide import serve
from tests.chaos.subscribers.base import Head, read_cursor, read_json
from tests.support.frames import PING, PONG, TEXT, client_frame
from tests.support.subscribers import UPGRADE
from tests.support.waiting import eventually
from tests.support.wire import subscription

RECEIVE_BYTES = 4096
"""What the kernel buffers for one of them, so that it stalls soon."""

ATTACH_S = 30.0
WAKE_S = 60.0

_RANK = re.compile(rb'"message":"@load:[0-9a-f]{8}([0-9a-f]{8})')
"""Number of a message in its channel, as the load generator counts."""

_GAP = b'{"id":-3,'
_SWITCHING = 101


class Staller(asyncio.Protocol):
    """
    One that reads nothing once it is attached, until it is woken.

    Args:
        request: What it opens its connection with.

    Attributes:
        is_attached: Whether a node serves it.
        last: Number of the last message that it got.
        jumps: Numbers of messages that came right behind a gap notice.
        faults: What it was not told of, or told wrongly.
        is_lost: Whether its connection ended.
    """

    def __init__(self, request: bytes) -> None:
        self.is_attached = False
        self.is_lost = False
        self.last = -1
        self.jumps: list[int] = []
        self.faults: list[str] = []
        self._request = request
        self._first: Cursor | None = None
        self._rest = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._request)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = self._transport is not None
        if self.is_lost:
            self.faults.append(f"its connection ended ({type(exc).__name__})")

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        if not self.is_attached:
            head = Head.read(data)
            if head is None:
                self._rest = data
                return
            assert head.status == _SWITCHING, head.status
            self.is_attached = True
            data = data[head.end :]
            assert self._transport is not None
            self._transport.pause_reading()
        self._frames(data)

    def wake(self) -> None:
        """Read again."""
        if self._transport is not None and not self.is_lost:
            self._transport.resume_reading()

    def close(self) -> None:
        """Leave."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()

    def _frames(self, data: bytes) -> None:
        at, end = 0, len(data)
        while end - at >= 2:
            start, size = at + 2, data[at + 1]
            if size == 126:
                start = at + 4
                size = int.from_bytes(data[at + 2 : start])
            if start + size > end:
                break
            opcode, at = data[at] & 0x0F, start + size
            if opcode == TEXT:
                self._take(data[start:at])
            elif opcode == PING and self._transport is not None:
                self._transport.write(client_frame(PONG, data[start:at]))
        self._rest = data[at:]

    def _take(self, text: bytes) -> None:
        if text.startswith(_GAP):
            self._first = Cursor.parse(read_json(text)["message"]["gap"]["first"])
            return
        found = _RANK.search(text)
        assert found is not None, text[:200]
        rank, first = int(found[1], 16), self._first
        if first is not None:
            self._behind_gap(text, rank, first)
        elif self.last >= 0 and rank != self.last + 1:
            self.faults.append(f"{rank} behind {self.last}")
        self.last = rank

    def _behind_gap(self, text: bytes, rank: int, first: Cursor) -> None:
        self._first = None
        self.jumps.append(rank)
        envelope = read_json(text)
        cursor = read_cursor(envelope["time"], envelope["tag"])
        if cursor != first or rank <= self.last + 1:
            self.faults.append(f"{rank} at {cursor} behind a gap up to {first}, after {self.last}")


class Stallers:
    """All of them, and what can be asked of them."""

    def __init__(self) -> None:
        self._all: list[Staller] = []

    async def plan(self, plan: dict[str, Any]) -> None:
        """
        Have them attach, and read no more.

        Args:
            plan: `node` as host and port; `token`; `channel`; how many, `count`.
        """
        target = subscription("websocket", [plan["channel"]], None, plan["token"], notices="gap")
        lines = [f"GET {target} HTTP/1.1", "Host: chaos"]
        lines += [f"{name}: {value}" for name, value in UPGRADE.items()]
        request = "\r\n".join([*lines, "", ""]).encode()
        loop = asyncio.get_running_loop()
        for _ in range(plan["count"]):
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
            sock.setblocking(False)
            await loop.sock_connect(sock, tuple(plan["node"]))
            staller = Staller(request)
            self._all.append(staller)
            await loop.create_connection(partial(_itself, staller), sock=sock)
        await eventually(
            lambda: all(staller.is_attached for staller in self._all), ATTACH_S, what="all attach"
        )

    async def wake(self, details: dict[str, Any]) -> dict[str, Any]:
        """Wake all; wait until each has the `last` message; return what was wrong."""
        last = details["last"]
        for staller in self._all:
            staller.wake()
        with suppress(AssertionError):
            await eventually(
                lambda: all(each.last >= last or each.is_lost for each in self._all), WAKE_S
            )
        complete = sum(staller.last == last for staller in self._all)
        for staller in self._all:
            staller.close()
        return {
            "complete": complete,
            "told": sum(bool(staller.jumps) for staller in self._all),
            "jumps": sorted({rank for staller in self._all for rank in staller.jumps}),
            "faults": [fault for staller in self._all for fault in staller.faults],
        }


def _itself(staller: Staller) -> Staller:
    return staller


async def main() -> None:
    """Serve the orders of the suite."""
    stallers = Stallers()
    await serve({"plan": stallers.plan, "wake": stallers.wake})


if __name__ == "__main__":
    uvloop.run(main())
