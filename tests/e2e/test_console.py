"""The console in Chromium: each view, each action, by hand and by keyboard, under load."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
import asyncio
import json
import os

from aiohttp import ClientSession
import pytest

from broker.client import Client, Unauthorized
from tests.support.broker import BrokerProcess
from tests.support.browser import Browser, Page
from tests.support.waiting import eventually

RULES = """\
channels:
  - {name: ping, history: {messages: 0}, subscribe: [{}]}
  - {name: "news.{id}", history: {messages: 200}, subscribe: [{app_id: "100"}]}
  - {name: "shown.{id}", history: {messages: 200}, subscribe: [{app_id: "100"}]}
  - {name: "load.{id}", history: {messages: 1000}, subscribe: [{app_id: "100"}]}
"""
KEY = "a-key-of-the-operator"
VIEWS = ("overview", "channels", "sessions", "publish", "subscribe", "tokens", "nodes")
DEADLINE_S = 20.0

WATCH = """
window.violations = [];
addEventListener('securitypolicyviolation', (event) => violations.push(event.blockedURI));
"""

NAMED = ("button", "link", "textbox", "combobox", "checkbox", "spinbutton", "img", "meter")
"""Roles whose elements say nothing to whoever cannot see them, unless they have a name."""


@pytest.fixture(scope="session")
def artefacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder for pictures: `TEST_ARTEFACTS`, or one of pytest's own."""
    chosen = os.environ.get("TEST_ARTEFACTS")
    folder = Path(chosen) if chosen else tmp_path_factory.mktemp("console")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    """Give one broker to all these tests; each has channels and subjects of its own."""
    rules = tmp_path_factory.mktemp("rules") / "channels.yaml"
    rules.write_text(RULES)
    running = BrokerProcess("--store", "memory:", "--drain-s", "0", "--config", str(rules))
    try:
        asyncio.run(running.start())
        yield running
    finally:
        running.close()


@pytest.fixture
async def page(browser: Browser, broker: BrokerProcess) -> AsyncIterator[Page]:
    """Give the console, opened; whatever is done in it, nothing may go wrong unseen."""
    async with opened(browser, broker) as page:
        yield page
        assert [] == page.errors
        assert [] == await page.run("violations")


