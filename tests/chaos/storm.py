"""Everybody comes back at once to a node that was just started: what that costs the store."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from tests.chaos.aide import Aide
from tests.chaos.link import Link
from tests.chaos.reads import ReadCounter
from tests.chaos.returning import counted
from tests.chaos.stand import SECRET, channel_rules, host_and_port
from tests.chaos.topology import Single
from tests.support.broker import BrokerProcess
from tests.support.target import Published, Target, publish_batch

READS_PER_CHANNEL = 2


@dataclass(frozen=True)
class StormResult:
    """
    What a resume storm showed.

    Attributes:
        returners: How many came back.
        channels: To how many channels.
        missed: Messages that each had missed.
        reads: Reads of a channel's history that reached the store.
        caught_up: How many got everything, byte for byte.
        prompt: How many of them were never refused.
        live: How many got the next message.
        lost: Connections that ended.
        wrong: Times that bytes were not those that they had to be.
        refused: Handshakes that were refused and tried again.
        p50_s: Time until half of them had caught up.
        prompt_s: Time until the last one had that was never refused.
        last_s: Time until the last one had.
        rate: Messages caught up with in a second, until then.
        prompt_rate: The same, of those who were never refused.
    """

    returners: int
    channels: int
    missed: int
    reads: int
    caught_up: int
    prompt: int
    live: int
    lost: int
    wrong: int
    refused: int
    p50_s: float
    prompt_s: float
    last_s: float
    rate: float
    prompt_rate: float

    @property
    def faults(self) -> list[str]:
        """What must not be."""
        faults = []
        if self.reads > READS_PER_CHANNEL * self.channels:
            faults.append(f"{self.reads} reads for {self.channels} channels")
        if self.caught_up != self.returners or self.lost or self.wrong:
            faults.append(f"{self.caught_up} caught up, {self.lost} lost, {self.wrong} wrong")
        if self.live != self.returners:
            faults.append(f"{self.live} live")
        return faults

    @property
    def figures(self) -> dict[str, str]:
        """What is to be told of it."""
        return {
            "subscribers who came back at once": f"{self.returners:,} to {self.channels} channels",
            "messages that each had missed": f"{self.missed:,}",
            "reads of a history that reached the store": f"{self.reads} "
            f"(at most {READS_PER_CHANNEL * self.channels})",
            "got everything, byte for byte": f"{self.caught_up:,}",
            "got the next message": f"{self.live:,}",
            "connections lost": f"{self.lost}",
            "refused at first, and told when to come again": f"{self.refused}",
            "half had caught up after": f"{self.p50_s:.1f} s",
            "all but those refused at first had after": f"{self.prompt_s:.1f} s",
            "the last one had after": f"{self.last_s:.1f} s",
            "messages caught up with in a second, until then": f"{self.rate:,.0f}",
            "the same without those refused at first": f"{self.prompt_rate:,.0f}",
        }

    def as_json(self) -> dict[str, Any]:
        """Return it for a report."""
        return {**asdict(self), "faults": self.faults}


async def resume_storm(returners: int, channels: int, missed: int) -> StormResult:
    """Run a storm on a stand of its own."""
    names = [f"chaos.{number}" for number in range(channels)]
    async with AsyncExitStack() as stack:
        store = Single()
        stack.push_async_callback(store.close)
        await store.start()
        link = Link(store.server.port, Random(1))
        await link.open()
        stack.push_async_callback(link.close)
        rules = Path(stack.enter_context(TemporaryDirectory())) / "channels.yaml"
        rules.write_text(channel_rules())
        flags = ("--config", str(rules), "--drain-s", "0")
        stormed, other = [
            BrokerProcess("--store", url, *flags, environ={"BROKER_JWT_SECRET": SECRET})
            for url in (f"redis://127.0.0.1:{link.port}", store.url)
        ]
        for node in (stormed, other):
            await stack.enter_async_context(node)
        cursor = await _miss(other, names, missed)
        crowd = Aide("tests.chaos.returning")
        stack.push_async_callback(crowd.close)
        await crowd.start(
            node=host_and_port(stormed.public),
            url=other.public,
            token=other.token(),
            channels=names,
            cursor=cursor,
            missed=missed,
            returners=returners,
        )
        await crowd.ask("reference")
        stormed.kill()
        await stormed.start()
        counter = ReadCounter(behind=cursor)
        link.tap(counter.command)
        told = await crowd.ask("storm")
        await _publish(other, names, missed + 2, 1)
        live = await crowd.ask("live_all")
        await stormed.stop()
    return StormResult(
        returners=returners,
        channels=channels,
        missed=missed,
        reads=counter.reads,
        live=live,
        rate=returners * missed / told["last_s"],
        prompt_rate=told["prompt"] * missed / told["prompt_s"],
        **told,
    )


async def _miss(node: BrokerProcess, names: list[str], missed: int) -> tuple[int, int]:
    """Publish one message that everybody has, then what they miss; return where they stand."""
    first = await _publish(node, names, 1, 1)
    await _publish(node, names, 2, missed)
    return first[-1].cursor


async def _publish(
    node: BrokerProcess, names: list[str], first: int, count: int
) -> list[Published]:
    target = Target(node.public, node.internal, SECRET)
    numbers = range(first, first + count)
    async with target.connect_internal() as http:
        return await publish_batch(
            http, [(name, counted(name, number)) for number in numbers for name in names]
        )
