"""Kill -9 of the broker while messages are published, and what is left of its promises then."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from itertools import count, pairwise
from pathlib import Path
from typing import Any
import asyncio
import json
import os
import random
import signal

import aiohttp
import pytest

from broker.client import START, Client, ClientOptions, Message, Stamp
from broker.client.publishing import read_stamps
from tests.support.broker import BrokerProcess
from tests.support.program import Program
from tests.support.stores import CURRENT, StoreServer
from tests.support.waiting import eventually

CHANNELS = ("chat.1", "chat.2", "chat.3")
END = "end"

RULES = """\
channels:
  - name: chat.{number}
    history: {messages: 100000, age: 1h}
"""

ROUNDS = 4
"""Kills in a test."""

PUBLISHERS = 4
ROUND_MESSAGES = 150
"""Messages that are answered before each kill."""

READ_DEADLINE_S = 20.0

PATIENT = ClientOptions(retry_s=(0.1, 0.3), quick_retry_s=0.1, chunk_messages=250)


class Storm:
    """
    Publishers that go on whatever happens to the broker, without trying anything twice.

    Args:
        broker: Whom they publish to.

    Attributes:
        answered: What was published, by the stamp that it was answered with.
        sent: Everything that was tried.
    """

    def __init__(self, broker: BrokerProcess) -> None:
        self._broker = broker
        self._numbers = count()
        self.answered: dict[Stamp, int] = {}
        self.sent: dict[int, str] = {}

    async def run(self) -> None:
        """Publish until cancelled."""
        async with aiohttp.ClientSession() as session:
            await asyncio.gather(*(self._publish(session) for _ in range(PUBLISHERS)))

    async def answers(self, more: int) -> None:
        """Wait until so many more publishes are answered."""
        least = len(self.answered) + more
        await eventually(lambda: len(self.answered) >= least, 20, what="publishes are answered")

    async def _publish(self, session: aiohttp.ClientSession) -> None:
        while True:
            number = next(self._numbers)
            channel = self.sent[number] = random.choice(CHANNELS)
            url = f"{self._broker.internal}/publish/{channel}"
            try:
                async with session.post(url, json=number) as answer:
                    assert 200 == answer.status, await answer.text()
                    (stamp,) = read_stamps(await answer.read())
            except (aiohttp.ClientError, OSError):
                await asyncio.sleep(0.01)  # whether it is stored is for the test to find out
            else:
                self.answered[stamp] = number


async def everything(broker: BrokerProcess) -> list[Message]:
    """Return all that is stored, in order."""
    token = broker.token(channels=["chat.*"])
    async with (
        Client(broker.public, token=token, internal=broker.internal, options=PATIENT) as client,
        client.subscribe(*CHANNELS, cursor=START, on_gap=lambda _: None) as messages,
    ):
        await client.publish(CHANNELS, END)
        read: list[Message] = []
        ends = 0
        async with asyncio.timeout(READ_DEADLINE_S):
            while ends < len(CHANNELS):
                read.append(await anext(messages))
                ends += read[-1].message == END
    return read


@pytest.fixture(params=["embedded", "redis"])
async def broker(
    request: pytest.FixtureRequest, tmp_path: Path, start_store: Callable[..., StoreServer]
) -> AsyncIterator[BrokerProcess]:
    """Give a broker with the default store, then one with a Redis of its operator's."""
    rules = tmp_path / "channels.yaml"
    rules.write_text(RULES)
    flags = ["--config", str(rules)]
    if request.param == "redis":
        flags += ["--store", start_store(binary=CURRENT).tcp_url]
    async with BrokerProcess(*flags) as running:
        yield running


@asynccontextmanager
async def tailing(broker: BrokerProcess) -> AsyncIterator[Program]:
    """Run `broker tail` from now on, for the length of a block."""
    with broker.run("tail", *CHANNELS, "--json", "--url", broker.public) as tail:
        await eventually(
            lambda: "connected by" in tail.err.read_text(), 10, what="tail is connected"
        )
        yield tail


async def test_p5_p6_kill_9_while_publishing(broker: BrokerProcess) -> None:
    """Every answered publish is readable, ids and cursors go on, and tail shows each once."""
    storm = Storm(broker)
    async with tailing(broker) as tail:
        publishing = asyncio.create_task(storm.run())
        for _ in range(ROUNDS):
            await storm.answers(ROUND_MESSAGES)
            broker.kill()
            await broker.restart()
        publishing.cancel()
        await asyncio.wait([publishing])
        stored = await everything(broker)
        await eventually(lambda: len(tail.lines()) >= len(stored), 20, what="tail shows it all")
        shown = [json.loads(line) for line in tail.lines()]

    check_order(stored)
    found = {Stamp(item.channel, item.id, item.cursor): item.message for item in stored}
    assert storm.answered.items() <= found.items(), "what was answered is stored as it was stamped"
    times = Counter(message.message for message in stored if message.message != END)
    assert times.keys() <= storm.sent.keys()
    assert {1} == set(times.values()), "nothing is stored twice"
    assert [told(message) for message in stored] == shown


