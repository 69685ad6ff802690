"""The example of a live page, in Chromium, with the example of a publisher."""

from __future__ import annotations

from pathlib import Path
import asyncio
import sys

import pytest

from broker.client import Client
from tests.support.broker import BrokerProcess
from tests.support.browser import Browser, Page
from tests.support.files import served

EXAMPLES = Path(__file__).parents[2] / "examples"
CHANNEL = "event.100.7"
RESTARTS = 20
DEADLINE_S = 30.0


def address(site: str, broker: BrokerProcess, transport: str = "") -> str:
    """Return the address of the page, with what it is to show."""
    token = broker.token(app_id="100")
    chosen = f"&transport={transport}" if transport else ""
    told = f"channels={CHANNEL},ping&token={token}&broker={broker.public}&retry=0.2{chosen}"
    return f"{site}/index.html#{told}"


async def count(page: Page, name: str) -> int:
    """Return a number that the page shows."""
    return int(await page.text(f"#{name}"))


async def shows(page: Page, name: str, number: int) -> None:
    """Wait until the page shows a number."""
    await page.until(f"document.getElementById('{name}').textContent === '{number}'", DEADLINE_S)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_p2_the_page_keeps_an_exact_count_over_restarts(
    browser: Browser, broker: BrokerProcess
) -> None:
    """Stopped and killed in turns, twenty times, under a publisher that never pauses for long."""
    stored = 0
    with served(EXAMPLES / "dashboard") as site:
        async with browser.page() as page, Client(internal=broker.internal) as client:
            await page.goto(address(site, broker))
            await page.until("document.getElementById('state').textContent.startsWith('connected')")
            stopping = asyncio.Event()

            async def publish() -> None:
                nonlocal stored
                while not stopping.is_set():
                    await client.publish(CHANNEL, {"number": stored})
                    stored += 1

            publishing = asyncio.create_task(publish())
            for restart in range(RESTARTS):
                if restart % 2:
                    broker.kill()
                    await broker.start()
                else:
                    await broker.restart()
                seen = await count(page, "received")
                await page.until(f"+document.getElementById('received').textContent > {seen}", 30)
            stopping.set()
            await publishing
            await shows(page, "received", stored)
            assert 0 == await count(page, "missing")
            assert 0 == await count(page, "repeated")
            assert await count(page, "reconnects") >= RESTARTS
            assert "" == await page.text("#gaps")


@pytest.mark.parametrize("transport", ["websocket", "eventsource", "longpoll"])
async def test_the_examples_work_together(
    browser: Browser, shared_broker: BrokerProcess, transport: str
) -> None:
    """What the publisher prints, the page shows, whatever the transport."""
    program = [sys.executable, str(EXAMPLES / "publisher" / "publisher.py"), CHANNEL]
    flags = ["--internal", shared_broker.internal, "--rate", "100", "--count", "25"]
    with served(EXAMPLES / "dashboard") as site:
        async with browser.page() as page:
            await page.goto(address(site, shared_broker, transport))
            ready = f"document.getElementById('state').textContent === 'connected ({transport})'"
            await page.until(ready, DEADLINE_S)
            publisher = await asyncio.create_subprocess_exec(
                *program, *flags, stdout=asyncio.subprocess.PIPE
            )
            printed, _ = await publisher.communicate()
            assert 25 == printed.count(b"\n")
            await shows(page, "received", 25)
            assert 0 == await count(page, "missing")
            assert [] == page.errors


async def test_the_page_says_what_is_wrong(browser: Browser, shared_broker: BrokerProcess) -> None:
    """A token that does not count is told, not tried again."""
    with served(EXAMPLES / "dashboard") as site:
        async with browser.page() as page:
            told = f"channels={CHANNEL}&token=x.y.z&broker={shared_broker.public}"
            await page.goto(f"{site}/index.html#{told}")
            await page.until("document.getElementById('state').textContent.includes('stopped')", 20)
            assert "401" in await page.text("#state")
