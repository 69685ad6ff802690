"""A real browser: Chromium without a window, its pages driven from a test."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from shutil import rmtree, which
from tempfile import mkdtemp
from typing import Any
import asyncio
import json
import os
import signal
import subprocess

import pytest

from tests.support.devtools import DevTools, DevToolsError
from tests.support.program import die_with_parent
from tests.support.waiting import eventually, wait_until

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
"""Where a browser is looked for; the variable `CHROMIUM` names another."""

FLAGS = (
    "--headless",
    "--no-sandbox",  # tests may run as root
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-background-timer-throttling",
    "--disable-component-update",
    "--disable-sync",
    # A page that `serve` gives counts as one from elsewhere; it may call this machine all the same.
    "--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets",
    "--no-first-run",
    "--no-proxy-server",
    "--remote-debugging-port=0",
)

START_DEADLINE_S = 30.0
END_DEADLINE_S = 10.0


class PageError(Exception):
    """What was to be done in a page threw; the text is what it threw."""


class Page:
    """
    A page of its own profile: no cookie, storage or cache is shared with another.

    Args:
        tools: Connection to the browser.
        session: Which page of it.

    Attributes:
        errors: What was thrown in it and caught by nobody, and what it logged as errors.
        said: What it logged, all levels, as text.
    """

    def __init__(self, tools: DevTools, session: str) -> None:
        self.errors: list[str] = []
        self.said: list[str] = []
        self._served: dict[str, str] = {}
        self._serving: set[asyncio.Task[object]] = set()
        self._tools = tools
        self._session = session
        tools.on(session, "Runtime.exceptionThrown", self._thrown)
        tools.on(session, "Runtime.consoleAPICalled", self._logged)
        tools.on(session, "Fetch.requestPaused", self._asked)

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Have the browser do to this page what the DevTools Protocol has a command for."""
        return await self._tools.call(method, parameters, session=self._session)

    async def goto(self, url: str, deadline_s: float = 20.0) -> None:
        """
        Open a URL and wait until it is loaded.

        Raises:
            PageError: it cannot be opened.
        """
        told = await self.call("Page.navigate", url=url)
        if reason := told.get("errorText"):
            raise PageError(f"{url}: {reason}")
        await self.until("document.readyState === 'complete'", deadline_s)

    async def serve(self, url: str, body: str) -> None:
        """
        Answer a URL with a page of HTML instead of asking its server, which need not know it.

        So a script can be of the origin of a server that serves no pages.
        """
        self._served[url] = body
        patterns = [{"urlPattern": served} for served in self._served]
        await self.call("Fetch.enable", patterns=patterns)

    async def run(self, script: str) -> Any:
        """
        Run an expression of JavaScript and return its value, as JSON has it.

        Args:
            script: The expression; a promise is awaited.

        Raises:
            PageError: it threw.
        """
        told = await self.call(
            "Runtime.evaluate",
            expression=script,
            awaitPromise=True,
            returnByValue=True,
            userGesture=True,
        )
        if (thrown := told.get("exceptionDetails")) is not None:
            raise PageError(_description(thrown))
        return told["result"].get("value")

    async def until(self, script: str, deadline_s: float = 5.0) -> Any:
        """
        Look at an expression until it is true, and return its value.

        Raises:
            AssertionError: it was not true in time; what the page said is in the message.
        """

        async def look() -> Any:
            with suppress(PageError, DevToolsError):  # between two documents there is nothing
                return await self.run(script)

        try:
            return await eventually(look, deadline_s, what=script)
        except AssertionError as late:
            raise AssertionError(f"{late}; the page said {self.said + self.errors}") from None

    async def text(self, selector: str) -> str:
        """Return the text that the first element of a CSS selector shows."""
        return str(await self.run(f"{_element(selector)}.innerText"))

    async def click(self, selector: str) -> None:
        """
        Click an element, where it is, as a person would.

        Raises:
            PageError: there is none.
        """
        x, y = await self.run(
            f"(e => {{ e.scrollIntoView({{block: 'center'}}); const r = e.getBoundingClientRect();"
            f" return [r.x + r.width / 2, r.y + r.height / 2]; }})({_element(selector)})"
        )
        for kind in ("mousePressed", "mouseReleased"):
            await self.call(
                "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1
            )

    async def type(self, selector: str, text: str) -> None:
        """Put the focus on an element and type a text into it."""
        await self.run(f"{_element(selector)}.focus()")
        await self.call("Input.insertText", text=text)

    async def press(self, key: str) -> None:
        """Press a key that makes no text, as `Enter`, `Tab` or `Escape`."""
        codes = {"Enter": 13, "Tab": 9, "Escape": 27, "ArrowDown": 40, "ArrowUp": 38}
        named = {"key": key, "code": key, "windowsVirtualKeyCode": codes[key]}
        made = {"text": "\r"} if key == "Enter" else {}
        await self.call("Input.dispatchKeyEvent", type="keyDown", **named, **made)
        await self.call("Input.dispatchKeyEvent", type="keyUp", **named)

    def _asked(self, told: dict[str, Any]) -> None:
        body = self._served[told["request"]["url"]].encode()
        answer = self.call(
            "Fetch.fulfillRequest",
            requestId=told["requestId"],
            responseCode=200,
            responseHeaders=[{"name": "Content-Type", "value": "text/html; charset=utf-8"}],
            body=b64encode(body).decode(),
        )
        task = asyncio.ensure_future(answer)
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    def _thrown(self, told: dict[str, Any]) -> None:
        self.errors.append(_description(told["exceptionDetails"]))

    def _logged(self, told: dict[str, Any]) -> None:
        words = (str(part.get("value", part.get("description", ""))) for part in told["args"])
        text = " ".join(words)
        self.said.append(text)
        if told["type"] == "error":
            self.errors.append(text)


