"""A real Prometheus, beside a real broker to which bad things happen, fires each alert."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, closing, suppress
from pathlib import Path
from typing import Self
import asyncio
import os
import resource
import shutil
import signal
import socket as sockets
import time

import aiohttp
import pytest
import yaml

from tests.support.broker import BrokerProcess, free_ports
from tests.support.markdown import ROOT
from tests.support.shell import Shell
from tests.support.stores import StoreServer
from tests.support.waiting import eventually

FOLDER = ROOT / "deploy" / "prometheus"
DEADLINE_S = 30.0
PUSHES = 20
SLOW_HEAL_S = 6.0
"""Longer than channels may take to heal before the alert fires."""

CHANNELS = """\
version: 1
channels:
  - name: short.{a}
    history: {messages: 5}
    subscribe: public
  - name: wide.{a}
    history: {messages: 1000}
    subscribe: public
"""

STALLED = 30
"""Subscribers that read nothing: more than the alert passes over."""

WORTH_STALLING = b'"%s"' % (b"x" * 60_000)


class Watch:
    """
    A Prometheus that scrapes one broker four times a second, and loads our rules without `for`.

    Args:
        url: Its address.
        session: Asks it.
    """

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url = url
        self._session = session

    async def is_there(self) -> bool:
        """Tell whether it answers."""
        try:
            async with self._session.get(f"{self._url}/-/ready") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    async def firing(self) -> set[str]:
        """Return the names of the alerts that it fires."""
        async with self._session.get(f"{self._url}/api/v1/alerts") as answer:
            alerts = (await answer.json())["data"]["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    async def sees(self, *names: str, act: Callable[[], Awaitable[None]] | None = None) -> None:
        """Wait until it fires alerts; where that takes another push, give one a second."""

        async def is_fired() -> bool:
            return set(names) <= await self.firing()

        what = f"{' and '.join(names)} fire"
        if act is None:
            await eventually(is_fired, DEADLINE_S, what=what)
            return
        for _ in range(PUSHES):
            await act()
            with suppress(AssertionError):
                await eventually(is_fired, 1)
                return
        raise AssertionError(f"{what}: not after {PUSHES} pushes, only {await self.firing()}")


@pytest.fixture
async def broker(
    tmp_path: Path, start_store: Callable[..., StoreServer]
) -> AsyncIterator[tuple[BrokerProcess, StoreServer]]:
    """Give two workers on a store of their own."""
    (tmp_path / "channels.yaml").write_text(CHANNELS)
    store = start_store()
    rules = tmp_path / "channels.yaml"
    flags = ("--workers", "2", "--drain-s", "0", "--store", store.unix_url, "--config", str(rules))
    async with BrokerProcess(*flags, "--store-timeout-s", "4") as running:
        try:
            yield running, store
        finally:
            if running.running:
                await running.stop()


@pytest.fixture
async def watch(tmp_path: Path, broker: tuple[BrokerProcess, StoreServer]) -> AsyncIterator[Watch]:
    """Give a Prometheus that watches the broker."""
    if shutil.which("prometheus") is None:
        pytest.skip("prometheus is not installed; it comes with Debian's package prometheus")
    rules = yaml.safe_load((FOLDER / "alerts.yaml").read_text())
    for rule in rules["groups"][0]["rules"]:
        rule.pop("for", None)
    (tmp_path / "alerts.yaml").write_text(yaml.safe_dump(rules))
    config = yaml.safe_load((FOLDER / "prometheus.yaml").read_text())
    config["global"] = {"scrape_interval": "250ms", "scrape_timeout": "250ms"}
    config["global"]["evaluation_interval"] = "250ms"
    target = broker[0].internal.removeprefix("http://")
    config["scrape_configs"][0]["static_configs"] = [{"targets": [target]}]
    (tmp_path / "prometheus.yaml").write_text(yaml.safe_dump(config))
    [port] = free_ports(1)
    command = f"exec prometheus --config.file=prometheus.yaml --web.listen-address=127.0.0.1:{port}"
    with Shell(f"{command} --storage.tsdb.path=tsdb --log.level=warn", tmp_path, {}):
        async with aiohttp.ClientSession() as session:
            watch = Watch(f"http://127.0.0.1:{port}", session)
            await eventually(watch.is_there, DEADLINE_S, what="Prometheus is ready")
            yield watch


async def test_what_goes_wrong_is_told(
    watch: Watch, broker: tuple[BrokerProcess, StoreServer]
) -> None:
    """A well broker fires nothing; then each trouble fires its alert."""
    running, store = broker
    async with aiohttp.ClientSession(headers={"Connection": "close"}) as session:
        trouble = Trouble(running, session)
        await trouble.publish("short.1", b"1")
        await eventually(trouble.is_scraped, what="it was scraped")
        assert set() == await watch.firing()
        await watch.sees("BrokerLimitReached", act=trouble.ask_for_too_much)
        await watch.sees("BrokerGapsTold", act=trouble.come_back_too_late)
        async with trouble.stalled_readers():
            await watch.sees("BrokerSubscribersLag", act=trouble.publish_widely)
        await watch.sees("BrokerFilesRunOut", act=trouble.leave_few_files)
        trouble.leave_many_files()
        await watch.sees("BrokerLoopLags", act=trouble.stop_for_a_moment)
        async with trouble.reader():
            store.freeze()
            waiting = [
                asyncio.create_task(trouble.publish("short.1", b"1")),
                *(asyncio.create_task(trouble.publish_many()) for _ in range(4)),
            ]
            await watch.sees("BrokerPublishQueueGrows")
            await asyncio.wait(waiting, timeout=1.2)  # so long nothing is delivered
            store.thaw()
            await asyncio.wait(waiting)
            await watch.sees("BrokerDeliversLate", "BrokerStoreSlow")
        os.kill(min(trouble.workers()), signal.SIGKILL)
        await watch.sees("BrokerWorkerDied")
        async with trouble.reader():
            store.kill()
            began = time.monotonic()
            await watch.sees("BrokerStoreFailing", "BrokerAnnouncementsCut", act=trouble.look)
            await eventually(lambda: time.monotonic() - began > SLOW_HEAL_S, 2 * SLOW_HEAL_S)
            store.start()
            await watch.sees("BrokerHealsSlowly")
        trouble.end()
        await watch.sees("BrokerDown")


class Trouble:
    """
    What can go wrong around a broker.

    Args:
        broker: The broker.
        session: A client whose every request comes on a connection of its own.
    """

    def __init__(self, broker: BrokerProcess, session: aiohttp.ClientSession) -> None:
        self._broker = broker
        self._session = session
        self._is_full = False

    def workers(self) -> set[int]:
        """Return the pids of its workers."""
        pid = self._broker.pid
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
        return set(map(int, text.split()))

    async def is_scraped(self) -> bool:
        """Tell whether its metrics can be read."""
        async with self._session.get(f"{self._broker.internal}/metrics") as answer:
            return answer.status == 200

    async def publish(self, channel: str, body: bytes) -> None:
        """Publish a message."""
        url = f"{self._broker.internal}/publish/{channel}"
        async with self._session.post(url, data=body) as answer:
            assert 200 == answer.status

    async def look(self) -> None:
        """Ask ten times for a channel that the store may know."""

        async def ask() -> int:
            async with self._session.get(f"{self._broker.internal}/channels/short.1") as answer:
                return answer.status

        assert {200, 503} >= set(await asyncio.gather(*(ask() for _ in range(10))))

    def end(self) -> None:
        """Kill the supervisor, so that it starts no worker again, and then the workers."""
        workers = self.workers()
        self._broker.kill()
        for pid in workers:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    async def publish_many(self) -> None:
        """Publish more messages at once than the alert passes over, perhaps than may wait."""
        batch = [{"channel": "short.2", "message": number} for number in range(6000)]
        async with self._session.post(f"{self._broker.internal}/publish", json=batch) as answer:
            assert answer.status in {200, 503}

    async def publish_widely(self) -> None:
        """Publish more than sockets hold."""
        for _ in range(20):
            await self.publish("wide.1", WORTH_STALLING)

    async def ask_for_too_much(self) -> None:
        """Subscribe to more channels than one may."""
        names = "/".join(f"short.{number}" for number in range(60))
        async with self._session.get(f"{self._broker.public}/shortpoll/{names}") as answer:
            assert 400 == answer.status

    async def come_back_too_late(self) -> None:
        """Publish more than is kept, once, and ask for all of it."""
        for number in range(0 if self._is_full else 7):
            await self.publish("short.1", b"%d" % number)
        self._is_full = True
        url = f"{self._broker.public}/shortpoll/short.1?tag=0&time=1000000000"
        async with self._session.get(url) as answer:
            assert "X-Broker-Gap" in answer.headers

    async def leave_few_files(self) -> None:
        """Let each worker open one file more than it has open."""
        for pid in self.workers():
            used = len(list(Path(f"/proc/{pid}/fd").iterdir()))  # noqa: ASYNC240 - no disk
            self._limit_files(pid, used + 1)

    def leave_many_files(self) -> None:
        """Let each worker open files again."""
        for pid in self.workers():
            self._limit_files(pid, 1000)

    def _limit_files(self, pid: int, count: int) -> None:
        _, most = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (count, most))

    async def stop_for_a_moment(self) -> None:
        """Keep each worker from running, for longer than its event loop may be late."""
        for pid in self.workers():
            os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(0.3)
        for pid in self.workers():
            os.kill(pid, signal.SIGCONT)

    def reader(self) -> AsyncExitStack:
        """Return a context with subscribers that read, on each worker."""
        return _Readers(self._broker, 8, "short.1")

    def stalled_readers(self) -> AsyncExitStack:
        """Return a context with subscribers that read nothing."""
        return _Readers(self._broker, STALLED, "wide.1")


class _Readers(AsyncExitStack):
    """Event streams that are opened, and of which nothing more than the system takes is read."""

    def __init__(self, broker: BrokerProcess, count: int, channel: str) -> None:
        super().__init__()
        self._broker = broker
        self._count = count
        self._channel = channel

    async def __aenter__(self) -> Self:
        host, port = self._broker.public.removeprefix("http://").split(":")
        request = f"GET /eventsource/{self._channel} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
        loop = asyncio.get_running_loop()
        for _ in range(self._count):
            each = self.enter_context(closing(sockets.socket()))
            each.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
            each.setblocking(False)
            await loop.sock_connect(each, (host, int(port)))
            await loop.sock_sendall(each, request)
            assert b"200" in await loop.sock_recv(each, 64)
        return self
