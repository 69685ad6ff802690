"""The console in Chromium: each view, each action, by hand and by keyboard, under load."""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
import json

from aiohttp import ClientSession
import pytest

from broker.client import Client, Unauthorized
from tests.e2e.conftest import StartBroker
from tests.support.broker import BrokerProcess
from tests.support.browser import Browser, Page
from tests.support.console import (
    DEADLINE_S,
    RULES,
    VIEWS,
    came_back,
    fill,
    keep,
    opened,
    resize,
    sessions,
    shows,
    subscribed,
    sure,
    view,
)
from tests.support.waiting import eventually

KEY = "a-key-of-the-operator"
NAMED = ("button", "link", "textbox", "combobox", "checkbox", "spinbutton", "img", "meter")
"""Roles whose elements say nothing to whoever cannot see them, unless they have a name."""

FAINT = """
(() => {
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = parts(colour).slice(0, 3).map((each) => each / 255)
      .map((each) => (each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if ((parts(colour)[3] ?? 1) === 1) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const contrast = (element) => {
    const both = [light(getComputedStyle(element).color), light(behind(element))];
    return (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
  };
  return [...document.querySelectorAll('body *')]
    .filter((each) => each.checkVisibility() && !each.disabled)
    .filter((each) => [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
    .filter((each) => contrast(each) < 4.5)
    .map((each) => `${each.tagName} ${each.innerText}: ${contrast(each).toFixed(1)}`);
})()
"""
"""Texts that stand out too little from what is behind them (WCAG 2.2, 1.4.3)."""


# --- views ----------------------------------------------------------------------------------


async def test_the_overview_moves(page: Page, console: BrokerProcess, artefacts: Path) -> None:
    """Rates, subscribers and charts follow what happens."""
    tile = "[...document.querySelectorAll('.tiles div')].find((e) => e.innerText.startsWith({!r}))"
    number = f"+{tile}.querySelector('dd').innerText.replace(',', '')"
    async with subscribed(console, "7", "news.1"), Client(internal=console.internal) as client:
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
    page: Page, console: BrokerProcess, artefacts: Path
) -> None:
    """With how full their rings are and how many subscribe; a beginning chooses among them."""
    async with subscribed(console, "70", "shown.1"), Client(internal=console.internal) as client:
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
    page: Page, console: BrokerProcess, artefacts: Path
) -> None:
    """The last messages and all new ones come by themselves, old ones a page at a time."""
    ids = "[...document.querySelectorAll('#messages tr')].map((e) => +e.cells[0].innerText)"
    async with Client(internal=console.internal) as client:
        await client.publish_batch([("news.paged", {"number": n}) for n in range(1, 121)])
        await view(page, "channels/news.paged", "news.paged")
        await shows(page, "section[aria-label=Messages]", "Following live")
        await page.until(f"JSON.stringify({ids}) === '{_json(newest(120, 20))}'", DEADLINE_S)
        await client.publish_batch([("news.paged", {"number": n}) for n in range(121, 126)])
        await page.until(f"JSON.stringify({ids}) === '{_json(newest(125, 25))}'", DEADLINE_S)
        await shows(page, "section[aria-label=Messages] .rate", "25 seen")
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


async def test_p9_a_message_is_never_part_of_the_page(page: Page, console: BrokerProcess) -> None:
    """Whatever a message holds is shown as text: it makes no element and runs no script."""
    odd = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    async with Client(internal=console.internal) as client:
        await client.publish("news.odd", {"body": odd})
    await view(page, "channels/news.odd", "news.odd")
    await shows(page, "section[aria-label=Messages]", "Following")
    await page.click("main [role=group] button:last-child")
    await page.until("document.querySelector('main').innerText.includes('onerror')", DEADLINE_S)
    assert 0 == await page.run("document.querySelectorAll('main img, main script').length")
    assert "owned" != await page.run("document.title")


async def test_a_channels_messages_can_be_dropped(page: Page, console: BrokerProcess) -> None:
    """Not by one press alone."""
    async with Client(internal=console.internal) as client:
        await client.publish("news.dropped", 1)
        await view(page, "channels/news.dropped", "news.dropped")
        await shows(page, "#stored", "1")
        await sure(page, "button.danger")
        await shows(page, "#stored", "0")


async def test_sessions_are_shown_and_disconnected(
    page: Page, console: BrokerProcess, artefacts: Path
) -> None:
    """With transport, subject, lag and age; who is disconnected comes back by itself."""
    async with subscribed(console, "71", "news.1", "news.2"), subscribed(console, "72", "news.1"):
        await view(page, "sessions")
        await page.until("document.querySelectorAll('tbody tr').length >= 2", DEADLINE_S)
        await keep(page, artefacts, "sessions")
        await page.type("input[name=sub]", "71")
        await page.until("document.querySelectorAll('tbody tr').length === 1", DEADLINE_S)
        row = await page.text("tbody tr")
        for told in ("websocket", "71", "news.2", "live"):
            assert told in row
        before = await sessions(console, "71")
        await sure(page, "tbody button.danger")
        await eventually(lambda: came_back(console, "71", before), DEADLINE_S, what="another one")


