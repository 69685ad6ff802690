"""The stores that the store suites run on, each with the means to do it harm."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis

from broker.core.cursor import START, Cursor
from broker.core.message import Draft, Message, Stamp
from broker.core.revocations import Revocation
from broker.core.ring import History, Retention
from broker.store.base import Listener, Lookup, Outcome, Publication, Store, Stored
from broker.store.embedded import EmbeddedStore
from broker.store.keys import Keys
from broker.store.memory import MemoryStore
from broker.store.options import StoreOptions
from broker.store.redis import RedisStore
from broker.store.server import PrivateServer
from tests.support.clusters import ClusterSet
from tests.support.sentinels import SentinelSet

TENANT = "main"
RETENTION = Retention(1000, 3600)


@dataclass
class Recorder:
    """A sink that keeps what it hears."""

    messages: list[Message] = field(default_factory=list)
    events: list[str | Cursor] = field(default_factory=list)
    revocations: list[Revocation] = field(default_factory=list)
    deletions: list[tuple[str, str, Cursor]] = field(default_factory=list)

    def received(self, tenant: str, messages: Sequence[Message]) -> None:
        """Keep announced messages."""
        self.messages += messages
        self.events.append("received")

    def deleted(self, tenant: str, channel: str, cursor: Cursor) -> None:
        """Keep a deletion."""
        self.deletions.append((tenant, channel, cursor))
        self.events.append("deleted")

    def ticked(self, tenant: str, cursor: Cursor) -> None:
        """Keep a tick."""
        self.events.append(cursor)

    def revoked(self, revocations: Sequence[Revocation]) -> None:
        """Keep revocations."""
        self.revocations += revocations
        self.events.append("revoked")

    def interrupted(self, tenants: Collection[str] | None = None) -> None:
        """Keep that the connection broke."""
        self.events.append("interrupted")

    def resumed(self, tenants: Collection[str] | None = None) -> None:
        """Keep that the connection is back."""
        self.events.append("resumed")

    @property
    def bodies(self) -> list[bytes]:
        """The bodies heard so far."""
        return [message.body for message in self.messages]


class Subject(ABC):
    """
    One kind of store under test.

    Attributes:
        remote: Whether the store is a server, which can fail by itself.
    """

    remote = True

    def __init__(self) -> None:
        self._open = AsyncExitStack()

    @abstractmethod
    def make(self, options: StoreOptions) -> Store:
        """Return another store on the same data."""

    @abstractmethod
    def pass_time(self, seconds: int) -> None:
        """Step the clock, back where seconds are negative, as far as the store lets us."""

    @abstractmethod
    async def forget(self, channel: str, channel_ttl_s: int) -> None:
        """Let so much time pass that a channel is forgotten."""

    async def store(self, options: StoreOptions | None = None) -> Store:
        """Return another open store on the same data; closed after the test."""
        store = self.make(options or StoreOptions(timeout_s=5.0))
        await store.open()
        self._open.push_async_callback(store.close)
        return store

    async def listener(self, store: Store, recorder: Recorder) -> Listener:
        """Return a listener; closed after the test."""
        listener = await store.listener(recorder)
        self._open.push_async_callback(listener.close)
        return listener

    async def close(self) -> None:
        """Close whatever was opened."""
        await self._open.aclose()


class MemorySubject(Subject):
    """A `MemoryStore` whose clock stands still until it is moved."""

    remote = False

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_447_516_314.0
        self._store: MemoryStore | None = None

    def make(self, options: StoreOptions) -> Store:
        if self._store is None:
            self._store = MemoryStore(lambda: self.now, options)
        return self._store

    def pass_time(self, seconds: int) -> None:
        self.now += seconds

    async def forget(self, channel: str, channel_ttl_s: int) -> None:
        self.now += channel_ttl_s + 2


class ServerSubject(Subject):
    """
    A store on a server, reached at a URL.

    Attributes:
        is_spread: Whether it is several servers, of which one alone can fail.
    """

    is_spread = False

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self.command("FLUSHALL")

    def make(self, options: StoreOptions) -> Store:
        return RedisStore(self._url, options)

    def command(self, *words: str | int) -> Any:
        """Send one command to the server and return its answer."""
        with redis.Redis.from_url(self._url, socket_timeout=10) as client:
            return client.execute_command(*words)

    def cut_listeners(self) -> int:
        """Cut every connection that carries announcements; return how many there were."""
        return int(self.command("CLIENT", "KILL", "TYPE", "pubsub"))

    def subscriptions(self) -> int:
        """Return how many commands to subscribe it has got."""
        return _subscriptions(self.command("INFO", "commandstats"))

    def pass_time(self, seconds: int) -> None:
        """
        Move the tenant's clock ahead of the server's.

        From then on the server's clock is behind, as after a step back; that is how far a step
        back can be had without another server.
        """
        clock = Keys(TENANT).clock
        last = self.command("HGET", clock, "time")
        if seconds > 0 and last is not None:
            self.command("HSET", clock, "time", int(last) + seconds, "tag", 0)

    async def forget(self, channel: str, channel_ttl_s: int) -> None:
        self.command("DEL", *Keys(TENANT).of_channels([channel])[1:])
        self.pass_time(channel_ttl_s + 2)


class EmbeddedSubject(ServerSubject):
    """An `EmbeddedStore`; the server is held by the test run, so that it starts once."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        super().__init__(f"unix://{PrivateServer(data_dir).socket}")

    def make(self, options: StoreOptions) -> Store:
        return EmbeddedStore(self._data_dir, options)


