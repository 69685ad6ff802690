"""A broker on what `broker migrate` makes of a configuration, asked as nginx was asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple
import asyncio
import shlex

import aiohttp

from broker.migration.configuration import read_configuration
from broker.migration.draft import Draft
from broker.migration.migrate import migrate
from broker.migration.proxying import locations
from broker.migration.writing import rules, settings
from tests.support.broker import BrokerProcess, free_ports
from tests.support.nginx import installed, migrated_front
from tests.support.waiting import PATIENCE, eventually

CONFIGURATIONS = Path(__file__).parents[1] / "e2e" / "migration"
"""Where configurations of nginx are."""

ANSWER_DEADLINE_S = 10.0
EPOCH = "Thu, 01 Jan 1970 00:00:00 GMT"

_INTERNAL = frozenset({"publisher", "nchan_publisher", "statistics"})
_TIMEOUT = aiohttp.ClientTimeout(total=ANSWER_DEADLINE_S * PATIENCE)


class Answer(NamedTuple):
    """
    What was answered.

    Attributes:
        status: Status of HTTP.
        text: The body.
        headers: The headers.
    """

    status: int
    text: str
    headers: Mapping[str, str]


class Migrated:
    """
    A running broker and what its configuration was made of.

    Args:
        broker: The broker.
        draft: What the migration made.
        http: Asks.
        front: URL of the nginx in front; empty where there is none.
    """

    def __init__(
        self, broker: BrokerProcess, draft: Draft, http: aiohttp.ClientSession, front: str
    ) -> None:
        self.broker = broker
        self.draft = draft
        self._http = http
        self._front = front
        self._reading = 0

    def url(self, path: str, method: str = "GET") -> str:
        """Return where a path of the old configuration is now; nginx in front knows it itself."""
        if self._front:
            return self._front + path
        name = path.partition("?")[0]
        found = [mount for mount in self.draft.mounts if f"{name}/".startswith(f"{mount.path}/")]
        assert found, f"nothing is at {path}"
        wanted = [mount for mount in found if (mount.mode in _INTERNAL) == (method != "GET")]
        mount = max(wanted or found, key=lambda mount: len(mount.path))
        return (self.broker.internal if mount.mode in _INTERNAL else self.broker.public) + path

    async def ask(self, method: str, path: str, body: str = "", **headers: str) -> Answer:
        """Ask once, and return the whole answer."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self._http.request(
            method, self.url(path, method), data=body or None, headers=given, timeout=_TIMEOUT
        ) as answer:
            return Answer(answer.status, await answer.text(), answer.headers)

    async def get(self, path: str, **headers: str) -> Answer:
        """Ask by GET."""
        return await self.ask("GET", path, **headers)

    async def post(self, path: str, body: str) -> Answer:
        """Ask by POST."""
        return await self.ask("POST", path, body)

    @asynccontextmanager
    async def reading(self, path: str, **headers: str) -> AsyncIterator[Reading]:
        """Read an endless answer, for the length of the block; it has begun when that begins."""
        await self.settled()
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self._http.get(self.url(path), headers=given) as answer:
            assert 200 == answer.status, await answer.text()
            async with self._one_more():
                yield Reading(answer)

    @asynccontextmanager
    async def socket(
        self, path: str, *, protocols: tuple[str, ...] = (), token: str = ""
    ) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """Open a WebSocket for the length of the block."""
        await self.settled()
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with (
            self._http.ws_connect(self.url(path), protocols=protocols, headers=headers) as socket,
            self._one_more(),
        ):
            yield socket

    @asynccontextmanager
    async def _one_more(self) -> AsyncIterator[None]:
        self._reading += 1
        try:
            await self.settled()
            yield
        finally:
            self._reading -= 1

    async def settled(self, polls: int = 0) -> None:
        """Wait until those read that are read here, and so many polls wait."""

        async def is_so() -> bool:
            return await self.subscribers() == self._reading + polls

        await eventually(is_so, ANSWER_DEADLINE_S, what="the subscribers are there")

    async def subscribers(self) -> int:
        """Return how many subscribers there are."""
        async with self._http.get(f"{self.broker.internal}/stats") as answer:
            sessions: int = (await answer.json())["sessions"]
            return sessions


class Reading:
    """
    An endless answer.

    Args:
        answer: The answer.
    """

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer
        self.text = ""

    async def until(self, text: str) -> str:
        """
        Read until a text has come, and return everything so far.

        Raises:
            AssertionError: it ended before.
            TimeoutError: it did not come in time.
        """
        async with asyncio.timeout(ANSWER_DEADLINE_S * PATIENCE):
            while text not in self.text:
                piece = await self.answer.content.readany()
                assert piece, f"it ended with {self.text!r}"
                self.text += piece.decode()
        return self.text


def read_environ(text: str) -> dict[str, str]:
    """Return the variables of a file of settings, as a shell reads it."""
    words = shlex.split(text, comments=True)
    return dict(word.split("=", 1) for word in words)


@asynccontextmanager
async def migrated(name: str, folder: Path, *flags: str) -> AsyncIterator[Migrated]:
    """
    Run a broker on what becomes of a configuration, with nginx in front where it is installed.

    Args:
        name: The configuration, without `.conf`.
        folder: Where the broker's configuration is written.
        flags: Further flags of `broker serve`.
    """
    draft = migrate(read_configuration(CONFIGURATIONS / f"{name}.conf"))
    file = folder / "channels.yaml"
    file.write_text(rules(draft, name, "public"))
    environ = read_environ(settings(draft, name))
    given = ("--config", str(file), "--drain-s", "0", *flags)
    async with (
        BrokerProcess(*given, environ=environ) as broker,
        _front(broker, folder, locations(draft, name)) as front,
        aiohttp.ClientSession() as http,
    ):
        yield Migrated(broker, draft, http, front)


@asynccontextmanager
async def _front(broker: BrokerProcess, folder: Path, text: str) -> AsyncIterator[str]:
    """Run nginx in front of a broker where it is installed, and give its URL."""
    if not installed():
        yield ""
        return
    [port] = free_ports(1)
    public, internal = (url.removeprefix("http://") for url in (broker.public, broker.internal))
    async with migrated_front(folder, public, internal, port, text):
        yield f"http://127.0.0.1:{port}"
