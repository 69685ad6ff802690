"""
The clients that come with the modules, unmodified in a real browser, on a migrated configuration.

npm's `nchan` is installed by the test. The push-stream module's `pushstream.js` is taken from the
path in `PUSHSTREAM_JS`, and its tests are skipped without one. `STOCK_MESSAGES=1000` makes the
whole run: so many messages over each transport, with ten cuts; a tenth and two are the default.

What the clients do themselves, with the modules too, and the settings here avoid:

- pushstream.js forgets its cursor at a cut where long polls carry it in headers, its default;
  `messagesControlByArgument` makes it keep the last message's.
- pushstream.js finds the frame of a stream by the number of its instance, and drops the number 0:
  the first instance of a page has no streams. It is another one here.
- npm's client leaves the line end before a boundary at the end of the message, where a long poll
  brings several; it is cut off here.

A browser's `EventSource` comes back with the address that it was made with, cursor included,
besides `Last-Event-ID`; the broker takes the latter, so nothing is asked for again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple
import json
import os
import shutil
import subprocess

import aiohttp
import pytest

from broker.cli.main import main
from tests.support.broker import BrokerProcess
from tests.support.browser import Browser, Page
from tests.support.migrated import CONFIGURATIONS, read_environ
from tests.support.relay import Relay
from tests.support.waiting import eventually

MESSAGES = int(os.environ.get("STOCK_MESSAGES", "100"))
CUTS = 10 if MESSAGES >= 1000 else 3

NCHAN = "nchan@1.0.10"
CUT_BEHIND = frozenset(MESSAGES * cut // (CUTS + 1) for cut in range(1, CUTS + 1))
"""Messages behind which every connection is cut, while they are on their way."""

INSTALL_DEADLINE_S = 60
RECEIVE_DEADLINE_S = 45.0

START_PUSHSTREAM = """
window.got = [];
new PushStream({modes: 'websocket'});  // the first one of a page has the number 0, which it drops
window.client = new PushStream({
    host: location.hostname, port: location.port, modes: %(mode)s, useJSONP: %(jsonp)s,
    messagesControlByArgument: true, pingtimeout: 3000,
    reconnectOnTimeoutInterval: 50, reconnectOnChannelUnavailableInterval: 50,
});
client.onmessage = (text, id) => got.push([id, text]);
client.addChannel(%(channel)s);
client.connect();
"""

START_NCHAN = """
window.got = [];
window.client = new NchanSubscriber('/sub/' + %(channel)s, {
    subscriber: %(mode)s, reconnectTimeout: 50,
});
client.on('message', text => got.push([0, text.trimEnd()]));
client.start();
"""


class Stock(NamedTuple):
    """
    One transport of one client.

    Attributes:
        library: Name of the fixture with the client's text.
        configuration: What is migrated for it.
        start: What makes a client in the page, with places for channel and mode.
        mode: The client's name of the transport.
        jsonp: Whether long polls are scripts.
    """

    library: str
    configuration: str
    start: str
    mode: str
    jsonp: bool = False

    def __str__(self) -> str:
        return f"{self.library}-{self.mode}{'-jsonp' * self.jsonp}"


STOCKS = [
    *(
        Stock("pushstream", "pushstream-client.conf", START_PUSHSTREAM, mode)
        for mode in ("websocket", "eventsource", "stream", "longpolling")
    ),
    Stock("pushstream", "pushstream-client.conf", START_PUSHSTREAM, "longpolling", jsonp=True),
    *(
        Stock("nchan", "nchan-client.conf", START_NCHAN, mode)
        for mode in ("websocket", "eventsource", "longpoll")
    ),
]


@pytest.fixture(scope="session")
def pushstream() -> str:
    """Give the text of the module's own client; the test is skipped where it is not at hand."""
    path = os.environ.get("PUSHSTREAM_JS")
    if not path:
        pytest.skip("PUSHSTREAM_JS names no copy of the module's pushstream.js")
    return Path(path).read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def nchan(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give the text of npm's client of nchan; the test is skipped where it cannot be installed."""
    npm = shutil.which("npm") or pytest.skip("npm is not installed (Debian: npm)")
    folder = tmp_path_factory.mktemp("npm")
    words = [npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--no-save", NCHAN]
    installing = subprocess.run(
        [*words, "--ignore-scripts"], capture_output=True, timeout=INSTALL_DEADLINE_S, check=False
    )
    if installing.returncode:
        pytest.skip(f"npm cannot install {NCHAN}: {installing.stderr.decode()[-300:]}")
    found = folder / "node_modules" / "nchan" / "NchanSubscriber.js"
    return found.read_text(encoding="utf-8")


@asynccontextmanager
async def migrated(configuration: str, folder: Path) -> AsyncIterator[BrokerProcess]:
    """Run a broker on what `broker migrate` makes of a configuration."""
    main(["migrate", str(CONFIGURATIONS / configuration), "--out", str(folder)])
    environ = read_environ((folder / "broker.env").read_text())
    rules = str(folder / "channels.yaml")
    async with BrokerProcess("--config", rules, "--drain-s", "0", environ=environ) as broker:
        yield broker


@asynccontextmanager
async def publishing(broker: BrokerProcess, channel: str) -> AsyncIterator[Callable[[int], Any]]:
    """Give what publishes a numbered message as back ends of the modules do."""
    async with aiohttp.ClientSession() as http:

        async def publish(number: int) -> None:
            url = f"{broker.internal}/pub?id={channel}"
            async with http.post(url, data=f"message {number}".encode()) as answer:
                assert answer.status in {200, 201, 202}, await answer.text()

        yield publish


async def received(page: Page) -> list[list[Any]]:
    """Return what the page has received so far."""
    got: list[list[Any]] = json.loads(await page.run("JSON.stringify(got)"))
    return got


@pytest.mark.timeout(300)
@pytest.mark.parametrize("stock", STOCKS, ids=str)
async def test_a_stock_client_misses_nothing(
    stock: Stock, browser: Browser, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Every message arrives once and in order, however often the connection is cut."""
    library: str = request.getfixturevalue(stock.library)
    async with migrated(stock.configuration, tmp_path) as broker:
        port = int(broker.public.rpartition(":")[2])
        async with (
            Relay(port) as relay,
            publishing(broker, "stock") as publish,
            browser.page() as page,
        ):
            await page.serve(f"{relay.url}/page", "<body></body>")
            await page.goto(f"{relay.url}/page")
            await page.run(f"{library}\n0")
            start = {
                "mode": json.dumps(stock.mode),
                "channel": json.dumps("stock"),
                "jsonp": json.dumps(stock.jsonp),
            }
            await page.run(stock.start % start)
            await listened_to(broker)
            await publish(1)
            await page.until("got.length", RECEIVE_DEADLINE_S)
            for number in range(2, MESSAGES + 1):
                if number in CUT_BEHIND:
                    await listened_to(broker)
                await publish(number)
                if number in CUT_BEHIND:
                    relay.cut()
            await page.until(f"got.length >= {MESSAGES}", RECEIVE_DEADLINE_S)
            got = await received(page)
            assert [f"message {number}" for number in range(1, MESSAGES + 1)] == [
                text for _, text in got
            ]
            assert relay.accepted > CUTS


async def listened_to(broker: BrokerProcess) -> None:
    """Wait until a client is connected: one that never was has no cursor to come back with."""
    async with aiohttp.ClientSession() as http:

        async def listens() -> bool:
            async with http.get(f"{broker.internal}/stats") as answer:
                sessions: int = (await answer.json())["sessions"]
                return sessions > 0

        await eventually(listens, RECEIVE_DEADLINE_S, what="the client subscribes")