class Browser:
    """
    A running Chromium; belongs to no event loop.

    Args:
        program: Path of the browser.
    """

    def __init__(self, program: str) -> None:
        self._profile = Path(mkdtemp(prefix="browser-"))
        with (self._profile / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [program, *FLAGS, f"--user-data-dir={self._profile}", "about:blank"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # its own processes end with it
                preexec_fn=die_with_parent,  # noqa: PLW1509 - it makes one system call
            )
        self._url = ""

    def start(self) -> None:
        """
        Wait until it can be spoken to.

        Raises:
            AssertionError: it ended or took too long; what it said is in the message.
        """
        place = self._profile / "DevToolsActivePort"
        try:
            wait_until(
                lambda: self._process.poll() is not None or _whole(place),
                START_DEADLINE_S,
                what="the browser listens",
            )
            assert self._process.poll() is None, f"it ended with {self._process.returncode}"
        except AssertionError as error:
            said = (self._profile / "log").read_text(errors="replace")
            raise AssertionError(f"{error}\n{said[-4000:]}") from None
        port, path = place.read_text().split()
        self._url = f"ws://127.0.0.1:{port}{path}"

    def close(self) -> None:
        """Kill it and remove its profile."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(END_DEADLINE_S)
        rmtree(self._profile, ignore_errors=True)

    @asynccontextmanager
    async def page(self, url: str = "about:blank") -> AsyncIterator[Page]:
        """
        Open a page with a profile of its own; it is closed behind the block.

        Args:
            url: What it shows first.
        """
        async with DevTools(self._url) as tools:
            context = await tools.call("Target.createBrowserContext", {"disposeOnDetach": True})
            target = await tools.call("Target.createTarget", {"url": "about:blank", **context})
            attached = await tools.call("Target.attachToTarget", {**target, "flatten": True})
            page = Page(tools, attached["sessionId"])
            for domain in ("Page", "Runtime"):
                await page.call(f"{domain}.enable")
            await page.goto(url)
            yield page


def installed() -> str:
    """Return the path of a browser, empty where there is none."""
    return next(filter(None, map(which, (os.environ.get("CHROMIUM", ""), *PROGRAMS))), "")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Give one browser for the whole run; the test is skipped where none is installed."""
    program = installed()
    if not program:
        pytest.skip("no Chromium is installed (Debian: chromium)")
    running = Browser(program)
    try:
        running.start()
        yield running
    finally:
        running.close()


def _element(selector: str) -> str:
    found = f"document.querySelector({json.dumps(selector)})"
    return f"({found} ?? (() => {{ throw new Error('no element ' + {json.dumps(selector)}) }})())"


def _description(details: dict[str, Any]) -> str:
    thrown = details.get("exception", {})
    return str(thrown.get("description", thrown.get("value", details["text"])))


def _whole(file: Path) -> bool:
    return file.exists() and file.read_text().count("\n") >= 1
