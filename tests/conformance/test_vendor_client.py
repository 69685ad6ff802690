"""An hour in the life of the vendor's client: cut, redirected, restarted, and nothing lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from random import Random
from typing import Any
from urllib.parse import urlsplit
import asyncio

from broker.settings import ListenAddress
from broker.settings.serving import PACKAGED_CONFIG
from tests.conformance.vendor_client import FlakyNetwork, VendorClient
from tests.support.clock import JumpingLoop
from tests.support.node import RunningNode, SharedMemoryStore, running_node
from tests.support.target import Published, publish
from tests.support.tokens import hmac_key

HOUR_S = 3600.0
PAGES = 8
APP = "100"
TOKEN_TTL_S = 1200
RENEW_S = 300

KINDS = (
    *("conversation", "conversation_reply", "conversation_typing", "conversation_read"),
    *("user_presence_changed", "conversation_assigned", "conversation_closed"),
)
USERS = ("7", "8", "9")

CHANNELS = PACKAGED_CONFIG.read_text().replace("age: 30s", "age: 1h").replace(" 20,", " 500,")
"""The rules that come with the broker, but for rings that a client could fall out of."""


class Nodes:
    """
    Two nodes over one store, restarted now and then on the same ports.

    Attributes:
        hosts: Base URLs for subscribers; they stay the same.
        restarts: How often a node was restarted.
    """

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, JumpingLoop)
        self._store = SharedMemoryStore(loop.wall)
        self._running: dict[int, tuple[RunningNode, AsyncExitStack]] = {}
        self.hosts: list[str] = []
        self.restarts = 0

    async def start(self, number: int) -> None:
        """Start a node, on its former port if it had one."""
        settings: dict[str, Any] = {}
        if number < len(self.hosts):
            port = urlsplit(self.hosts[number]).port
            assert port is not None
            settings["public"] = ListenAddress("127.0.0.1", port)
        stack = AsyncExitStack()
        node = await stack.enter_async_context(
            running_node(self._store, channels=CHANNELS, **settings)
        )
        if number == len(self.hosts):
            self.hosts.append(node.public)
        self._running[number] = (node, stack)

    async def stop(self, number: int) -> None:
        """Stop a node as its operator would."""
        _, stack = self._running.pop(number)
        await stack.aclose()

    def any(self, random: Random) -> RunningNode:
        """Return one that runs."""
        return random.choice([node for node, _ in self._running.values()])

    async def restart_forever(self, random: Random) -> None:
        """Restart one node every few minutes; it is away for up to half a minute."""
        while True:
            await asyncio.sleep(random.uniform(120, 480))
            number = random.randrange(len(self.hosts))
            await self.stop(number)
            await asyncio.sleep(random.uniform(0, 30))
            await self.start(number)
            self.restarts += 1


@asynccontextmanager
async def two_nodes() -> AsyncIterator[Nodes]:
    """Run two nodes over one store in memory."""
    nodes = Nodes()
    for number in range(2):
        await nodes.start(number)
    try:
        yield nodes
    finally:
        for number in list(nodes._running):
            await nodes.stop(number)


async def publish_for(seconds: float, nodes: Nodes, random: Random) -> list[Published]:
    """Publish to one and to several channels, in bursts and alone; return what was stored."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    stored: list[Published] = []
    while loop.time() < end:
        quiet = random.random() < 0.01
        await asyncio.sleep(random.uniform(60, 90) if quiet else random.expovariate(1 / 4))
        for _ in range(random.choice((1, 1, 1, 2, 8))):
            kind, user = random.choice(KINDS), random.choice(USERS)
            names = [f"{kind}.{APP}", f"{kind}.{APP}.{user}"]
            if kind not in KINDS[:4]:
                names = names[:1]
            async with nodes.any(random).connect_internal() as http:
                stored += await publish(http, names, {"n": len(stored)})
    return stored


