"""The browser of the tests does what a page's script and a person do, and tells what went wrong."""

from __future__ import annotations

import pytest

from tests.support.broker import BrokerProcess
from tests.support.browser import Browser, PageError

SHOWN = """data:text/html,<input id="name"><button onclick="
this.innerText = document.querySelector('input').value">Take</button>"""


async def test_a_page_is_typed_into_and_clicked(browser: Browser) -> None:
    """What is typed is there when the button is clicked."""
    async with browser.page(SHOWN) as page:
        await page.type("#name", "typed")
        await page.click("button")
        assert "typed" == await page.text("button")


async def test_a_promise_is_awaited(browser: Browser) -> None:
    """The value of a promise is returned, as JSON has it."""
    async with browser.page() as page:
        assert {"a": [1, None]} == await page.run("Promise.resolve({a: [1, null]})")


async def test_what_is_thrown_is_told(browser: Browser) -> None:
    """An error of the expression, and one that nobody catches, reach the test."""
    async with browser.page() as page:
        with pytest.raises(PageError, match="wrong on purpose"):
            await page.run("(() => { throw new Error('wrong on purpose') })()")
        await page.run("setTimeout(() => { throw new Error('and later') }); console.log('said', 1)")
        await page.until("true")
        await page.run("new Promise(done => setTimeout(done))")
        assert ["said 1"] == page.said
        assert "and later" in page.errors[0]


async def test_pages_share_nothing(browser: Browser, shared_broker: BrokerProcess) -> None:
    """A cookie of one page is not sent by another."""
    url = f"{shared_broker.public}/shortpoll/ping"
    async with browser.page(url) as one, browser.page(url) as other:
        await one.run("document.cookie = 'a=1'")
        assert "a=1" == await one.run("document.cookie")
        assert not await other.run("document.cookie")


async def test_waiting_ends_with_what_the_page_said(browser: Browser) -> None:
    """A condition that never holds fails with the page's own words."""
    async with browser.page() as page:
        await page.run("console.error('a hint')")
        with pytest.raises(AssertionError, match="a hint"):
            await page.until("false", 0.1)


async def test_a_page_of_ones_own_stands_where_a_server_is(
    browser: Browser, shared_broker: BrokerProcess
) -> None:
    """A page given by the test has the origin of the server, whose other answers it may read."""
    url = f"{shared_broker.public}/mine.html"
    async with browser.page() as page:
        await page.serve(url, "<title>mine</title>")
        await page.goto(url)
        assert "mine" == await page.run("document.title")
        assert 401 == await page.run("fetch('/shortpoll/ping').then(answer => answer.status)")
