"""A publish storm, and readers that attach in the middle of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random
import asyncio

from broker.core.cursor import Cursor
from tests.support.ledger import Heard, Ledger
from tests.support.subscribers import subscribe_events, upgrade
from tests.support.target import Target, publish, publish_batch
from tests.support.wire import Envelope, Http, connect, subscription

MANY = 10
"""Channels from which on a list gets live messages soon enough to wait for some."""

TRANSPORTS = ("websocket", "longpoll", "shortpoll", "eventsource")


@asynccontextmanager
async def storm(
    targets: Sequence[Target], channels: Sequence[str], random: Random, *, pause_s: float
) -> AsyncIterator[Ledger]:
    """
    Publish without end for the length of a block, through every broker in turn.

    Args:
        targets: Brokers over one store.
        channels: Where to.
        random: Decides what goes where.
        pause_s: Seconds between two requests, about.
    """
    ledger = Ledger()
    blowing = asyncio.create_task(_blow(targets, channels, random, pause_s, ledger))
    try:
        yield ledger
    finally:
        blowing.cancel()
        await asyncio.gather(blowing, return_exceptions=True)
    if blowing.done() and not blowing.cancelled():
        blowing.result()


async def _blow(
    targets: Sequence[Target],
    channels: Sequence[str],
    random: Random,
    pause_s: float,
    ledger: Ledger,
) -> None:
    https = [await connect(target.internal) for target in targets]
    try:
        while True:
            sending = asyncio.create_task(_publish(random.choice(https), channels, random, ledger))
            try:
                await asyncio.shield(sending)
            except asyncio.CancelledError:
                await sending  # so that the ledger holds whatever was stored
                raise
            await asyncio.sleep(random.uniform(0, 2 * pause_s))
    finally:
        for http in https:
            await http.close()


async def _publish(http: Http, channels: Sequence[str], random: Random, ledger: Ledger) -> None:
    if random.random() < 0.5:
        count = random.choice((1, 1, 2, 5))
        names = random.sample(channels, min(count, len(channels)))
        ledger.add(await publish(http, names, {"n": ledger.next_number()}))
    else:
        names = random.choices(channels, k=random.choice((2, 5, 10)))
        batch = [(name, {"n": ledger.next_number()}) for name in names]
        ledger.add(await publish_batch(http, batch))


class Reader:
    """
    Attaches to brokers, by every transport, and notes what it hears.

    Args:
        targets: Brokers over one store.
        ledger: What is being stored.
        random: Decides where it attaches, and when it leaves.

    Attributes:
        heard: Every attach so far.
    """

    def __init__(self, targets: Sequence[Target], ledger: Ledger, random: Random) -> None:
        self.heard: list[Heard] = []
        self._targets = targets
        self._ledger = ledger
        self._random = random
        self._kept: dict[int, Http] = {}

    async def read(
        self, transport: str, channels: Sequence[str], after: Cursor | None, *, leave_early: bool
    ) -> Cursor | None:
        """
        Attach, hear what there is, and leave; on lists of many channels, stay for some live ones.

        Args:
            transport: One of `TRANSPORTS`.
            channels: What to hear.
            after: Where to go on, or None for a newcomer.
            leave_early: Whether to leave after any frame, instead of when everything was heard
                that was stored at the time of attaching.

        Returns:
            The cursor to go on with.
        """
        number = self._random.randrange(len(self._targets))
        goal = self._ledger.last(channels)
        heard = Heard(transport, number, channels, after, 0)
        self.heard.append(heard)
        if transport.endswith("poll"):
            await self._poll(number, transport, heard, goal)
        else:
            leave_after = self._random.randint(1, 12) if leave_early else 2**30
            await self._stream(number, transport, heard, goal, leave_after)
        return heard.end or after

    async def close(self) -> None:
        """Close the connections that were kept."""
        for http in self._kept.values():
            await http.close()

    async def _poll(self, number: int, mode: str, heard: Heard, goal: Cursor) -> None:
        """Poll until there are messages, or the goal is reached, on a connection that is kept."""
        http = self._kept.get(number)
        if http is None:
            http = self._kept[number] = await connect(self._targets[number].public)
        cursor = heard.after
        while True:
            if cursor is None and mode == "longpoll":
                mode = "shortpoll"  # whose answer says where a newcomer begins
            answer = await http.ask(subscription(mode, heard.channels, cursor))
            if answer.status == 200:
                for envelope in answer.envelopes:
                    heard.take(envelope)
            if heard.after is None:
                heard.after = answer.cursor
                assert goal <= answer.cursor, "a newcomer begins now"
            cursor = heard.end = answer.cursor
            if heard.notes or cursor >= goal:
                return

    async def _stream(
        self, number: int, transport: str, heard: Heard, goal: Cursor, leave_after: int
    ) -> None:
        http = await connect(self._targets[number].public)
        try:
            wanted = subscription(transport, heard.channels, heard.after)
            if transport == "websocket":
                next_envelope = (await upgrade(http, wanted)).envelope
            else:
                next_envelope = (await subscribe_events(http, wanted)).envelope
            heard.sent = self._ledger.sent
            live = self._random.randrange(6) if len(heard.channels) >= MANY else 0
            for _ in range(leave_after):
                envelope: Envelope = await next_envelope()
                heard.take(envelope)
                if envelope.cursor >= goal:
                    live -= 1
                if live < 0:
                    return
        finally:
            http.cut()
            await http.close()
