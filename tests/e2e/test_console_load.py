"""The console under load: each view and action, while 1,000 messages a second are published."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
import asyncio
import json

from broker.client import Client
from tests.support.broker import BrokerProcess
from tests.support.browser import Page
from tests.support.console import (
    DEADLINE_S,
    came_back,
    fill,
    keep,
    sessions,
    shows,
    subscribed,
    sure,
    view,
)
from tests.support.waiting import eventually

RATE = 1000
STEPS = 20
"""Batches in a second."""

CHANNEL = "load.1"

DWELL_S = 0.8
"""Seconds in each view at least: the work of going there is done at once, and over in no time."""

BUSY = 0.5
"""Part of the time that the page's main thread may work: a person notices nothing until it is 1."""

FIRST_ID = "+(document.querySelector('#messages td')?.innerText ?? 0)"

Step = Callable[[Page, BrokerProcess], Awaitable[None]]
"""Goes to a view, and does there what can be done."""


class Press:
    """
    Publishes messages at an even rate.

    Attributes:
        published: How many so far.
        began: When it began, in loop time.
    """

    def __init__(self) -> None:
        self.published = 0
        self.began = asyncio.get_running_loop().time()

    @property
    def rate(self) -> float:
        """Messages a second so far."""
        return self.published / (asyncio.get_running_loop().time() - self.began)

    async def run(self, url: str) -> None:
        """Publish until cancelled; what was late is made up for."""
        loop = asyncio.get_running_loop()
        async with Client(internal=url) as client:
            while True:
                body = {"number": self.published, "text": "a message of ordinary length " * 4}
                await client.publish_batch([(CHANNEL, body)] * (RATE // STEPS))
                self.published += RATE // STEPS
                next_at = self.began + self.published / RATE
                await asyncio.sleep(max(0.0, next_at - loop.time()))


@asynccontextmanager
async def pressed(broker: BrokerProcess) -> AsyncIterator[Press]:
    """Have the load for the length of a block."""
    press = Press()
    running = asyncio.create_task(press.run(broker.internal))
    try:
        yield press
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def busy_s(page: Page) -> float:
    """Return the seconds that the page's main thread has worked."""
    metrics = (await page.call("Performance.getMetrics"))["metrics"]
    return float(next(each["value"] for each in metrics if each["name"] == "TaskDuration"))


async def overview(page: Page, _: BrokerProcess) -> None:
    """Rates are those of the load, and charts move."""
    await view(page, "overview")
    told = "document.querySelector('[aria-label^=\"Messages a second:\"]').ariaLabel"
    rate = "+/published ([0-9.]+)/.exec({})?.[1]"
    await page.until(f"{rate.format(told)} > {RATE / 2}", DEADLINE_S)
    before = json.dumps(await page.run(told))
    await page.until(f"{told} !== {before}", DEADLINE_S)


async def channels(page: Page, _: BrokerProcess) -> None:
    """The ring fills while one looks; a beginning chooses."""
    await view(page, "channels")
    meter = f"document.querySelector('[aria-label=\"ring of {CHANNEL}\"]')?.value"
    await page.until(f"{meter} > 0", DEADLINE_S)
    before = await page.run(meter)
    await page.until(f"{meter} > {before}", DEADLINE_S)
    await page.type("input[name=prefix]", "load")
    await page.until("document.querySelectorAll('main section').length === 1", DEADLINE_S)
    await page.click("main section a")
    await shows(page, "main h2", CHANNEL)


async def follow(page: Page, _: BrokerProcess) -> None:
    """Messages run through; held, they stand still; let go, they are those of now."""
    await view(page, f"channels/{CHANNEL}", CHANNEL)
    await shows(page, "section[aria-label=Messages]", "Following live")
    first = await page.run(FIRST_ID)
    await page.until(f"{FIRST_ID} > {first + RATE}", DEADLINE_S)
    await page.click("section[aria-label=Messages] .row button")
    await shows(page, "section[aria-label=Messages]", "Held")
    held = await page.run(FIRST_ID)
    seen = "document.querySelector('.rate').innerText"
    before = json.dumps(await page.run(seen))
    await page.until(f"{seen} !== {before}", DEADLINE_S)
    assert held == await page.run(FIRST_ID)
    await page.click("section[aria-label=Messages] .row button")
    await page.until(f"{FIRST_ID} > {held}", DEADLINE_S)


async def history(page: Page, _: BrokerProcess) -> None:
    """Pages stand still, there and back."""
    await view(page, f"channels/{CHANNEL}", CHANNEL)
    await page.click("main [role=group] button:last-child")
    older, newer = (f"section .row button:nth-of-type({number})" for number in (1, 2))
    await page.until(f"{FIRST_ID} === 1", DEADLINE_S)
    for button, first in ((newer, 51), (newer, 101), (older, 51)):
        await page.click(button)
        await page.until(f"{FIRST_ID} === {first}", DEADLINE_S)


async def disconnect(page: Page, broker: BrokerProcess) -> None:
    """A subscriber is found among the sessions, sent away, and comes back."""
    async with subscribed(broker, "81", CHANNEL), subscribed(broker, "82", CHANNEL):
        await view(page, "sessions")
        await page.type("input[name=sub]", "81")
        await page.until("document.querySelectorAll('tbody tr').length === 1", DEADLINE_S)
        before = await sessions(broker, "81")
        await sure(page, "tbody button.danger")
        await eventually(lambda: came_back(broker, "81", before), DEADLINE_S, what="another one")


async def publish(page: Page, broker: BrokerProcess) -> None:
    """A message of one's own is stored, and delivered beside all the others."""
    async with subscribed(broker, "83", CHANNEL, "news.own") as got:
        await view(page, "publish")
        await page.type("input[name=channels]", "news.own")
        await fill(page, "textarea", '"mine"')
        await page.click("button.main")
        await shows(page, "[role=status]", "Stored")
        await eventually(lambda: any(each.message == "mine" for each in got), DEADLINE_S)


async def subscribe(page: Page, broker: BrokerProcess) -> None:
    """The URL follows what is typed."""
    await view(page, "subscribe")
    await fill(page, "input[name=channels]", CHANNEL)
    await shows(page, "#url", f"{broker.public.replace('http', 'ws')}/websocket/{CHANNEL}")


async def tokens(page: Page, _: BrokerProcess) -> None:
    """One is made, explained, and taken back."""
    await view(page, "tokens")
    await fill(page, "form[aria-label='Make a token'] input[name=sub]", "84")
    await page.click("form[aria-label='Make a token'] button.main")
    await page.until("document.querySelector('#token') !== null", DEADLINE_S)
    await page.type("input[name=explained]", CHANNEL)
    await page.click("form[aria-label=Explain] button.main")
    await shows(page, "#explanation", f"allowed {CHANNEL}")
    await page.type("input[name=revoked]", "84")
    await sure(page, "section[aria-label=Revoke] button.danger")
    await shows(page, "#revocations", "subject 84")


async def nodes(page: Page, broker: BrokerProcess) -> None:
    """They are listed, and lead to their sessions."""
    await view(page, "nodes")
    await shows(page, "tbody tr", str(broker.pid))
    await page.click("tbody a")
    await shows(page, "main h2", "Sessions")
    await shows(page, "main", "Of node")


STEPS_OF_ALL: tuple[Step, ...] = (
    *(overview, channels, follow, history, disconnect, publish, subscribe, tokens, nodes),
)


async def test_no_view_or_action_slows_down_under_a_thousand_messages_a_second(
    page: Page, console: BrokerProcess, artefacts: Path
) -> None:
    """The page is idle for most of the time whatever is looked at, and everything works."""
    loop = asyncio.get_running_loop()
    await page.call("Performance.enable", timeDomain="timeTicks")
    shares: dict[str, float] = {}
    async with subscribed(console, "80", CHANNEL), pressed(console) as press:
        for step in STEPS_OF_ALL:
            before, began = await busy_s(page), loop.time()
            await step(page, console)
            await asyncio.sleep(max(0.0, began + DWELL_S - loop.time()))  # no result is waited for
            shares[step.__name__] = (await busy_s(page) - before) / (loop.time() - began)
            await keep(page, artefacts, f"load-{step.__name__}")
        rate = press.rate
    print({name: f"{share:.0%}" for name, share in shares.items()}, f"at {rate:.0f}/s")
    assert rate > 0.8 * RATE
    assert {} == {name: share for name, share in shares.items() if share >= BUSY}


async def test_following_shows_every_message_over_one_stream(
    page: Page, console: BrokerProcess
) -> None:
    """None is passed over, none comes twice, and nothing is asked for again and again."""
    channel, seconds = "load.2", 2
    asked = (
        "performance.getEntriesByType('resource').filter(each => each.name.includes('/messages'))"
    )
    await view(page, f"channels/{channel}", channel)
    await shows(page, "section[aria-label=Messages]", "Following live")
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with Client(internal=console.internal) as client:
        for step in range(1, seconds * STEPS + 1):
            await client.publish_batch([(channel, step)] * (RATE // STEPS))
            await asyncio.sleep(max(0.0, began + step / STEPS - loop.time()))
    total = seconds * RATE
    await shows(page, "section[aria-label=Messages] .rate", f"{total:,} seen")
    assert total == await page.run(FIRST_ID)
    ids = "[...document.querySelectorAll('#messages tr')].map((e) => +e.cells[0].innerText)"
    assert list(range(total, total - 100, -1)) == await page.run(ids)
    assert "no longer kept" not in await page.text("section[aria-label=Messages]")
    assert 0 == await page.run(f"{asked}.length")