class Reader:
    """
    Somebody whose browser shows page after page of the vendor's client.

    Args:
        nodes: Whom the pages call.
        random: Decides about everything.

    Attributes:
        pages: Every page so far.
        channels: What each page wants to hear.
    """

    def __init__(self, nodes: Nodes, random: Random) -> None:
        self._nodes = nodes
        self._random = random
        loop = asyncio.get_running_loop()
        assert isinstance(loop, JumpingLoop)
        self._now = loop.wall
        self._user = random.choice((None, *USERS))
        self.pages: list[VendorClient] = []
        suffix = APP if self._user is None else f"{APP}.{self._user}"
        kinds = KINDS if self._user is None else KINDS[:4]
        self.channels = [f"{kind}.{suffix}" for kind in kinds]
        if random.random() < 0.6:
            self.channels.append("ping")
        random.shuffle(self.channels)
        self._token, self._expires = "", 0.0

    async def read(self, seconds: float) -> None:
        """Open page after page; the last one stays open."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while loop.time() < end:
            life_s = self._random.uniform(300, 1800)
            await self._page(life_s if loop.time() + life_s < end else None)

    async def _page(self, life_s: float | None) -> None:
        fate = self._random.random()
        page = VendorClient(
            self._nodes.hosts,
            self.channels,
            self._good_token,
            FlakyNetwork(self._random, sockets_blocked=fate > 0.75),
            self._random,
            self._now,
            knows_sockets=fate > 0.3,
        )
        self.pages.append(page)
        with suppress(TimeoutError):
            async with asyncio.timeout(life_s):
                await page.run()

    def _good_token(self) -> str:
        if self._now() > self._expires - RENEW_S:
            self._expires = self._now() + TOKEN_TTL_S
            claims: dict[str, object] = {"app_id": APP, "exp": int(self._expires)}
            claims |= {"role": "operator"} if self._user is None else {"sub": self._user}
            self._token = hmac_key().mint(None, **claims)
        return self._token

    @property
    def wanted(self) -> set[str]:
        """The channels it listens to, but for pings."""
        return set(self.channels) - {"ping"}


def shown(messages: list[Published], reader: Reader, page: VendorClient) -> list[tuple[str, int]]:
    """Return what a page should have heard, had it stayed open: channel and id, in order."""
    return [
        (message.channel, message.id)
        for message in messages
        if message.channel in reader.wanted and message.cursor.time > page.since
    ]


async def live_an_hour(seed: int) -> Counter[str]:
    """Run readers against two nodes for an hour; compare what they heard to what was stored."""
    random = Random(seed)
    counts: Counter[str] = Counter()
    async with two_nodes() as nodes, asyncio.TaskGroup() as tasks:
        readers = [Reader(nodes, Random(random.random())) for _ in range(PAGES)]
        reading = [tasks.create_task(reader.read(HOUR_S)) for reader in readers]
        restarting = tasks.create_task(nodes.restart_forever(Random(random.random())))
        stored = await publish_for(HOUR_S, nodes, Random(random.random()))
        restarting.cancel()
        await asyncio.sleep(120)
        for task in reading:
            task.cancel()
        for reader in readers:
            for page in reader.pages:
                heard = [(message["channel"], message["id"]) for message in page.heard]
                expected = shown(stored, reader, page)
                assert expected[: len(heard)] == heard, f"seed {seed}: lost, repeated or swapped"
                assert [] == page.troubles, f"seed {seed}"
                counts += page.network.counts
            last = reader.pages[-1]
            assert len(shown(stored, reader, last)) == len(last.heard), f"seed {seed}: unheard"
        counts["restarts"] = nodes.restarts
        counts["stored"] = len(stored)
    return counts


def test_point_1_to_13_an_hour_of_the_vendors_client() -> None:
    """Through cuts, restarts, expired tokens and fallbacks each message is dispatched once."""
    with asyncio.Runner(loop_factory=lambda: JumpingLoop(grace_s=0)) as runner:
        counts = runner.run(live_an_hour(seed=20151114))
    print(sorted(counts.items()))
    for happened in (
        *("sockets", "blocked sockets", "cuts", "truncated", "refused", "restarts"),
        *("shortpoll 304", "shortpoll 200", "longpoll 304", "longpoll 200"),
        *("close 3401", "close 3503", "kind ping", "kind conversation"),
    ):
        assert counts[happened] > 0, f"{happened} did not happen, so this shows too little"
    assert 0 == counts["silent sockets"]
