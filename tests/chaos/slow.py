"""Stalled subscribers beside healthy ones: what they cost the others, and what they get at last."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from math import nan
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
import asyncio

from benchmarks.program import LoadProgram
from tests.chaos.aide import Aide
from tests.chaos.process import peak_bytes, resident_bytes
from tests.chaos.stand import SECRET, host_and_port
from tests.chaos.topology import Single
from tests.support.broker import BrokerProcess

CHANNEL = "slow.one"
RING = 1000
RULES = f"""\
channels:
  - name: slow.{{number}}
    history: {{messages: {RING}, age: 1h}}
    subscribe: [{{}}]
"""

NODE_FLAGS = ("--drain-s", "0", "--websocket-ping-s", "1h", "--peer-timeout-s", "1h")
"""Nothing but the write path is to end a connection here: nobody looks for signs of life."""

ALONE_S = 30.0
"""For how long the healthy ones are measured alone, each time."""

BUFFER_BYTES = 128 * 1024
"""Of a stalled subscriber, in the node: its write buffer of 64 KiB and as much again."""

SLOWED = 1.2
"""How much later the others may get their messages, by the 99th percentile."""

DISTURBED = 2.0
"""How far the two measurements without stalled ones may be apart."""

SLACK_MS = 2.0
"""Below this, a percentile says more about the machine than about the node."""


@dataclass(frozen=True)
class SlowResult:
    """
    What stalled subscribers did to the others, and got.

    Attributes:
        healthy: Subscribers that read.
        stalled: Subscribers that do not.
        rate: Messages a second.
        seconds: For how long.
        alone_p99_ms: Latency of the healthy ones before the others came, and after they had gone;
            None where that was not measured.
        beside_p99_ms: The same beside the stalled ones.
        sound: Whether the healthy ones got everything, each time.
        grown_bytes: By how much the node's memory grew at most while they stalled.
        complete: How many stalled ones got the last message.
        told: How many were told of a gap.
        jumps: Numbers of the messages that came behind gaps.
        wanted_jump: Number of the oldest message that the ring held when they woke.
        broken: What they were not told of, or told wrongly.
    """

    healthy: int
    stalled: int
    rate: float
    seconds: float
    alone_p99_ms: tuple[float, float] | None
    beside_p99_ms: float
    sound: bool
    grown_bytes: int
    complete: int
    told: int
    jumps: list[int]
    wanted_jump: int
    broken: list[str]

    @property
    def faults(self) -> list[str]:
        """What must not be."""
        faults = [*self.broken[:3], *self._slowed()]
        if self.grown_bytes > self.stalled * BUFFER_BYTES:
            faults.append(f"the node grew by {self.grown_bytes / 2**20:.0f} MiB")
        if not self.sound:
            faults.append("a healthy one missed something")
        if self.complete != self.stalled:
            faults.append(f"{self.complete} of {self.stalled} stalled ones got everything")
        if self.jumps not in ([], [self.wanted_jump]):
            faults.append(f"gaps end at {self.jumps[:3]}; the ring begins at {self.wanted_jump}")
        return faults

    def _slowed(self) -> Iterator[str]:
        """Yield what is wrong with the latency of the others."""
        if self.alone_p99_ms is None:
            return
        least_ms, alone_ms = sorted(self.alone_p99_ms)
        if alone_ms > max(DISTURBED * least_ms, least_ms + SLACK_MS):
            yield f"disturbed: p99 alone is {least_ms:.1f} or {alone_ms:.1f} ms; try again"
        elif self.beside_p99_ms > max(SLOWED * alone_ms, alone_ms + SLACK_MS):
            yield f"p99 of the others: {self.beside_p99_ms:.1f} ms beside stalled ones"

    @property
    def figures(self) -> dict[str, str]:
        """What is to be told of it."""
        before, after = self.alone_p99_ms or (nan, nan)
        return {
            "subscribers": f"{self.healthy:,} that read, {self.stalled:,} that do not",
            "load": f"{self.rate:g} messages a second for {self.seconds:g} s",
            "p99 of those that read, alone": f"{before:.1f} ms before, {after:.1f} ms after",
            "p99 of those that read, beside the others": f"{self.beside_p99_ms:.1f} ms, "
            f"{self.beside_p99_ms / max(before, after):.2f} times as much",
            "those that read got everything": "yes" if self.sound else "no",
            "memory that the node grew by": f"{self.grown_bytes / 2**20:.0f} MiB, of at most "
            f"{self.stalled * BUFFER_BYTES / 2**20:.0f}",
            "stalled ones that got the last message once they woke": f"{self.complete:,}",
            "stalled ones that were told of a gap": f"{self.told:,}",
            "where their gaps end": f"message {', '.join(map(str, self.jumps)) or '-'}; the ring "
            f"then began at {self.wanted_jump}",
        }

    def as_json(self) -> dict[str, Any]:
        """Return it for a report."""
        return {**asdict(self), "faults": self.faults}


async def stall(
    healthy: int, stalled: int, rate: float, seconds: float, alone_s: float = ALONE_S
) -> SlowResult:
    """Run it: the healthy ones alone, beside stalled ones, and alone again, unless for no time."""
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory()))
        load = await asyncio.to_thread(LoadProgram.build, directory)
        store = Single()
        stack.push_async_callback(store.close)
        await store.start()
        rules = directory / "channels.yaml"
        rules.write_text(RULES)
        flags = ("--store", store.url, "--config", str(rules), *NODE_FLAGS)
        node = BrokerProcess(*flags, environ={"BROKER_JWT_SECRET": SECRET})
        await stack.enter_async_context(node)
        words = _words(node, healthy, rate)
        before = await _measure(load, words, alone_s) if alone_s else None
        base = resident_bytes(node.pid)
        stallers = Aide("tests.chaos.stallers")
        stack.push_async_callback(stallers.close)
        await stallers.start(
            node=host_and_port(node.public), token=node.token(), channel=CHANNEL, count=stalled
        )
        sampling = asyncio.create_task(peak_bytes(node.pid))
        beside = await _measure(load, words, seconds)
        sampling.cancel()
        peak = (await asyncio.gather(sampling, return_exceptions=True))[0]
        published = beside["published"]["messages"]
        woken = await stallers.ask("wake", last=published - 1)
        await stallers.close()
        after = await _measure(load, words, alone_s) if alone_s else None
    return SlowResult(
        healthy=healthy,
        stalled=stalled,
        rate=rate,
        seconds=seconds,
        alone_p99_ms=(_p99(before), _p99(after)) if before and after else None,
        beside_p99_ms=_p99(beside),
        sound=all(result["sound"] for result in (before, beside, after) if result),
        grown_bytes=int(str(peak)) - base,
        complete=woken["complete"],
        told=woken["told"],
        jumps=woken["jumps"],
        wanted_jump=published - RING,
        broken=woken["faults"],
    )


def _words(node: BrokerProcess, healthy: int, rate: float) -> list[str]:
    public, internal = (url.removeprefix("http://") for url in (node.public, node.internal))
    return [
        *("--transport", "websocket", "--subscribers", str(healthy)),
        *("--subscribe", f"{public}/websocket/{{channels}}?auth_token={node.token()}"),
        *("--publish", f"{internal}/publish/{{channel}}", "--channel", CHANNEL),
        *("--rate", f"{rate:g}", "--depth", "8", "--settle", "1", "--warmup", "2"),
    ]


async def _measure(load: LoadProgram, words: list[str], seconds: float) -> dict[str, Any]:
    return await asyncio.to_thread(load.run, [*words, "--seconds", f"{seconds:g}"], seconds + 60.0)


def _p99(result: dict[str, Any]) -> float:
    return float(result["subscribers"]["latency"]["p99_ms"])
