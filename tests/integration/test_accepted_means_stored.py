"""The promise P6: what was answered is stored, whole; a retry stores it once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
import asyncio
import json

import pytest

from tests.support.broker import BrokerProcess
from tests.support.target import Target
from tests.support.waiting import eventually
from tests.support.wire import connect, connected, subscription

SECRET = "a secret for tests, longer than thirty-two bytes"
CHANNELS = ("one", "two", "three")
RULES = """\
defaults:
  history: {messages: 100000, age: 1h}
channels:
  - {name: "{a}", subscribe: public}
"""
BATCH = 90
PUBLISHERS = 4
KILLS = 5
BATCHES_BETWEEN = 12

pytestmark = pytest.mark.asyncio(loop_factories=["uvloop"])


@dataclass
class Tally:
    """
    What became of batches, by key.

    Attributes:
        answered: Those that were answered with 200.
        open: Those that failed and were not tried again.
        cut: How many requests were under way when their broker died.
        repeated: How many retries found their messages stored already.
    """

    answered: set[str] = field(default_factory=set)
    open: set[str] = field(default_factory=set)
    cut: int = 0
    repeated: int = 0


async def publish_batches(
    brokers: list[BrokerProcess], name: str, random: Random, tally: Tally, done: asyncio.Event
) -> None:
    """Publish batch after batch to all channels; when a broker dies, mostly try again elsewhere."""
    number = 0
    while not done.is_set():
        number += 1
        key = f"{name}-{number}"
        lines = [
            json.dumps({"channel": CHANNELS[item % 3], "message": {"key": key, "item": item}})
            for item in range(BATCH)
        ]
        body = "\n".join(lines).encode()
        while True:
            stored = await try_once(random.choice(brokers), key, body, tally)
            if stored is not None:
                tally.answered.add(key)
                tally.repeated += stored
                break
            if random.random() < 0.2:
                tally.open.add(key)
                break
            await asyncio.sleep(0.05)


async def try_once(broker: BrokerProcess, key: str, body: bytes, tally: Tally) -> bool | None:
    """Send a batch; None when no answer came, else whether it was stored before."""
    headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": key}
    try:
        http = await connect(broker.internal)
    except OSError:
        return None
    try:
        answer = await http.ask("/publish", headers, method="POST", body=body)
    except (OSError, EOFError):
        tally.cut += 1
        return None
    finally:
        await http.close()
    if answer.status == 503:
        return None
    assert 200 == answer.status, answer
    return "Idempotency-Replayed" in answer.headers


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """Give a file with rules whose rings hold everything."""
    path = tmp_path / "channels.yaml"
    path.write_text(RULES)
    return path


@pytest.mark.slow
async def test_P6_nodes_killed_while_publishing_store_all_or_nothing(
    valkey_url: str, rules: Path
) -> None:
    """Kill -9 in the middle of batches, retry with the same key: each batch is there once."""
    seed = 6
    random = Random(seed)
    flags = ("--store", valkey_url, "--config", str(rules), "--drain-s", "0")
    environ = {"BROKER_JWT_SECRET": SECRET}
    tally, done = Tally(), asyncio.Event()
    async with (
        BrokerProcess(*flags, environ=environ) as one,
        BrokerProcess(*flags, environ=environ) as two,
    ):
        brokers = [one, two]
        target = Target(two.public, two.internal, SECRET)
        beginning = await target.now(CHANNELS)
        async with asyncio.TaskGroup() as tasks:
            for number in range(PUBLISHERS):
                rng = Random(f"{seed} {number}")
                tasks.create_task(publish_batches(brokers, f"p{number}", rng, tally, done))
            for _ in range(KILLS):
                goal = len(tally.answered) + BATCHES_BETWEEN
                await eventually(lambda goal=goal: len(tally.answered) >= goal, 20)  # type: ignore[misc]
                victim = random.choice(brokers)
                victim.kill()
                await victim.start()
            done.set()
        found = Counter[str]()
        async with connected(two.public) as http:
            cursor = beginning
            while True:
                answer = await http.ask(subscription("shortpoll", CHANNELS, cursor))
                assert "X-Broker-Gap" not in answer.headers
                if answer.status == 304:
                    break
                found.update(envelope.message["key"] for envelope in answer.envelopes)
                cursor = answer.cursor
    assert dict.fromkeys(tally.answered, BATCH) == {
        key: count for key, count in found.items() if key in tally.answered
    }
    for key in tally.open:
        assert found[key] in (0, BATCH), f"{key} is there in part"
    assert set(found) <= tally.answered | tally.open
    assert tally.cut > 0, "nothing was under way when a node was killed"