@asynccontextmanager
async def opened(browser: Browser, broker: BrokerProcess) -> AsyncIterator[Page]:
    """Open the console of a broker."""
    async with browser.page() as page:
        await page.call("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
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
            await eventually(lambda: _count(broker, sub), DEADLINE_S, what="it is subscribed")
            yield got
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


async def _count(broker: BrokerProcess, sub: str) -> int:
    async with (
        ClientSession() as http,
        http.get(f"{broker.internal}/sessions", params={"sub": sub}) as answer,
    ):
        return len((await answer.json())["sessions"])


# --- views ----------------------------------------------------------------------------------


async def test_the_overview_moves(page: Page, broker: BrokerProcess, artefacts: Path) -> None:
    """Rates, subscribers and charts follow what happens."""
    tile = "[...document.querySelectorAll('.tiles div')].find((e) => e.innerText.startsWith({!r}))"
    number = f"+{tile}.querySelector('dd').innerText.replace(',', '')"
    async with subscribed(broker, "7", "news.1"), Client(internal=broker.internal) as client:
        await page.until(f"({number.format('subscribers')}) === 1", DEADLINE_S)
        for published in range(500):
            await client.publish("news.1", published)
            if await page.run(f"({number.format('published')}) > 0"):
                break
        await page.until(f"({number.format('delivered')}) >= 0", DEADLINE_S)
        assert 4 == await page.run("document.querySelectorAll('.chart canvas').length")
        told = "document.querySelector('[aria-label^=\"Messages a second:\"]').ariaLabel"
        assert "published" in await page.run(told)
        await keep(page, artefacts, "overview")


async def test_channels_are_shown_by_pattern(
    page: Page, broker: BrokerProcess, artefacts: Path
) -> None:
    """With how full their rings are and how many subscribe; a beginning chooses among them."""
    async with subscribed(broker, "70", "shown.1"), Client(internal=broker.internal) as client:
        await client.publish_batch([("shown.1", number) for number in range(50)])
        await client.publish("news.other", 1)
        await view(page, "channels")
        await shows(page, "section[aria-label='shown.{id}']", "1 channel, 50 messages kept")
        await shows(page, "section[aria-label='news.{id}']", "kept")
        meter = "document.querySelector('[aria-label=\"ring of shown.1\"]')"
        assert [50, 200] == await page.run(f"[{meter}.value, {meter}.max]")
        await shows(page, "section[aria-label='shown.{id}'] [data-name=subscribers]", "1")
        await keep(page, artefacts, "channels")
        await page.type("input[name=prefix]", "show")
        await page.until("document.querySelectorAll('main section').length === 1", DEADLINE_S)
        await page.click("section[aria-label='shown.{id}'] a")
        await shows(page, "main h2", "shown.1")


async def test_a_channel_is_followed_and_paged_through(
    page: Page, broker: BrokerProcess, artefacts: Path
) -> None:
    """New messages come by themselves; old ones a page at a time, there and back."""
    ids = "[...document.querySelectorAll('#messages tr')].map((e) => +e.cells[0].innerText)"
    async with Client(internal=broker.internal) as client:
        await client.publish_batch([("news.paged", {"number": n}) for n in range(1, 121)])
        await view(page, "channels/news.paged", "news.paged")
        await shows(page, "section[aria-label=Messages]", "Following")
        await client.publish_batch([("news.paged", {"number": n}) for n in range(121, 126)])
        await page.until(f"JSON.stringify({ids}) === '[125,124,123,122,121]'", DEADLINE_S)
        await keep(page, artefacts, "channel")
        await page.click("main [role=group] button:last-child")
        pages = [list(range(1, 51)), list(range(51, 101)), list(range(101, 126))]
        newer, older = "section .row button:nth-of-type(2)", "section .row button:nth-of-type(1)"
        for button, expected in (("", 0), (newer, 1), (newer, 2), (older, 1), (older, 0)):
            if button:
                await page.click(button)
            await page.until(f"JSON.stringify({ids}) === '{_json(pages[expected])}'", DEADLINE_S)
        await keep(page, artefacts, "history")
        assert await page.run("document.querySelector('section .row button').disabled")


async def test_p9_a_message_is_never_part_of_the_page(page: Page, broker: BrokerProcess) -> None:
    """Whatever a message holds is shown as text: it makes no element and runs no script."""
    odd = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    async with Client(internal=broker.internal) as client:
        await client.publish("news.odd", {"body": odd})
    await view(page, "channels/news.odd", "news.odd")
    await shows(page, "section[aria-label=Messages]", "Following")
    await page.click("main [role=group] button:last-child")
    await page.until("document.querySelector('main').innerText.includes('onerror')", DEADLINE_S)
    assert 0 == await page.run("document.querySelectorAll('main img, main script').length")
    assert "owned" != await page.run("document.title")


async def test_a_channels_messages_can_be_dropped(page: Page, broker: BrokerProcess) -> None:
    """Not by one press alone."""
    async with Client(internal=broker.internal) as client:
        await client.publish("news.dropped", 1)
        await view(page, "channels/news.dropped", "news.dropped")
        await shows(page, "#stored", "1")
        await sure(page, "button.danger")
        await shows(page, "#stored", "0")


async def test_sessions_are_shown_and_disconnected(
    page: Page, broker: BrokerProcess, artefacts: Path
) -> None:
    """With transport, subject, lag and age; who is disconnected comes back by itself."""
    async with subscribed(broker, "71", "news.1", "news.2"), subscribed(broker, "72", "news.1"):
        await view(page, "sessions")
        await page.until("document.querySelectorAll('tbody tr').length >= 2", DEADLINE_S)
        await keep(page, artefacts, "sessions")
        await page.type("input[name=sub]", "71")
        await page.until("document.querySelectorAll('tbody tr').length === 1", DEADLINE_S)
        row = await page.text("tbody tr")
        for told in ("websocket", "71", "news.2", "live"):
            assert told in row
        before = await _names(broker, "71")
        await sure(page, "tbody button.danger")
        await eventually(lambda: _came_back(broker, before), DEADLINE_S, what="another session")


async def test_a_message_is_published(page: Page, broker: BrokerProcess, artefacts: Path) -> None:
    """To several channels, with its type; what cannot be read is said."""
    async with subscribed(broker, "73", "news.a", "news.b") as got:
        await view(page, "publish")
        await page.type("input[name=channels]", "news.a news.b")
        await fill(page, "textarea", '{"body": "ü"}')
        await page.type("input[name=type]", "greeting")
        await page.click("button.main")
        await shows(page, "[role=status]", "news.b")
        await eventually(lambda: 2 == len(got), DEADLINE_S)
        assert [{"body": "ü"}] * 2 == [message.message for message in got]
        await keep(page, artefacts, "publish")
        await fill(page, "textarea", "{")
        await page.click("button.main")
        await shows(page, "[role=alert]", "JSON")


async def test_the_shown_url_is_exactly_the_one(
    page: Page, broker: BrokerProcess, artefacts: Path
) -> None:
    """It is answered as it stands, with token and cursor."""
    async with Client(internal=broker.internal) as client:
        first = await client.publish("news.ü", 1)
        await client.publish("news.ü", 2)
    await view(page, "subscribe")
    await fill(page, "input[name=channels]", "news.ü, ping")
    await page.run("document.querySelector('select').focus()")
    for _ in range(3):
        await page.press("ArrowDown")  # to the last transport, short poll
    await page.type("input[name=cursor]", str(first[0].cursor))
    await page.type("input[name=token]", broker.token(app_id="100"))
    await shows(page, "#url", f"{broker.public}/shortpoll/news.%C3%BC/ping?tag=")
    async with ClientSession() as http, http.get(await page.text("#url")) as answer:
        messages = [json.loads(line) for line in (await answer.text()).splitlines()]
    assert [2] == [each["message"] for each in messages if each["channel"] != "ping"]
    await keep(page, artefacts, "subscribe")


async def test_a_token_is_made_explained_and_revoked(
    page: Page, broker: BrokerProcess, artefacts: Path
) -> None:
    """One that counts, until it is taken back."""
    await view(page, "tokens")
    await fill(page, "form[aria-label='Make a token'] input[name=sub]", "74")
    await page.click("form[aria-label='Make a token'] button.main")
    await page.until("document.querySelector('#token') !== null", DEADLINE_S)
    token = await page.text("#token")
    await page.type("input[name=explained]", "news.1 other.1")
    await page.click("form[aria-label=Explain] button.main")
    await shows(page, "#explanation", "allowed news.1")
    await shows(page, "#explanation", "denied other.1")
    async with Client(broker.public, token=token) as client:
        subscription = await client.subscribe("news.1").__aenter__()
        await subscription.close()
        await page.type("input[name=revoked]", "74")
        await sure(page, "section[aria-label=Revoke] button.danger")
        await shows(page, "#revocations", "subject 74")
        with pytest.raises(Unauthorized):
            await client.subscribe("news.1").__aenter__()
    await page.click("form[aria-label=Explain] button.main")
    await shows(page, "#explanation", "revoked")
    await keep(page, artefacts, "tokens")


async def test_nodes_are_shown(page: Page, broker: BrokerProcess, artefacts: Path) -> None:
    """With their process and their subscribers."""
    await view(page, "nodes")
    await shows(page, "tbody tr", str(broker.pid))
    await shows(page, "section[aria-label='This node']", broker.public.removeprefix("http://"))
    await keep(page, artefacts, "nodes")


# --- for everybody --------------------------------------------------------------------------


async def test_p9_a_key_is_asked_for_and_kept_for_the_tab(
    browser: Browser, artefacts: Path
) -> None:
    """A wrong one is asked for again; no token is made where there are keys."""
    environ = {"BROKER_API_KEYS": f"operator:{KEY}"}
    async with AsyncExitStack() as stack:
        broker = await stack.enter_async_context(
            BrokerProcess("--store", "memory:", "--drain-s", "0", environ=environ)
        )
        page = await stack.enter_async_context(opened(browser, broker))
        await page.until("document.querySelector('dialog').open", DEADLINE_S)
        await keep(page, artefacts, "key")
        for key in ("wrong", KEY):
            await fill(page, "input[name=key]", key)
            await page.press("Enter")
            shut = "!document.querySelector('dialog').open"
            await page.until(shut if key == KEY else f"!({shut})", DEADLINE_S)
        await view(page, "nodes")
        await shows(page, "section[aria-label='This node']", "operator")
        assert KEY == await page.run("sessionStorage.getItem('broker-key')")
        assert not await page.run(f"JSON.stringify({{...localStorage}}).includes('{KEY}')")
        assert "" == await page.run("document.cookie")
        await view(page, "tokens")
        await shows(page, "form[aria-label='Make a token']", "Not while there are API keys")


@pytest.mark.parametrize(
    ("colours", "width"), [("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)]
)
async def test_every_view_fits_and_has_names(
    page: Page, broker: BrokerProcess, artefacts: Path, colours: str, width: int
) -> None:
    """Light, dark, on a desk, on a phone: nothing sticks out, and every control has a name."""
    async with Client(internal=broker.internal) as client:
        await client.publish(f"news.{'long' * 20}", {"text": "word " * 100})
    features = [{"name": "prefers-color-scheme", "value": colours}]
    await page.call("Emulation.setEmulatedMedia", features=features)
    await resize(page, width, 844)
    async with subscribed(broker, "75", f"news.{'long' * 20}", "news.2"):
        for name in VIEWS:
            await view(page, name)
            await page.until("document.querySelector('main').innerText.length > 40", DEADLINE_S)
            assert not await page.run("document.documentElement.scrollWidth > innerWidth"), name
            await keep(page, artefacts, f"{name}-{colours}-{width}")
            assert [] == await nameless(page)
    theme = await page.run("document.documentElement.dataset.theme")
    assert colours == theme


async def nameless(page: Page) -> list[str]:
    """Return the elements of the accessibility tree that should have a name and have none."""
    tree = await page.call("Accessibility.getFullAXTree")
    return [
        node["role"]["value"]
        for node in tree["nodes"]
        if not node["ignored"]
        and node["role"]["value"] in NAMED
        and not node.get("name", {}).get("value")
    ]


async def test_it_can_be_used_by_keyboard_alone(page: Page) -> None:
    """Tab reaches the views in their order, Enter opens one, and the focus is seen."""
    for name in VIEWS:
        await page.press("Tab")
        assert f"#/{name}" == await page.run("document.activeElement.getAttribute('href')")
    style = await page.run("getComputedStyle(document.activeElement).outlineStyle")
    assert "none" != style
    await page.press("Enter")
    await shows(page, "main h2", "Nodes")
    assert "MAIN" == await page.run("document.activeElement.tagName")


async def test_it_does_not_slow_down_under_a_thousand_messages_a_second(
    page: Page, broker: BrokerProcess, artefacts: Path
) -> None:
    """The page that follows them is idle for most of the time, and shows them all the same."""
    seconds, rate = 5, 1000
    async with subscribed(broker, "76", "load.1"), Client(internal=broker.internal) as client:
        await view(page, "channels/load.1", "load.1")
        await page.call("Performance.enable", timeDomain="timeTicks")
        before = await busy_s(page)
        loop = asyncio.get_running_loop()
        began = loop.time()
        for step in range(seconds * 20):
            items = [("load.1", {"number": step}) for _ in range(rate // 20)]
            await client.publish_batch(items)
            await asyncio.sleep(max(0.0, began + (step + 1) / 20 - loop.time()))
        took_s = loop.time() - began
        share = (await busy_s(page) - before) / took_s
        await page.until(
            f"document.querySelector('#messages td').innerText === '{seconds * rate}'", DEADLINE_S
        )
        await keep(page, artefacts, "load")
        print(f"the main thread worked {share:.0%} of the time")
        assert share < 0.5


async def busy_s(page: Page) -> float:
    """Return the seconds that the page's main thread has worked."""
    metrics = (await page.call("Performance.getMetrics"))["metrics"]
    return float(next(each["value"] for each in metrics if each["name"] == "TaskDuration"))


async def _names(broker: BrokerProcess, sub: str) -> set[str]:
    async with (
        ClientSession() as http,
        http.get(f"{broker.internal}/sessions", params={"sub": sub}) as answer,
    ):
        return {row["session"] for row in (await answer.json())["sessions"]}


async def _came_back(broker: BrokerProcess, before: set[str]) -> bool:
    now = await _names(broker, "71")
    return len(now) == 1 and not now & before


def _json(numbers: list[int]) -> str:
    return json.dumps(numbers, separators=(",", ":"))
