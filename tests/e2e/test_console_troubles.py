"""The console where there is nothing to show yet, and where something does not work."""

from __future__ import annotations

from pathlib import Path

from broker.client import Client
from tests.e2e.conftest import StartBroker
from tests.support.broker import BrokerProcess
from tests.support.browser import Browser, Page
from tests.support.console import DEADLINE_S, RULES, VIEWS, keep, opened, shows, view

FOLLOWING = "section[aria-label=Messages]"

EMPTY = {
    "channels": "The store knows no channel yet",
    "sessions": "Nobody is subscribed",
    "tokens": "No token is revoked",
}
"""What views say where there is nothing."""


async def test_an_empty_broker_says_what_to_do(
    browser: Browser, start_broker: StartBroker, artefacts: Path
) -> None:
    """No table without rows: each view says that there is nothing, and what would be there."""
    broker = await start_broker("--store", "memory:", "--drain-s", "0")
    async with opened(browser, broker) as page:
        for name in VIEWS:
            await view(page, name)
            await shows(page, "main", EMPTY.get(name, ""))
            await keep(page, artefacts, f"empty-{name}")
        await view(page, "channels/conversation.100", "conversation.100")
        await shows(page, FOLLOWING, "Nothing yet")
        await keep(page, artefacts, "empty-channel")
        await page.click("main [role=group] button:last-child")
        await shows(page, FOLLOWING, "Nothing is kept")
        await view(page, "channels/of.no.rule.at.all", "of.no.rule.at.all")
        await shows(page, "[role=alert]", "no pattern of channels.yaml matches")
        await keep(page, artefacts, "unknown-channel")
        assert [] == page.errors


async def test_P2_a_broker_that_comes_back_is_followed_on(
    browser: Browser, start_broker: StartBroker, tmp_path: Path, artefacts: Path
) -> None:
    """While it is gone every view says so; then it goes on where it was, without a gap."""
    rules = tmp_path / "channels.yaml"
    rules.write_text(RULES)
    broker = await start_broker("--drain-s", "0", "--config", str(rules))
    async with opened(browser, broker) as page:
        await _publish(broker, 30)
        await view(page, "channels/news.on", "news.on")
        await shows(page, f"{FOLLOWING} .rate", "20 seen")
        broker.kill()
        await shows(page, "#broker-state", "cannot be reached")
        await shows(page, FOLLOWING, "Connecting")
        await keep(page, artefacts, "gone-channel")
        for name in VIEWS:
            await view(page, name)
            await shows(page, "#broker-state", "cannot be reached")
            await keep(page, artefacts, f"gone-{name}")
        await view(page, "channels/news.on", "news.on")
        await broker.start()
        await page.until("document.querySelector('#broker-state') === null", DEADLINE_S)
        await shows(page, FOLLOWING, "Following live")


async def test_P2_a_stream_that_is_cut_is_resumed(
    page: Page, console: BrokerProcess, artefacts: Path
) -> None:
    """Where it does not get through, the page asks instead; what it could not get is counted."""
    await page.call("Network.enable")
    async with Client(internal=console.internal) as client:
        await client.publish_batch([("news.cut", number) for number in range(30)])
        await page.call("Network.setBlockedURLs", urls=["*/follow*"])
        await view(page, "channels/news.cut", "news.cut")
        await shows(page, FOLLOWING, "by asking once a second")
        await client.publish_batch([("news.cut", number) for number in range(300)])
        await shows(page, FOLLOWING, "100 messages went by that are no longer kept")
        await page.call("Network.setBlockedURLs", urls=[])
        await keep(page, artefacts, "asking")
        await shows(page, FOLLOWING, "Following live")
        await client.publish_batch([("news.cut", number) for number in range(10)])
        await shows(page, f"{FOLLOWING} .rate", "210 seen")
        ids = "[...document.querySelectorAll('#messages tr')].map((e) => +e.cells[0].innerText)"
        assert list(range(340, 240, -1)) == await page.run(ids)
        assert "100 messages went by" in await page.text(FOLLOWING)


async def _publish(broker: BrokerProcess, count: int) -> None:
    async with Client(internal=broker.internal) as client:
        await client.publish_batch([("news.on", number) for number in range(count)])