class SentinelSubject(ServerSubject):
    """A store on the master of a set."""

    def __init__(self, servers: SentinelSet) -> None:
        self._servers = servers
        super().__init__(servers.url)

    def command(self, *words: str | int) -> Any:
        return self._servers.master.command(*words)

    def cut_listeners(self) -> int:
        """Leave alone those of the sentinels."""
        clients = self.command("CLIENT", "LIST", "TYPE", "pubsub").decode().splitlines()
        ours = [client.split()[0] for client in clients if " name=sentinel-" not in client]
        return sum(self.command("CLIENT", "KILL", *each.upper().split("=")) for each in ours)


class ClusterSubject(ServerSubject):
    """A store on a cluster; commands go to the server of their key, or to all."""

    is_spread = True

    def __init__(self, servers: ClusterSet) -> None:
        self._servers = servers
        super().__init__(servers.url)

    def cut_listeners(self) -> int:
        masters = self._servers.masters
        return sum(each.command("CLIENT", "KILL", "TYPE", "pubsub") for each in masters)

    def subscriptions(self) -> int:
        masters = self._servers.masters
        return sum(_subscriptions(each.command("INFO", "commandstats")) for each in masters)

    def command(self, *words: str | int) -> Any:
        name = words[0]
        if name == "INFO":
            return self._servers.server_of(Keys(TENANT).clock).command(*words)
        if name in ("FLUSHALL", "SCRIPT", "CLIENT", "KEYS"):
            answers = [master.command(*words) for master in self._servers.masters]
            return sum(answers[1:], answers[0]) if name == "KEYS" else answers[0]
        words = ("SPUBLISH" if name == "PUBLISH" else name, *words[1:])
        return self._servers.server_of(str(words[1])).command(*words)


def _subscriptions(stats: dict[str, dict[str, int]]) -> int:
    commands = ("cmdstat_subscribe", "cmdstat_ssubscribe")
    return sum(stats[name]["calls"] for name in commands if name in stats)


def publication(
    channel: str, *bodies: bytes, retention: Retention = RETENTION, **conditions: str
) -> Publication:
    """Return a publication to one channel."""
    drafts = [Draft(channel, body) for body in bodies]
    return Publication(drafts, [retention] * len(drafts), **conditions)


async def publish(
    store: Store, *publications: Publication, floor: Cursor = START, tenant: str = TENANT
) -> list[Outcome]:
    """Publish in one call."""
    return await store.publish(tenant, publications, floor)


def stamps(outcomes: list[Outcome]) -> list[Stamp]:
    """Return every stamp; each publication must have been stored."""
    found: list[Stamp] = []
    for outcome in outcomes:
        assert isinstance(outcome, Stored), outcome
        found += outcome.stamps
    return found


async def read(
    store: Store, channel: str, after: Cursor = START, limit: int = 1000, tenant: str = TENANT
) -> History:
    """Read one channel."""
    (history,) = await store.read(tenant, [Lookup(channel, after)], limit, START)
    return history


def bodies(history: History) -> list[bytes]:
    """Return the bodies of a history."""
    return [message.body for message in history.messages]
