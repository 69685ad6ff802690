"""The console in a browser: opening it, going about in it, and those whom it shows."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
import asyncio
import json

from aiohttp import ClientSession

from broker.client import Client
from tests.support.broker import BrokerProcess
from tests.support.browser import Browser, Page
from tests.support.waiting import eventually

RULES = """\
channels:
  - {name: ping, history: {messages: 0}, subscribe: [{}]}
  - {name: "news.{id}", history: {messages: 200}, subscribe: [{app_id: "100"}]}
  - {name: "shown.{id}", history: {messages: 200}, subscribe: [{app_id: "100"}]}
  - {name: "load.{id}", history: {messages: 20000}, subscribe: [{app_id: "100"}]}
"""

VIEWS = ("overview", "channels", "sessions", "publish", "subscribe", "tokens", "nodes")

DEADLINE_S = 20.0

_WATCH = """
window.violations = [];
addEventListener('securitypolicyviolation', (event) => violations.push(event.blockedURI));
"""


@asynccontextmanager
async def opened(browser: Browser, broker: BrokerProcess) -> AsyncIterator[Page]:
    """Open the console of a broker; `violations` of its page are those of its policy."""
    async with browser.page() as page:
        await page.call("Page.addScriptToEvaluateOnNewDocument", source=_WATCH)
        await resize(page, 1280, 900)
        await page.goto(f"{broker.internal}/")
        await page.until("document.querySelector('main h2') !== null", DEADLINE_S)
        yield page


async def resize(page: Page, width: int, height: int) -> None:
    """Give the page another size."""
    shape = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    await page.call("Emulation.setDeviceMetricsOverride", **shape)


async def view(page: Page, name: str, heading: str = "") -> None:
    """Go to a view by its address."""
    await page.run(f"location.hash = '#/{name}'")
    wanted = json.dumps(heading or name.capitalize())
    await page.until(f"document.querySelector('main h2').innerText === {wanted}", DEADLINE_S)


async def keep(page: Page, folder: Path, name: str) -> None:
    """Keep a picture of the page."""
    picture = await page.call("Page.captureScreenshot", format="png")
    (folder / f"{name}.png").write_bytes(b64decode(picture["data"]))


async def fill(page: Page, selector: str, text: str) -> None:
    """Put a text into a field, in the place of what it held."""
    await page.run(f"document.querySelector({json.dumps(selector)}).select()")
    await page.type(selector, text)


async def sure(page: Page, selector: str) -> None:
    """Press a button that asks once more."""
    await page.click(selector)
    asked = f"document.querySelector({json.dumps(selector)}).innerText === 'Sure?'"
    await page.until(asked, DEADLINE_S)
    await page.click(selector)


async def shows(page: Page, selector: str, text: str) -> None:
    """Wait until an element shows a text."""
    found = f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"
    await page.until(f"({found}).includes({json.dumps(text)})", DEADLINE_S)


@asynccontextmanager
async def subscribed(broker: BrokerProcess, sub: str, *channels: str) -> AsyncIterator[list[Any]]:
    """Have a subscriber; give what it gets."""
    token = broker.token(sub=sub, app_id="100")
    got: list[Any] = []
    take = got.append
    async with Client(broker.public, token=token) as client:

        async def follow() -> None:
            async for message in client.subscribe(*channels):
                take(message)

        following = asyncio.create_task(follow())
        try:
            await eventually(lambda: sessions(broker, sub), DEADLINE_S, what="it is subscribed")
            yield got
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


async def sessions(broker: BrokerProcess, sub: str) -> set[str]:
    """Return what the sessions of a subject are called."""
    async with (
        ClientSession() as http,
        http.get(f"{broker.internal}/sessions", params={"sub": sub}) as answer,
    ):
        return {row["session"] for row in (await answer.json())["sessions"]}


async def came_back(broker: BrokerProcess, sub: str, before: set[str]) -> bool:
    """Tell whether a subject has one session, another than before."""
    now = await sessions(broker, sub)
    return len(now) == 1 and not now & before