def check_order(stored: list[Message]) -> None:
    """Check that ids are contiguous from 1 in each channel, and that cursors only grow."""
    assert all(earlier.cursor < later.cursor for earlier, later in pairwise(stored))
    for channel in CHANNELS:
        ids = [message.id for message in stored if message.channel == channel]
        assert list(range(1, len(ids) + 1)) == ids


def told(message: Message) -> dict[str, Any]:
    """Return a message as `broker tail --json` prints it."""
    return {**message._asdict(), "cursor": str(message.cursor)}


async def test_p6_kill_9_of_broker_and_store(tmp_path: Path) -> None:
    """With the private server killed at the same moment, what was answered is on disk."""
    rules = tmp_path / "channels.yaml"
    rules.write_text(RULES)
    async with BrokerProcess("--config", str(rules)) as broker:
        storm = Storm(broker)
        publishing = asyncio.create_task(storm.run())
        for _ in range(2):
            await storm.answers(ROUND_MESSAGES)
            os.kill(int((broker.data / "valkey" / "server.pid").read_text()), signal.SIGKILL)
            broker.kill()
            await broker.restart()
        publishing.cancel()
        await asyncio.wait([publishing])
        stored = await everything(broker)

    check_order(stored)
    found = {Stamp(item.channel, item.id, item.cursor): item.message for item in stored}
    assert storm.answered.items() <= found.items()


async def test_p6_kill_9_in_a_batch_and_retry_with_its_key(broker: BrokerProcess) -> None:
    """Wherever in a batch the kill falls, the same request with its key stores it once."""
    lines = [json.dumps({"channel": channel, "message": 0}) for channel in CHANNELS]
    url = f"{broker.internal}/publish"
    async with aiohttp.ClientSession() as session:

        async def send(number: int) -> tuple[list[dict[str, Any]], bool]:
            body = "\n".join(lines * 1000).replace("0", str(number))
            headers = {"Idempotency-Key": f"batch-{number}", "Content-Type": "application/x-ndjson"}
            async with session.post(url, data=body, headers=headers) as answer:
                assert 200 == answer.status, await answer.text()
                replayed = answer.headers.get("Idempotency-Replayed") == "true"
                return (await answer.json())["messages"], replayed

        loop = asyncio.get_running_loop()
        began = loop.time()
        rows, _ = await send(1)
        usual_s = loop.time() - began
        outcomes = Counter[str]()
        for number in range(2, 2 + ROUNDS):
            sending = asyncio.create_task(send(number))
            # From the very beginning of the request to about its end.
            await asyncio.sleep(usual_s * (number - 2) / (ROUNDS - 1))
            broker.kill()
            outcome = (await asyncio.gather(sending, return_exceptions=True))[0]
            await broker.restart()
            again, replayed = await send(number)
            if not isinstance(outcome, BaseException):
                assert outcome[0] == again, "an answer that was given stands"
                assert replayed
            outcomes["stored before the kill" if replayed else "stored by the retry"] += 1
            rows += again
    print(dict(outcomes))

    stored = await everything(broker)
    check_order(stored)
    batches = Counter(message.message for message in stored if message.message != END)
    assert dict.fromkeys(range(1, 2 + ROUNDS), 3000) == batches
    stamps = [(message.channel, message.id, str(message.cursor.tag)) for message in stored]
    assert {(row["channel"], row["id"], row["tag"]) for row in rows} <= set(stamps)


async def test_p6_a_batch_of_the_client_through_kills(broker: BrokerProcess) -> None:
    """A long batch of the client's, with kills in between, is stored once and in order."""
    total = 10_000
    reached = 0

    def note(stamps: Any) -> None:
        nonlocal reached
        reached += len(stamps)

    def at_least(count: int) -> bool:
        return reached >= count

    async with Client(internal=broker.internal, options=PATIENT) as client:
        items = ((CHANNELS[number % 3], number) for number in range(total))
        publishing = asyncio.create_task(client.publish_batch(items, on_stored=note))
        for least in (1000, 4000):
            await eventually(partial(at_least, least), 20)
            broker.kill()
            await broker.restart()
        assert total == await publishing

    stored = await everything(broker)
    check_order(stored)
    assert list(range(total)) == [item.message for item in stored if item.message != END]