async def test_a_message_is_published(page: Page, console: BrokerProcess, artefacts: Path) -> None:
    """To several channels, with its type; what cannot be read is said."""
    async with subscribed(console, "73", "news.a", "news.b") as got:
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
    page: Page, console: BrokerProcess, artefacts: Path
) -> None:
    """It is answered as it stands, with token and cursor."""
    async with Client(internal=console.internal) as client:
        first = await client.publish("news.ü", 1)
        await client.publish("news.ü", 2)
    await view(page, "subscribe")
    await fill(page, "input[name=channels]", "news.ü, ping")
    await page.run("document.querySelector('select').focus()")
    for _ in range(4):
        await page.press("ArrowDown")  # to the last transport, short poll
    await page.type("input[name=cursor]", str(first[0].cursor))
    await page.type("input[name=token]", console.token(app_id="100"))
    await shows(page, "#url", f"{console.public}/shortpoll/news.%C3%BC/ping?tag=")
    async with ClientSession() as http, http.get(await page.text("#url")) as answer:
        messages = [json.loads(line) for line in (await answer.text()).splitlines()]
    assert [2] == [each["message"] for each in messages if each["channel"] != "ping"]
    await keep(page, artefacts, "subscribe")


async def test_a_token_is_made_explained_and_revoked(
    page: Page, console: BrokerProcess, artefacts: Path
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
    async with Client(console.public, token=token) as client:
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


async def test_nodes_are_shown(page: Page, console: BrokerProcess, artefacts: Path) -> None:
    """With their process and their subscribers."""
    await view(page, "nodes")
    await shows(page, "tbody tr", str(console.pid))
    await shows(page, "section[aria-label='This node']", console.public.removeprefix("http://"))
    await keep(page, artefacts, "nodes")


async def test_sessions_of_all_workers_are_reached_from_any(
    browser: Browser, start_broker: StartBroker, tmp_path: Path, artefacts: Path
) -> None:
    """The list of nodes leads to those of each; one that another worker has is ended as well."""
    rules = tmp_path / "channels.yaml"
    rules.write_text(RULES)
    broker = await start_broker("--workers", "2", "--drain-s", "0", "--config", str(rules))
    async with AsyncExitStack() as stack:
        for number in range(6):
            await stack.enter_async_context(subscribed(broker, f"s{number}", "news.1"))
        page = await stack.enter_async_context(opened(browser, broker))
        await view(page, "nodes")
        await page.until("document.querySelectorAll('main tbody tr').length === 2", DEADLINE_S)
        counts = "[...document.querySelectorAll('main tbody a')].map((link) => +link.innerText)"
        first, second = await page.run(counts)
        assert 6 == first + second
        await keep(page, artefacts, "nodes-workers")
        await page.click("main tbody a")
        await shows(page, "main", "Of node")
        rows = "document.querySelectorAll('main tbody tr').length"
        await page.until(f"({rows}) === {first}", DEADLINE_S)
        await page.click("main .card a")
        await page.until(f"({rows}) === 6", DEADLINE_S)
        await keep(page, artefacts, "sessions-workers")
        subjects = "[...document.querySelectorAll('main tbody tr')].map((row) => row.cells)"
        pairs = await page.run(f"{subjects}.map((c) => [c[6].innerText, c[1].innerText])")
        for sub in dict(pairs).values():  # one of each worker
            await fill(page, "input[name=sub]", sub)
            await page.until(f"({rows}) === 1", DEADLINE_S)
            before = await sessions(broker, sub)
            await sure(page, "tbody button.danger")
            await eventually(
                partial(came_back, broker, sub, before), DEADLINE_S, what="another one"
            )


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
        await page.press("Escape")
        await shows(page, "#broker-state", "An API key is needed")
        await view(page, "nodes")
        assert not await page.run("document.querySelector('dialog').open")
        await keep(page, artefacts, "key-later")
        await page.click("#broker-state button")
        for key in ("wrong", KEY):
            await fill(page, "input[name=key]", key)
            await page.press("Enter")
            shut = "!document.querySelector('dialog').open"
            await page.until(shut if key == KEY else f"!({shut})", DEADLINE_S)
            if key != KEY:
                await shows(page, "dialog [role=alert]", "the API key is not known")
                await keep(page, artefacts, "key-wrong")
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
    page: Page, console: BrokerProcess, artefacts: Path, colours: str, width: int
) -> None:
    """Light, dark, on a desk, on a phone: nothing sticks out, and every control has a name."""
    async with Client(internal=console.internal) as client:
        await client.publish(f"news.{'long' * 20}", {"text": "word " * 100})
    features = [
        {"name": "prefers-color-scheme", "value": colours},
        {"name": "prefers-reduced-motion", "value": "reduce"},  # no colours in between
    ]
    await page.call("Emulation.setEmulatedMedia", features=features)
    await resize(page, width, 844)
    async with subscribed(console, "75", f"news.{'long' * 20}", "news.2"):
        for name in (*VIEWS, "channel", "history"):
            await go_to(page, name)
            await page.until("document.querySelector('main').innerText.length > 40", DEADLINE_S)
            assert not await page.run("document.documentElement.scrollWidth > innerWidth"), name
            await keep(page, artefacts, f"{name}-{colours}-{width}")
            assert [] == await nameless(page)
            assert [] == await page.run(FAINT)
    theme = await page.run("document.documentElement.dataset.theme")
    assert colours == theme


async def go_to(page: Page, name: str) -> None:
    """Go to a view, or to one of the two ways to look at a channel."""
    if name in VIEWS:
        await view(page, name)
        return
    await view(page, "channels/news.2", "news.2")
    await page.until("document.querySelector('main [role=group]') !== null", DEADLINE_S)
    at = 2 if name == "history" else 1
    await page.click(f"main [role=group] button:nth-of-type({at})")


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


def newest(last: int, count: int) -> list[int]:
    """Return so many ids down from the last."""
    return list(range(last, last - count, -1))


def _json(numbers: list[int]) -> str:
    return json.dumps(numbers, separators=(",", ":"))
