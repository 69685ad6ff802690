"""Metrics of several workers, as one scrape of whichever of them tells them."""

from __future__ import annotations

from pathlib import Path
import os
import signal

from prometheus_client.parser import text_string_to_metric_families
import aiohttp

from tests.support.broker import BrokerProcess
from tests.support.waiting import eventually

Numbers = dict[tuple[str, tuple[tuple[str, str], ...]], float]

PUBLISHED = ("broker_published_messages_total", (("pattern", "conversation.{app_id}"),))
WORKERS = ("broker_workers", ())
DEATHS = ("broker_worker_deaths_total", ())


async def scrape(session: aiohttp.ClientSession, broker: BrokerProcess) -> Numbers:
    """Return every number, from whichever worker takes the connection."""
    headers = {"Connection": "close"}
    async with session.get(f"{broker.internal}/metrics", headers=headers) as answer:
        assert 200 == answer.status
        text = await answer.text()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def publish(session: aiohttp.ClientSession, broker: BrokerProcess, count: int) -> None:
    """Publish messages, each over a connection of its own, so that every worker gets some."""
    for number in range(count):
        url = f"{broker.internal}/publish/conversation.100"
        async with session.post(url, json=number, headers={"Connection": "close"}) as answer:
            assert 200 == answer.status


def is_told(numbers: list[Numbers], key: object, value: float) -> bool:
    """Tell whether every one of some scrapes has the number."""
    return all(each.get(key) == value for each in numbers)  # type: ignore[call-overload]


def a_worker(supervisor: int) -> int:
    """Return the pid of a worker."""
    text = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text(encoding="ascii")
    return next(
        pid
        for pid in map(int, text.split())
        if "valkey" not in Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8")
    )


async def test_every_worker_tells_the_numbers_of_all() -> None:
    """Sums are the same whoever is asked; they go on after a worker was killed."""
    async with (
        BrokerProcess("--workers", "2", "--drain-s", "0") as broker,
        aiohttp.ClientSession() as session,
    ):
        await publish(session, broker, 40)

        async def all_say(key: object, value: float) -> bool:
            try:
                return is_told([await scrape(session, broker) for _ in range(8)], key, value)
            except aiohttp.ClientError:  # it was waiting for the worker that was killed
                return False

        await eventually(lambda: all_say(PUBLISHED, 40), what="every worker knows of all messages")
        assert await all_say(WORKERS, 2)
        numbers = await scrape(session, broker)
        resident = "broker_process_resident_memory_bytes"
        assert {(("worker", "0"),), (("worker", "1"),)} == {
            labels for name, labels in numbers if name == resident
        }
        os.kill(a_worker(broker.pid), signal.SIGKILL)
        await eventually(lambda: all_say(DEATHS, 1), what="the death is known")
        await eventually(lambda: all_say(WORKERS, 2), what="the worker is replaced")
        assert await all_say(PUBLISHED, 40)
        await publish(session, broker, 10)
        await eventually(lambda: all_say(PUBLISHED, 50), what="it goes on counting")
